// Keeps the kept properties of system twins: asks each of their windows once when it is closed,
// stores what was released, and asks again for members that were late or lost.
//
// It asks as a local user does, through AskService, with the property's purpose and epsilon, which
// every member charges for each window. A window that was kept is never asked for a new charge: who
// has answered is asked again only where its site holds that very answer, which is free. What comes
// later is a correction, a row with the next revision; federation/compose/limits.h has the times of
// the retries. A window that nobody answers is kept too, with the reasons, after a second try.
// A change of the definition ends the retries of windows that were asked by the one before.
// Threads: loop.
#pragma once

#include <kj/async.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "federation/ask/site.h"
#include "federation/compose/system_windows.h"
#include "federation/link/loop.h"
#include "node/daemon/ask_service.h"
#include "node/daemon/system_register.h"

namespace entente::node {

class SystemKeeper final : public kj::TaskSet::ErrorHandler {
 public:
  struct Parts {
    const Clock& clock;
    AskService& ask;
    SystemShelf& shelf;
    const SystemRegister& systems;
    federation::SnapshotSource site;
  };
  explicit SystemKeeper(Parts parts)
      : parts_(std::move(parts)), tasks_(kj::heap<kj::TaskSet>(*this)) {}
  // Before the loop runs: where each property was, and which windows wait for members.
  void load();

  // Each second: asks what is due, a few windows at once.
  void tend();
  // Lets go of what is under way; asked again after the next start, the answers are free.
  void stop() { tasks_ = nullptr; }

  using Key = std::pair<std::string, std::string>;  // system, property
  // When the next window of a kept property is due, and what keeps it from being asked; empty.
  struct Outlook {
    std::optional<Instant> due;
    std::string problem;
  };
  Outlook outlook(const Key& key) const;

 private:
  struct Progress {
    std::optional<Instant> last;  // end of the latest window that was kept
    Instant next_try;
    int failures = 0;  // of the window that is due
    Outlook outlook;
  };
  // A window that not every member answered.
  struct Waiting {
    SystemRow row;  // the newest revision
    Instant first;
    Instant tried;
  };
  struct Asked;

  void tend_property(const DeclaredSystem& declared, const federation::SystemProperty& property);
  void tend_waiting(Waiting& waiting);
  void send(std::shared_ptr<Asked> asked);
  kj::Promise<void> accept(std::shared_ptr<Asked> asked, Result<AskService::Released> result);
  kj::Promise<void> keep(std::shared_ptr<Asked> asked, SystemRow row);
  void postpone(const Asked& asked, Duration wait, std::string problem);
  void kept(const Asked& asked, SystemRow row);
  void forget_gone();

  void taskFailed(kj::Exception&& fault) override;

  Parts parts_;
  std::map<Key, Progress> progress_;
  std::map<std::int64_t, Waiting> waiting_;  // by the number of the newest row
  std::set<Key> busy_;
  kj::Own<kj::TaskSet> tasks_;  // null once stopped
};

}  // namespace entente::node
