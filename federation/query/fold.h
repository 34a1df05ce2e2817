// Folds one unit's good readings in one tick into one value, reading by reading.
//
// What comes out depends on the readings inside the tick alone (privacy.md 2.1): `delta` and
// `duration` begin at the tick's first reading, nothing before the tick is ever carried in.
// Constant memory but for `median`, which keeps the values; no allocation per reading otherwise. A
// unit of several twins is folded series after series: mean, min, max, sum and median pool the
// readings, last is the latest of all, delta and duration add up over the series. Threads: one at a
// time.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "schemas/base/limits.h"
#include "schemas/base/time.h"
#include "schemas/question.h"

namespace entente::federation {

constexpr bool compares(double left, Comparison comparison, double right) {
  switch (comparison) {
    case Comparison::less:
      return left < right;
    case Comparison::less_equal:
      return left <= right;
    case Comparison::greater:
      return left > right;
    case Comparison::greater_equal:
      return left >= right;
    case Comparison::equal:
      return left == right;
    case Comparison::not_equal:
      return left != right;
  }
  return false;
}

// Evaluates a well-formed predicate (question_from_bytes or plan made it, so it is not empty and
// has at most limits::kPredicateNodes nodes); `value_of(column)` gives the value compared. Every
// comparison but != is false of NaN: whether a unit without a value takes part at all is the
// caller's to decide.
template <class ValueOf>
bool satisfied(const Predicate& predicate, const ValueOf& value_of) {
  std::array<bool, limits::kPredicateNodes> stack;
  std::size_t depth = 0;
  for (const PredicateNode& node : predicate) {
    if (const auto* c = std::get_if<Compare>(&node)) {
      stack[depth++] = compares(value_of(c->column), c->comparison, c->constant);
      continue;
    }
    switch (*std::get_if<Connective>(&node)) {
      case Connective::not_:
        stack[depth - 1] = !stack[depth - 1];
        break;
      case Connective::and_:
        --depth, stack[depth - 1] = stack[depth - 1] && stack[depth];
        break;
      case Connective::or_:
        --depth, stack[depth - 1] = stack[depth - 1] || stack[depth];
        break;
    }
  }
  return stack[0];
}

class Fold {
 public:
  // `column` outlives this. Its bounds play no part here: clamping comes after folding.
  Fold(const Column& column, TimeWindow tick) : column_(column) { restart(tick); }

  // Forgets everything and begins another tick; memory is kept.
  void restart(TimeWindow tick);

  // Readings of one series in order of time. Ignored: a time outside the tick, a value that is not
  // finite, and (for delta and duration) a time before the series' latest.
  void add(Instant time, double value);

  // The readings that follow are another twin's of the same unit.
  void next_series();

  // Of the readings so far; may be called at any time. In the signal's unit, seconds for duration.
  // delta: what a counter rose by between the first and the latest reading, where a fall means that
  // it began again at zero; 0 for a single reading. duration: the time for which the condition
  // held, each reading holding until the next one or the tick's end. median: of an even number, the
  // mean of the middle two. NaN when there is no reading, or when the value is beyond all numbers.
  double value() const;

  // Good readings inside the tick so far.
  std::size_t count() const { return count_; }

 private:
  void add_duration(Instant time, double value);

  const Column& column_;
  TimeWindow tick_;
  std::size_t count_ = 0;
  double result_ = 0;  // sum, rise, extreme or latest value, by reducer
  Instant latest_;     // of the reading that `last` holds
  bool series_begun_ = false;
  double previous_ = 0;                 // the series' latest reading, for delta
  Instant previous_time_;               // likewise, for delta and duration
  bool holding_ = false;                // whether the condition held at previous_time_
  std::int64_t held_ns_ = 0;            // up to previous_time_, all series
  mutable std::vector<double> values_;  // median only; reordered by value()
};

}  // namespace entente::federation
