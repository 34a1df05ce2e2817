#include "node/quality/series_judge.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "node/limits.h"
#include "schemas/base/zone.h"

namespace entente::node {
namespace {

// later - earlier of two counts of nanoseconds; `later` is not before `earlier`.
std::uint64_t between(std::int64_t earlier, std::int64_t later) {
  return static_cast<std::uint64_t>(later) - static_cast<std::uint64_t>(earlier);
}

bool longer_than(std::uint64_t elapsed, Duration limit) {
  return elapsed > static_cast<std::uint64_t>(limit.ns);
}

bool is_ahead(const Rule& rule, Instant time, Instant now) {
  return rule.clock_ahead.ns > 0 && time > now &&
         longer_than(between(now.ns, time.ns), rule.clock_ahead);
}

bool is_behind(const Rule& rule, Instant time, Instant now) {
  return rule.clock_behind.ns > 0 && now > time &&
         longer_than(between(time.ns, now.ns), rule.clock_behind);
}

bool within(const Range& range, double value) {
  return value >= range.minimum && value <= range.maximum;
}

bool is_other_unit(const Rule& rule, double value) {
  if (!rule.unit_expected || within(*rule.unit_expected, value)) return false;
  for (const Conversion& way : rule.other_units) {
    if (within(*rule.unit_expected, (value - way.offset) / way.factor)) return true;
  }
  return false;
}

// The verdicts on a value that is finite and whose clock is right.
Quality judge_value(const Rule& rule, double value) {
  if (is_other_unit(rule, value)) return Quality::unit_mismatch;
  if (rule.range && !within(*rule.range, value)) return Quality::out_of_range;
  return Quality::good;
}

Judged::Interval interval_of(const Rule& rule, std::uint64_t elapsed) {
  if (rule.period.ns <= 0) return Judged::Interval::none;
  const auto passed = static_cast<double>(elapsed);
  const auto period = static_cast<double>(rule.period.ns);
  if (passed > rule.gap_factor * period) return Judged::Interval::gap;
  return std::abs(passed - period) > rule.jitter * period ? Judged::Interval::irregular
                                                          : Judged::Interval::regular;
}

bool same_run(const Rule& rule, const SeriesState& state, double value) {
  return state.run_start != SeriesState::kNone && std::abs(value - state.run_value) <= rule.dither;
}

// The verdicts that look back, on a value that is right by itself and next in order.
Quality judge_against(const Rule& rule, const SeriesState& state, const SpikeWindow* window,
                      Instant time, double value) {
  if (rule.spike > 0 && window != nullptr && window->is_spike(value, rule)) return Quality::spike;
  if (state.value_time == SeriesState::kNone) return Quality::good;
  if (rule.rate_per_second > 0) {
    const double passed = static_cast<double>(between(state.value_time, time.ns)) * 1e-9;
    if (std::abs(value - state.value) > rule.rate_per_second * passed) {
      return Quality::rate_of_change;
    }
  }
  if (!same_run(rule, state, value)) return Quality::good;
  if (state.flat && rule.flat_after_gap) return Quality::flat_after_gap;
  if (rule.stuck.ns > 0 && longer_than(between(state.run_start, time.ns), rule.stuck)) {
    return Quality::stuck;
  }
  return Quality::good;
}

// Forgets what was remembered of an earlier block; each block is looked up once.
void restart_at_block(const Rule& rule, SeriesState& state, SpikeWindow* window, Instant time) {
  if (rule.restart.ns <= 0 ||
      (state.block_end != SeriesState::kNone && time.ns < state.block_end)) {
    return;
  }
  const Instant begin = step_begin(time, rule.restart, rule.zone);
  const bool other = state.arrived != SeriesState::kNone && state.arrived < begin.ns;
  state.block_end = step_end(time, rule.restart, rule.zone).ns;
  if (!other) return;
  if (window != nullptr) window->clear();
  state.value_time = SeriesState::kNone;
  state.run_start = SeriesState::kNone;
  state.flat = false;
}

void remember_value(const Rule& rule, SeriesState& state, Instant time, double value) {
  state.value_time = time.ns;
  state.value = value;
  if (same_run(rule, state, value)) return;
  state.run_start = time.ns;
  state.run_value = value;
  state.flat = false;
}

}  // namespace

double median_of(std::span<double> values) {
  const std::size_t half = values.size() / 2;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(half);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return *std::max_element(values.begin(), middle) / 2 + *middle / 2;
}

void SpikeWindow::push(double value, int length) {
  const auto wanted = static_cast<std::uint8_t>(std::clamp<std::size_t>(
      static_cast<std::size_t>(length), limits::kSpikeWindowMin, limits::kSpikeWindowMax));
  if (capacity_ != wanted) {
    values_ = std::make_unique<double[]>(wanted);
    capacity_ = wanted;
    clear();
  }
  values_[next_] = value;
  next_ = static_cast<std::uint8_t>((next_ + 1) % capacity_);
  if (size_ < capacity_) ++size_;
}

bool SpikeWindow::is_spike(double value, const Rule& rule) const {
  if (size_ == 0 || size_ * 2 < capacity_) return false;
  std::array<double, limits::kSpikeWindowMax> copy;
  const std::span<double> values(copy.data(), size_);
  std::copy_n(values_.get(), size_, copy.begin());
  const double median = median_of(values);
  const double distance = std::abs(value - median);
  if (distance <= rule.spike * rule.spike_floor) return false;
  for (double& each : values) each = std::abs(each - median);
  const double unit = std::max(median_of(values), rule.spike_floor);
  return unit > 0 && distance > rule.spike * unit;
}

Quality judge_alone(const Rule& rule, Instant time, double value, Instant now) {
  if (!std::isfinite(value)) return Quality::not_finite;
  if (is_ahead(rule, time, now)) return Quality::clock_ahead;
  const Quality quality = judge_value(rule, value);
  if (quality != Quality::good) return quality;
  return is_behind(rule, time, now) ? Quality::clock_behind : Quality::good;
}

Judged judge_next(const Rule& rule, SeriesState& state, SpikeWindow* window, Instant time,
                  double value, Instant now) {
  Judged judged;
  judged.quality = judge_alone(rule, time, value, now);
  if (is_ahead(rule, time, now)) {  // also when the value is not finite
    judged.order = Judged::Order::ahead;
    return judged;
  }
  const bool first = state.arrived == SeriesState::kNone;
  if (!first && time.ns <= state.arrived) {
    judged.order = time.ns == state.arrived ? Judged::Order::same_time : Judged::Order::earlier;
    const bool again =
        judged.order == Judged::Order::same_time && judged.quality != Quality::not_finite &&
        std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(state.arrived_value);
    if (again) judged.quality = state.quality;
    return judged;
  }
  restart_at_block(rule, state, window, time);
  if (!first) {
    judged.since_last = between(state.arrived, time.ns);
    judged.interval = interval_of(rule, judged.since_last);
  }
  if (judged.interval == Judged::Interval::gap) {
    if (window != nullptr) window->clear();
    if (state.run_start != SeriesState::kNone) {
      state.run_start = time.ns;  // whether it stayed meanwhile is not known
      state.flat = true;
    }
  }
  const Quality alone = judged.quality;
  const bool right = alone == Quality::good || alone == Quality::clock_behind;
  if (right) {
    const Quality against = judge_against(rule, state, window, time, value);
    if (against != Quality::good) judged.quality = against;
    if (rule.spike > 0 && window != nullptr) window->push(value, rule.spike_window);
    if (verdict_of(judged.quality) != Verdict::bad) remember_value(rule, state, time, value);
  }
  state.arrived = time.ns;
  state.arrived_value = value;
  state.quality = judged.quality;
  return judged;
}

}  // namespace entente::node
