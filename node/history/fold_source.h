// The site's twins as the question engine sees them: members of a view, folded.
//
// A member is a twin of the view's type or a subtype whose properties give the values of one declared
// cell. A unit is a twin, or all member twins with one value of the property that the domain names.
#pragma once

#include <functional>
#include <memory>

#include "federation/query/twin_source.h"
#include "node/history/history.h"
#include "node/twin/twin_registry.h"

namespace entente::node {

// Threads: workers, several at once.
class FoldSource final : public federation::TwinSource {
 public:
  using State = std::function<std::shared_ptr<const TwinState>()>;
  // `state` gives the present snapshot, from any thread; `history` outlives this.
  FoldSource(State state, const History& history) : state_(std::move(state)), history_(history) {}

  // Refuses: query_unknown_name (type, signal, key or unit property that is not there); conflict (a
  // unit whose twins lie in several cells: its contribution would not be bounded by one).
  Result<federation::FoldedTable> fold(const federation::FoldRequest& request) const override;

 private:
  const State state_;
  const History& history_;
};

}  // namespace entente::node
