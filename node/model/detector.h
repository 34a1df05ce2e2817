// Anomalies of one signal: online, one pass, bounded memory, one configuration for every signal.
//
// Four views of each value, none of which assumes a distribution:
//   tail     how far from the mean of the last 6,400 values, in deviations
//   change   how large the step from the value before
//   pattern  how far the last five values lie from the ten most similar fives of the recent past
//            (Mahalanobis distance; conformal nearest neighbours after Burnaev and Ishimtsev, 2016)
//   context  how improbable the value's bin is after the one to four bins before it, by counts so
//            far (prequential density: each value is judged before it is learned)
// Each view is calibrated against its own past: its evidence is -log10 of the share of past values
// that were as extreme, continued beyond them by an exponential tail (peaks over the 98 %
// quantile). The combined evidence is the largest, after offsets that bring their false alarms to
// one rate; 3 means about one false alarm in a thousand independent values. After an alarm it keeps
// quiet for `hold` values: an anomaly is told once. Assumes: values at a roughly steady rate; the
// first `learning` values are mostly normal. NaN: judged as nothing, learned as nothing. Threads:
// one at a time. Deterministic. Memory: 80 bytes a learning value, and up to kContexts counts
// (about 50 bytes each, as many as the signal has different recent histories).
#pragma once

#include <array>
#include <deque>
#include <unordered_map>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

// -log10 of how rare a score is among its own past.
class TailCalibration {
 public:
  explicit TailCalibration(std::size_t kept) : kept_(kept) {}
  // 0 while fewer than 30 are known; at most 15.
  double evidence(double score) const;
  void learn(double score);
  void archive(ModelArchive& archive);

 private:
  std::size_t kept_;
  std::deque<double> past_;  // in order of arrival
  std::vector<double> sorted_;
};

struct DetectorOptions {
  std::size_t learning = 400;   // values before the first alarm; 40 to 100,000
  double hold = 0.2;            // of `learning`: values without another alarm after one
  double alarm_evidence = 3.0;  // raises an alarm
};

inline constexpr std::size_t kContexts = 16'384;
inline constexpr std::size_t kPatternLength = 5;

struct Evidence {
  double tail = 0, change = 0, pattern = 0, context = 0;  // -log10 of a probability each
  double combined = 0;
  bool alarm = false;
};

class Detector {
 public:
  explicit Detector(const DetectorOptions& options);
  Evidence update(Instant time, double value);
  const Evidence& latest() const { return latest_; }
  double expected() const { return mean_; }
  double deviation() const;
  std::uint64_t alarms() const { return alarms_; }
  void archive(ModelArchive& archive);

 private:
  double tail_score(double value);
  double pattern_score(double value);
  double context_score(double value);
  void learn_bins();
  void whiten_again();
  void halve_contexts();

  DetectorOptions options_;
  std::size_t pattern_kept_;
  std::array<TailCalibration, 4> calibrations_;
  std::uint64_t seen_ = 0, quiet_ = 0, alarms_ = 0;
  Evidence latest_;
  // tail and change
  double mean_ = 0, variance_ = 0, last_ = kMissing;
  // pattern: recent values, and their fives made comparable
  std::deque<double> recent_;
  std::vector<double> whitening_;  // (5 x 5) lower triangle, column by column; empty: not yet
  std::deque<std::array<double, kPatternLength>> fives_;
  std::uint64_t since_whitening_ = 0;
  // context
  std::vector<double> first_values_;  // until the bins are known
  bool binned_ = false;
  double bins_low_ = 0, bins_width_ = 1;
  std::deque<double> last_bins_;
  std::unordered_map<std::uint64_t, std::uint32_t> contexts_;
};

}  // namespace entente::node
