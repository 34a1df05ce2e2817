#include "federation/query/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace entente::federation {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double median_of(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  // Halved before adding, so that two large values do not overflow.
  return *std::max_element(values.begin(), middle) / 2 + *middle / 2;
}

}  // namespace

void Fold::restart(TimeWindow tick) {
  tick_ = tick;
  count_ = 0;
  result_ = 0;
  latest_ = {};
  held_ns_ = 0;
  series_begun_ = false;
  holding_ = false;
  values_.clear();
}

void Fold::add(Instant time, double value) {
  if (!tick_.contains(time) || !std::isfinite(value)) return;
  const bool first = count_ == 0;
  switch (column_.reducer) {
    case Reducer::mean:
    case Reducer::sum:
      result_ += value;
      break;
    case Reducer::min:
      result_ = first ? value : std::min(result_, value);
      break;
    case Reducer::max:
      result_ = first ? value : std::max(result_, value);
      break;
    case Reducer::median:
      values_.push_back(value);
      break;
    case Reducer::last:
      if (!first && time < latest_) break;
      result_ = value;
      latest_ = time;
      break;
    case Reducer::delta:
      if (series_begun_ && time < previous_time_) return;
      if (series_begun_) result_ += value >= previous_ ? value - previous_ : std::max(value, 0.0);
      previous_ = value;
      break;
    case Reducer::duration:
      if (series_begun_ && time < previous_time_) return;
      add_duration(time, value);
      break;
  }
  series_begun_ = true;
  previous_time_ = time;
  ++count_;
}

void Fold::add_duration(Instant time, double value) {
  if (series_begun_ && holding_) held_ns_ += (time - previous_time_).ns;
  holding_ = satisfied(column_.predicate, [&](std::uint16_t) { return value; });
}

void Fold::next_series() {
  if (series_begun_ && holding_) held_ns_ += (tick_.to - previous_time_).ns;
  series_begun_ = false;
  holding_ = false;
}

double Fold::value() const {
  if (count_ == 0) return kNone;
  double value = result_;
  if (column_.reducer == Reducer::mean) value = result_ / static_cast<double>(count_);
  if (column_.reducer == Reducer::median) value = median_of(values_);
  if (column_.reducer == Reducer::duration) {
    const std::int64_t open = holding_ ? (tick_.to - previous_time_).ns : 0;
    value = Duration{held_ns_ + open}.seconds();
  }
  return std::isfinite(value) ? value : kNone;
}

}  // namespace entente::federation
