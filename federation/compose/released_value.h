// A figure of the released lane: made of what sites have released through their gates, with the
// error that their noise leaves.
//
// The state and the history of a system twin are made of these alone. There is no way from an exact
// figure (federation/query/exact.h) to one: they come from a FederatedAnswer, which is merged from
// verified releases, or from the durable form of one that did. Threads: any.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "federation/ask/asker.h"

namespace entente::federation {

class ReleasedValue {
 public:
  // The answer's first item, a value for each cell in time; of several groups the total. Cells for
  // which nobody answered have no estimate.
  static std::vector<ReleasedValue> of(const FederatedAnswer& answer);

  // One line a value, and back to the same bits. Refuses: store_failed.
  static std::string durable(const std::vector<ReleasedValue>& values);
  [[nodiscard]] static Result<std::vector<ReleasedValue>> from_durable(std::string_view text);

  const TimeWindow& window() const { return window_; }
  // None of a histogram, or when nobody answered for it.
  const std::optional<Estimate>& estimate() const { return estimate_; }
  const std::vector<Estimate>& bins() const { return bins_; }  // of a histogram

 private:
  ReleasedValue() = default;

  TimeWindow window_;
  std::optional<Estimate> estimate_;
  std::vector<Estimate> bins_;
};

}  // namespace entente::federation
