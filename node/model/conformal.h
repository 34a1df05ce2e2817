// Bands from how wrong the same method was: split conformal prediction, one calibration a step
// ahead, with signed errors, so that a skewed error gives a skewed band.
//
// Under exchangeable errors a band of level 1 - a covers at least 1 - a (Vovk et al. 2005; Lei et
// al. 2018). Series drift, so each level is adapted by what it missed: a' = a' + g (a - missed),
// which holds the long-run coverage whatever the errors do (Gibbs and Candes, NeurIPS 2021).
// Memory: kErrorsKept numbers a step ahead. Missing errors are not counted.
#pragma once

#include <deque>
#include <span>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

inline constexpr std::size_t kErrorsKept = 250;
inline constexpr std::size_t kErrorsLeast = 8;  // below: no band, NaN

class ConformalBands {
 public:
  explicit ConformalBands(std::size_t horizon);

  // The truth minus what was said of it `ahead` steps before (0: the next step); first scores the
  // bands as they are, then learns. `ahead` beyond the horizon counts as the last one.
  void learn(std::size_t ahead, double error);
  // Around `mean`; NaN while too little was learned.
  Band half(std::size_t ahead, double mean) const { return band(ahead, mean, 0); }
  Band ninety(std::size_t ahead, double mean) const { return band(ahead, mean, 1); }
  void archive(ModelArchive& archive);

 private:
  struct Calibration {
    std::deque<double> errors;  // in order of arrival
    std::vector<double> sorted;
    double missing[2] = {0.5, 0.1};  // the adapted share outside, of each level
  };
  Band band(std::size_t ahead, double mean, int level) const;

  std::vector<Calibration> calibrations_;
};

// The k-th smallest of n sorted errors that bounds a share from above with the finite-sample
// correction ceil((n + 1) share); from below by symmetry.
double conformal_quantile(std::span<const double> sorted, double share);

}  // namespace entente::node
