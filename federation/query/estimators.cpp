#include "federation/query/estimators.h"

#include <algorithm>

namespace entente::federation {
namespace {

constexpr double kZ95Squared = kZ95 * kZ95;

// All u with a u^2 - 2 b u + c <= 0, which holds at one u at least; a > 0.
struct Interval {
  double lower = 0;
  double upper = 0;
};
Interval between_roots(double a, double b, double c) {
  const double root = std::sqrt(std::max(b * b - a * c, 0.0));
  return {(b - root) / a, (b + root) / a};
}

}  // namespace

Estimate of_sum(const Noisy& sum, double least) {
  Estimate estimate;
  estimate.standard_error = std::sqrt(sum.variance);
  estimate.value = std::max(sum.value, least);
  estimate.lower = std::max(sum.value - kZ95 * estimate.standard_error, least);
  estimate.upper = std::max(sum.value + kZ95 * estimate.standard_error, least);
  return estimate;
}

Estimate of_ratio(const Noisy& top, const Noisy& bottom, double centre, double lower,
                  double upper) {
  Estimate estimate;
  const double ratio = top.value / std::max(bottom.value, 1.0);
  estimate.value = std::clamp(centre + ratio, lower, upper);
  const double error = std::sqrt(top.variance + ratio * ratio * bottom.variance);
  estimate.standard_error = error / std::max(bottom.value, 1.0);
  const double a = bottom.value * bottom.value - kZ95Squared * bottom.variance;
  if (bottom.value <= 0 || a <= 0) {
    estimate.lower = lower;
    estimate.upper = upper;
    return estimate;
  }
  const Interval range = between_roots(a, top.value * bottom.value,
                                       top.value * top.value - kZ95Squared * top.variance);
  estimate.lower = std::clamp(centre + range.lower, lower, upper);
  estimate.upper = std::clamp(centre + range.upper, lower, upper);
  return estimate;
}

Estimate of_variance(const Noisy& squares, const Noisy& centred_sum, const Noisy& count,
                     double half_width) {
  const double most = half_width * half_width;
  const double s = squares.value, b = centred_sum.value, n = count.value;
  const double var_s = squares.variance, var_b = centred_sum.variance, var_n = count.variance;
  const double units = std::max(n, 1.0), mean = b / units;
  Estimate estimate;
  estimate.value =
      std::clamp(s / units + most / 2 - mean * mean + var_b / (units * units), 0.0, most);
  const double by_count = (2 * mean * mean - s / units) / units;
  estimate.standard_error =
      std::sqrt(var_s / (units * units) + 4 * mean * mean * var_b / (units * units) +
                by_count * by_count * var_n);
  // f(u) = at_zero - slope u; Var f(u) = c0 - 2 c1 u + c2 u^2.
  const double slope = n * n - var_n;
  const double at_zero = s * n + slope * most / 2 - (b * b - var_b);
  const double by_n = s + n * most;
  const double c0 = n * n * var_s + 4 * b * b * var_b + by_n * by_n * var_n + var_s * var_n +
                    2 * var_b * var_b + var_n * var_n * most * most / 2;
  const double c1 = 2 * by_n * n * var_n + var_n * var_n * most;
  const double c2 = 4 * n * n * var_n + 2 * var_n * var_n;
  const double a = slope * slope - kZ95Squared * c2;
  if (n <= 0 || slope <= 0 || a <= 0) {
    estimate.lower = 0;
    estimate.upper = most;
    return estimate;
  }
  const Interval range =
      between_roots(a, at_zero * slope - kZ95Squared * c1, at_zero * at_zero - kZ95Squared * c0);
  estimate.lower = std::clamp(range.lower, 0.0, most);
  estimate.upper = std::clamp(range.upper, 0.0, most);
  return estimate;
}

Estimate of_deviation(const Estimate& variance) {
  Estimate estimate;
  estimate.value = std::sqrt(variance.value);
  estimate.lower = std::sqrt(variance.lower);
  estimate.upper = std::sqrt(variance.upper);
  const double widest = std::sqrt(variance.standard_error);
  if (widest > 0) {
    estimate.standard_error = variance.standard_error / (2 * std::max(estimate.value, widest / 2));
  }
  return estimate;
}

}  // namespace entente::federation
