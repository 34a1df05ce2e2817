// The site's twins as the question engine sees them: members of a view, folded.
//
// A member is a twin of the view's type or a subtype whose properties give the values of one
// declared cell. A unit is a twin, or all member twins that the domain's rule counts to one
// property's value or ancestor; which, unit_register.h says, block by block. A twin whose unit
// changes inside a tick, or that has none, is left out of the tick and counted.
#pragma once

#include <functional>
#include <memory>

#include "federation/query/twin_source.h"
#include "node/history/history.h"
#include "node/history/unit_register.h"
#include "node/twin/twin_registry.h"

namespace entente::node {

// Threads: workers, several at once.
class FoldSource final : public federation::TwinSource {
 public:
  using State = std::function<std::shared_ptr<const TwinState>()>;
  // `state` gives the present snapshot, from any thread; `history` and `units` outlive this.
  // Without `units` only twins can be units.
  FoldSource(State state, const History& history, UnitRegister* units = nullptr)
      : state_(std::move(state)), history_(history), units_(units) {}

  // Refuses: query_unknown_name (type, signal, key or unit property that is not there);
  // query_unsupported (a unit that is no twin, and no register); what the register refuses.
  Result<federation::FoldedTable> fold(const federation::FoldRequest& request) const override;

 private:
  const State state_;
  const History& history_;
  UnitRegister* const units_;
};

}  // namespace entente::node
