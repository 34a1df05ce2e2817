// Are many signals of one plant still moving together as they did? T2 and Q on principal
// components.
//
// T2 measures how far a row lies within what the components explain, Q (squared prediction error)
// how much of it they do not explain; a row beyond either limit is an alarm, after a running median
// of three, so that a single row is none. It assumes that the rows it learns from are good, hardly
// correlated in time, and that the plant's operating point stays: a drift of it is an alarm too.
// Sources: Jackson and Mudholkar, Control Procedures for Residuals (Technometrics 21, 1979);
// MacGregor and Kourti (Control Engineering Practice 3, 1995).
// Shapes: rows (n x d), each signal standardised by its own mean and deviation; constant signals
// count only where they stop being constant. NaN: as its mean.
// Threads: one at a time. Memory: d^2 numbers.
#pragma once

#include <span>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

struct PlantOptions {
  double explained = 0.85;     // of the variance, by the components kept
  double false_alarms = 0.01;  // of good rows beyond each limit, if they were Gaussian
};

struct PlantVerdict {
  double t2 = 0, q = 0;  // as multiples of their limits
  bool alarm = false;
  double anomaly() const { return t2 > q ? t2 : q; }  // beyond 1: outside
};

class PlantMonitor {
 public:
  // Refuses: invalid_argument (rows of different widths, none that varies), not_found (fewer rows
  // than 10 and 3 for each signal).
  [[nodiscard]] static Result<PlantMonitor> learn(const std::vector<std::vector<double>>& good,
                                                  const PlantOptions& options);
  // Rows in order of time, of the learned width (ENTENTE_CHECK).
  PlantVerdict judge(std::span<const double> row);
  std::size_t components() const { return components_; }
  // Which signal has most to do with Q of the last row: its index.
  std::size_t suspect() const { return suspect_; }

 private:
  PlantMonitor() = default;

  std::size_t width_ = 0, components_ = 0, suspect_ = 0;
  std::vector<double> mean_, inverse_deviation_;
  std::vector<double> directions_;  // (width x components), column by column
  std::vector<double> variances_;   // of the components
  double t2_limit_ = 1, q_limit_ = 1;
  bool beyond_[2] = {false, false};  // of the two rows before
};

}  // namespace entente::node
