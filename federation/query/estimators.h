// From the noisy sums behind one figure to the figure with its error. Post-processing: doubles,
// nothing of it costs budget.
//
// Ranges cover the noise alone, 95 times in a hundred. Counts and sums: value +- 1.96 sigma.
// Ratios (mean, share): Fieller (1954), all r with (A - r C)^2 <= z^2 (Var A + r^2 Var C), exact
// for Gaussian noise however uncertain the denominator is. Variance: the same idea [D]. With S the
// centred squares, B the centred sum, n the count, w half the width of the bounds, a variance of u
// makes
//   f(u) = S n + (n^2 - Var n)(w^2 / 2 - u) - (B^2 - Var B)
// zero on average; the range is all u with f(u)^2 <= z^2 Var f(u), where
//   Var f(u) = n^2 Var S + 4 B^2 Var B + (S + n w^2 - 2 n u)^2 Var n
//              + Var S Var n + 2 (Var B)^2 + 2 (Var n)^2 (w^2 / 2 - u)^2,
// whose second line is what the delta method leaves out; a quadratic inequality in u. Standard
// deviations are roots of that. Where the count may be zero for all the noise says, ranges fall
// back to what the bounds allow. Threads: any; pure.
#pragma once

#include <cmath>

namespace entente::federation {

inline constexpr double kZ95 = 1.959963984540054;  // 97.5 % quantile of the standard normal

struct Estimate {
  double value = 0;
  double standard_error = 0;
  double lower = 0;  // of the 95 % range
  double upper = 0;
};

// A sum of released coordinates: its value and the variance of its noise.
struct Noisy {
  double value = 0;
  double variance = 0;
};

// Neither value nor range is below `least`.
Estimate of_sum(const Noisy& sum, double least);

// numerator / denominator, shifted by `centre`, within [lower, upper].
Estimate of_ratio(const Noisy& top, const Noisy& bottom, double centre, double lower, double upper);

// The variance of the units' values within bounds of half width `half_width`: between 0 and its
// square, the largest that such values can have (Popoviciu 1935). `squares`: of the distances from
// the middle, each less half_width^2 / 2. The standard error is the delta method's.
Estimate of_variance(const Noisy& squares, const Noisy& centred_sum, const Noisy& count,
                     double half_width);
// The root of that; at most the root of the variance's standard error, where a variance near zero
// leaves the delta method without meaning.
Estimate of_deviation(const Estimate& variance);

}  // namespace entente::federation
