// Lasting changes of a level, told soon: CUSUM and Page-Hinkley. A handful of numbers each.
#pragma once

#include <cstdint>
#include <optional>

#include "node/model/model.h"

namespace entente::node {

enum class Change { up, down };

// Two-sided CUSUM (Page, Biometrika 41, 1954) of a standardised value. It is fastest for a shift of
// twice `slack`. Starts over after an alarm. NaN: nothing happens.
// In Gaussian noise of deviation 1 one side alarms on average every
// (exp(2 k b) - 2 k b - 1) / (2 k^2) values, k = slack, b = limit + 1.166 (Siegmund 1985).
class Cusum {
 public:
  struct Options {
    double slack = 0.5;
    double limit = 8;
  };
  explicit Cusum(Options options) : options_(options) {}
  std::optional<Change> update(double standardised);
  // How far the larger side has come, of its limit.
  double progress() const;
  // Of one side, by Siegmund's formula.
  static double mean_run(Options options);
  void archive(ModelArchive& archive);

 private:
  Options options_;
  double up_ = 0, down_ = 0;
};

// Page-Hinkley: the same about a running mean, for values whose level is not known. `tolerance` and
// `limit` are in deviations, which are estimated from the first `learning` values.
class PageHinkley {
 public:
  struct Options {
    double tolerance = 0.25;
    double limit = 20;
    std::uint64_t learning = 50;
  };
  explicit PageHinkley(Options options) : options_(options) {}
  // After an alarm mean and deviation are learned anew.
  std::optional<Change> update(double value);
  double mean() const { return mean_; }
  void archive(ModelArchive& archive);

 private:
  Options options_;
  std::uint64_t count_ = 0;
  double mean_ = 0, squares_ = 0;
  double up_ = 0, down_ = 0;
};

}  // namespace entente::node
