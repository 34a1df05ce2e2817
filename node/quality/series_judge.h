// The verdicts themselves: one reading of one series, given what came before it.
//
// What a reading leaves behind:
//   - one that is clock_ahead leaves nothing, so that a clock that ran away once does not make
//     everything after it late
//   - every other one in order becomes "the last arrival", for gaps and order
//   - every finite one within the range enters the spike window, spikes too: so a true step is
//     believed in time
//   - one that is not bad becomes the value that rate_of_change and stuck compare with
// A reading out of order (earlier than the last arrival) is judged by itself: not_finite,
// clock_ahead, unit_mismatch, out_of_range, clock_behind; it leaves nothing. So is a second one for
// the last arrival's time, but when it is the same value again: then it has the same verdict.
// At the first reading of another block of the domain (Rule::restart) window, value and run are
// forgotten. A reading that arrives after one of a later block is out of order and judged by
// itself, as if that block had not been there but for the memory that it could have had.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>

#include "node/history/reading.h"
#include "node/quality/rule.h"

namespace entente::node {

// The last values of a series, for the median. Allocated when the first value comes.
class SpikeWindow {
 public:
  // Forgets everything.
  void clear() { size_ = next_ = 0; }
  // `length` is the rule's; another one than before begins anew.
  void push(double value, int length);
  // Whether `value` is a spike by this rule. False while the window is less than half full, and
  // where all its values are one and the rule has no floor.
  bool is_spike(double value, const Rule& rule) const;
  std::size_t bytes() const { return capacity_ * sizeof(double); }

 private:
  std::unique_ptr<double[]> values_;
  std::uint8_t capacity_ = 0;
  std::uint8_t size_ = 0;
  std::uint8_t next_ = 0;
};

// The median of values, which are moved about. `values` is not empty.
double median_of(std::span<double> values);

struct SeriesState {
  static constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
  std::int64_t arrived = kNone;  // time of the last arrival in order
  double arrived_value = 0;
  std::int64_t value_time = kNone;  // of the last that was not bad
  double value = 0;
  std::int64_t run_start = kNone;
  double run_value = 0;
  std::int64_t block_end = kNone;   // of the last arrival's block, where the rule restarts
  Quality quality = Quality::good;  // of the last arrival
  bool flat = false;                // the run goes on from before a gap
};

// What is to be counted beside the verdict.
struct Judged {
  enum class Order : std::uint8_t { next, same_time, earlier, ahead };
  enum class Interval : std::uint8_t { none, regular, irregular, gap };
  Quality quality = Quality::good;
  Order order = Order::next;
  Interval interval = Interval::none;
  std::uint64_t since_last = 0;  // ns, of next
};

// By the reading alone. `now` is the time of its arrival.
Quality judge_alone(const Rule& rule, Instant time, double value, Instant now);
// With what came before; `state` and `window` go on. `window` may be null when the rule has no
// spikes.
Judged judge_next(const Rule& rule, SeriesState& state, SpikeWindow* window, Instant time,
                  double value, Instant now);

// One series by one rule, for whoever judges a history again.
class SeriesJudge {
 public:
  explicit SeriesJudge(Rule rule) : rule_(std::move(rule)) {}
  Judged next(Instant time, double value, Instant now) {
    return judge_next(rule_, state_, &window_, time, value, now);
  }
  const Rule& rule() const { return rule_; }

 private:
  Rule rule_;
  SeriesState state_;
  SpikeWindow window_;
};

}  // namespace entente::node
