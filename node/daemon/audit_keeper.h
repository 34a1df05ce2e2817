// Keeps this site's audit log provable: each minute it reads back what was written and a share of
// what is old, signs a checkpoint when the log moved, and shows it to every partner to be
// cosigned.
//
// What a read-back finds is final: an edited, missing or reordered record, or a tree that is not
// the one last signed, closes the node for questions and administration (`fault`), while status,
// the audit log itself and the suspension of links stay. Threads: loop; reading runs on workers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "federation/link/link_hooks.h"
#include "node/service/health.h"
#include "node/store/checkpoint_shelf.h"

namespace entente::node {

struct Core;

// Old records read back in one turn, besides all that is new.
inline constexpr std::uint64_t kReadBackShare = 20'000;
// New ones in one turn; more wait for the next.
inline constexpr std::uint64_t kReadBackNew = 200'000;

class AuditKeeper {
 public:
  explicit AuditKeeper(Core& core) : core_(core) {}

  // Begins a turn unless one is under way.
  void turn();

  // Why the log cannot be trusted any more; empty while it can.
  const std::optional<Error>& fault() const { return fault_; }
  // For status and doctor: the log's state, its witnesses and its share of the room for it.
  CheckResult check() const;

  struct Standing {
    std::optional<OwnCheckpoint> newest;
    std::uint64_t verified = 0;             // records read back since the start
    double room_used = 0;                   // share of [audit] capacity
    std::map<OrgId, std::string> warnings;  // what a partner's reply says against this log
  };
  const Standing& standing() const { return standing_; }

 private:
  struct Reading;
  void finish(const Reading& reading);
  void sign(const security::TreeHead& tree);
  void show_to_all();
  void show(OrgId partner, std::uint64_t old_size, bool again);
  void answered(OrgId partner, const OwnCheckpoint& shown, const federation::WitnessReply& reply,
                bool again);
  void seen_elsewhere(OrgId partner, const std::string& note, bool again);
  void warn(OrgId partner, std::string why);

  Core& core_;
  bool busy_ = false;
  std::set<OrgId> heard_;      // partners that answered since the start
  std::uint64_t next_old_ = 1;  // where the next share of old records begins
  std::optional<Error> fault_;
  Standing standing_;
};

}  // namespace entente::node
