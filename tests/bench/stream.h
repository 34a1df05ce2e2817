// The stream that the history's and the ingestion's figures speak of: 10,000 sensors at 1 Hz, each
// a random walk on a grid of 0.01, in batches of 1,000 sensors of one second.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "node/history/history.h"

namespace entente::bench {

inline constexpr std::size_t kSensors = 10'000;
inline constexpr std::size_t kBatch = 1'000;

class Stream {
 public:
  explicit Stream(node::History* history) : values_(kSensors, 2'000) {
    for (std::size_t i = 0; i < kSensors; ++i) {
      ids_.push_back(history == nullptr
                         ? static_cast<node::SeriesId>(i)
                         : *history->open_series("sensor-" + std::to_string(i), "value"));
    }
  }
  const std::vector<node::SeriesId>& ids() const { return ids_; }
  std::size_t readings() const { return made_; }
  // The time that the next batch begins with.
  std::int64_t time() const {
    return kBegin + static_cast<std::int64_t>(made_ / kSensors) * seconds(1).ns;
  }
  static constexpr std::int64_t kBegin = 1'700'000'000'000'000'000;

  node::Batch next() {
    node::Batch batch;
    batch.reserve(kBatch);
    const auto at = time();
    for (std::size_t i = 0; i < kBatch; ++i, ++made_) {
      const auto sensor = made_ % kSensors;
      state_ = state_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
      values_[sensor] += static_cast<std::int64_t>((state_ >> 33) % 11) - 5;
      batch.add(ids_[sensor],
                {{at}, static_cast<double>(values_[sensor]) / 100, node::Quality::good});
    }
    return batch;
  }

 private:
  std::vector<node::SeriesId> ids_;
  std::vector<std::int64_t> values_;  // hundredths
  std::uint64_t state_ = 1;
  std::size_t made_ = 0;
};

}  // namespace entente::bench
