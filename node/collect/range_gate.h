// Judges batches by what each series' type says of its range: the one place where collected
// readings get their verdict.
#pragma once

#include <optional>
#include <vector>

#include "node/history/gate.h"

namespace entente::node {

// Threads: one at a time.
class RangeGate {
 public:
  void learn(SeriesId series, const std::optional<Range>& range);
  // Sets every verdict of the batch. `now`: its arrival.
  void judge(Batch& batch, Instant now) const;

 private:
  std::vector<std::optional<Range>> ranges_;  // by series
};

}  // namespace entente::node
