// Feeds that this site follows at partners, in entente.db: the lane of released values.
//
// Tables, both STRICT: `followed` (what was ordered, with the agreement as it was, so that a series
// can be read after its agreement is gone) and `followed_ticks` (feed, sequence, revision ->
// release). Revisions are kept apart, so that a correction never takes the place of what was shown;
// this version receives revision 0 alone. Threads: loop, but for load() and what says otherwise.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "node/store/store.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente::node {

struct FollowedFeed {
  QueryId id;
  OrgId organisation;
  AgreementId agreement_id;
  Bytes agreement;       // canonical
  std::string question;  // as written
  std::string purpose;
  Bytes terms;  // canonical
  Instant started;
  std::uint32_t ticks = 0;
  std::uint32_t next = 0;          // the first tick that is not here
  std::optional<ErrorCode> ended;  // why, if it did before its last tick
  bool complete() const { return next >= ticks; }
  bool running() const { return !ended && !complete(); }
};

struct FollowedTick {
  Bytes release;
  Instant received;
};

class FeedShelf {
 public:
  explicit FeedShelf(Store& store) : store_(store) {}
  static const char* migration();
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();

  const std::map<QueryId, FollowedFeed>& entries() const { return entries_; }
  // The feed whose id begins with these hexadecimal digits. Refuses: not_found, conflict (several).
  [[nodiscard]] Result<const FollowedFeed*> named(const std::string& digits) const;

  // `done` is called on the loop after the commit.
  void add(FollowedFeed feed, std::function<void(Outcome)> done);
  // Durably in its own time: the start was refused, so there is no such feed.
  void remove(const QueryId& id);
  // The next tick. `done` likewise.
  void keep(const QueryId& id, std::uint32_t sequence, FollowedTick tick,
            std::function<void(Outcome)> done);
  // Durably in its own time.
  void end(const QueryId& id, ErrorCode why);

  // Any thread but the loop's. By sequence from 0 on.
  std::vector<FollowedTick> ticks(const QueryId& id) const;

 private:
  Store& store_;
  std::map<QueryId, FollowedFeed> entries_;
};

}  // namespace entente::node
