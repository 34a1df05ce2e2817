// Scores alarms on labelled series by the rules of the Numenta Anomaly Benchmark (NAB v1.1).
//
// The first alarm in a labelled window earns up to `true_positive`, the more the earlier it is, by
// a sigmoid of its place; a window without one costs `false_negative`; every other alarm costs up
// to `false_positive`, less shortly after a window. The first 15 % of a series (of at most 5,000
// points) are for learning and not scored. One threshold for all series is chosen to maximise the
// sum, as NAB does: a figure so fitted is a benchmark's, not what an unseen threshold would give.
// 100 is a detector that fires at the start of each window and never else, 0 one that never fires.
// Source: Lavin and Ahmad, Evaluating Real-time Anomaly Detection Algorithms (ICMLA 2015).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schemas/base/time.h"

namespace entente::node {

struct LabelledSeries {
  std::string name;
  std::vector<Instant> times;       // ascending
  std::vector<double> scores;       // as many, any scale; larger is more anomalous
  std::vector<TimeWindow> windows;  // ascending, disjoint; both ends belong to them
};

struct AlarmProfile {
  double true_positive = 1, false_positive = 0.11, false_negative = 1;
};
inline constexpr AlarmProfile kStandardAlarms{};
inline constexpr AlarmProfile kFewFalseAlarms{1, 0.22, 1};
inline constexpr AlarmProfile kFewMissedAlarms{1, 0.11, 2};

struct AlarmScore {
  double score = 0;      // 100 perfect, 0 as good as silence
  double threshold = 0;  // scores at or above it are alarms
  std::size_t windows = 0, detected = 0, false_alarms = 0;
};

// With `threshold`, at it; without, at the one that maximises the score.
AlarmScore score_alarms(std::span<const LabelledSeries> all, const AlarmProfile& profile,
                        std::optional<double> threshold = std::nullopt);

// How many points of a series of that length are for learning.
std::size_t learning_points(std::size_t length);

}  // namespace entente::node
