#include "node/collect/range_gate.h"

namespace entente::node {

void RangeGate::learn(SeriesId series, const std::optional<Range>& range) {
  const auto index = static_cast<std::size_t>(series);
  if (index >= ranges_.size()) ranges_.resize(index + 1);
  ranges_[index] = range;
}

void RangeGate::judge(Batch& batch, Instant now) const {
  static const std::optional<Range> none;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto series = static_cast<std::size_t>(batch.series[i]);
    batch.qualities[i] = node::judge({batch.times[i]}, batch.values[i],
                                     series < ranges_.size() ? ranges_[series] : none, now);
  }
}

}  // namespace entente::node
