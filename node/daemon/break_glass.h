// Break-glass: the way in when nobody who may is there, and how loud it is.
//
// Whoever can read the file `break-glass.secret` in the node's folder may, over loopback, cut
// links, disable users and tokens, restore a former policy and read the node's status: never data,
// never budgets, and nothing that opens something (security::break_glass_allows). Every call is in
// the audit log before it has an effect and in the node's log as an error, and the status says so
// until somebody who manages roles acknowledges it. Threads: loop.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "node/store/store.h"
#include "schemas/base/clock.h"

namespace entente::node {

struct BreakGlassUse {
  Instant first;
  Instant last;
  std::int64_t calls = 0;
  std::string what;  // the last call's operation
};

class BreakGlass {
 public:
  BreakGlass(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();

  using Done = std::function<void(Outcome)>;
  // Before the call has an effect. Refuses: store_failed.
  void record(const std::string& what, Done done);
  // Refuses: not_found (there is nothing to acknowledge), store_failed.
  void acknowledge(const std::string& actor, Done done);
  // What was done since the last acknowledgement.
  const std::optional<BreakGlassUse>& unacknowledged() const { return use_; }

 private:
  Store& store_;
  const Clock& clock_;
  std::optional<BreakGlassUse> use_;
};

}  // namespace entente::node
