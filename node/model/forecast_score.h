// How good forecasts were, counted as the truth arrives. Missing truths are not counted.
#pragma once

#include <cstddef>
#include <span>

#include "node/model/model.h"

namespace entente::node {

struct ForecastScore {
  std::size_t points = 0;
  std::size_t banded = 0;     // points that had bands
  double absolute_error = 0;  // sums; divide by `points`, the next four by `banded`
  double squared_error = 0;
  double in_half = 0, in_ninety = 0;
  double pinball = 0;  // mean over the quantiles 5, 25, 50, 75, 95 %
  double width_ninety = 0;

  void add(double truth, const PredictedPoint& point);
  void operator+=(const ForecastScore& other);

  double mae() const { return absolute_error / static_cast<double>(points); }
  double rmse() const;
  double coverage_half() const { return in_half / static_cast<double>(banded); }
  double coverage_ninety() const { return in_ninety / static_cast<double>(banded); }
  double mean_pinball() const { return pinball / static_cast<double>(banded); }
};

// The mean absolute difference of values one period apart: what MASE divides by (Hyndman and
// Koehler, IJF 22, 2006). NaN where there are none.
double naive_scale(std::span<const double> values, std::size_t period);

// Of a quantile forecast: share of |truth - said|, weighted by the side on which it lies.
double pinball_loss(double truth, double said, double quantile);

}  // namespace entente::node
