// A running total released tick after tick: the quantised square-root Toeplitz mechanism.
//
// Of one site's counter (or of a cohort that waits for stragglers). Per tick t the site releases
//   y_t = sum over s <= t of c_(t-s) x_s  +  N_Z(0, variance),        all integers,
// with c_0 = 2^8 and c_k = round(2^8 b_k), b_0 = 1, b_k = b_(k-1) (2k - 1) / (2k): the square root
// of the matrix A of running totals, C C = A, in 8 fractional bits. The receiver decodes running
// totals as A C^-1 y. At 1,024 ticks the largest variance is a tenth of the binary tree's. The
// horizon is fixed at the start. Sources: Fichtenberger, Henzinger, Upadhyay, "Constant matters"
// (2023), for the factorisation; privacy.md 2.9 for its quantisation.
//
// Privacy [D: our own derivation; toeplitz_test.cpp enumerates small horizons]. Let D bound |x_s|
// of what a unit contributes in a tick, and let it contribute in at most k contiguous ticks.
//  1. Neighbours x, x' (a unit there or not) differ by d with |d_s| <= D on ticks a … a + k - 1 and
//     by 0 elsewhere, so the released means differ by C d.
//  2. All c_i are >= 0, so |(C d)_t| <= (C |d|)_t <= D (C 1_[a, a+k))_t for each t: the worst d
//     is D throughout, whatever the signs.
//  3. C is lower triangular and Toeplitz: (C 1_[a, a+k))_t is (C 1_[0, k))_(t-a), so
//     beginning later only cuts terms off at the horizon. The worst a is the first tick.
//  4. Each y_t is integer plus discrete Gaussian noise, so given any y_1 … y_(t-1) it is
//     (C d)_t^2 / (2 variance)-zCDP, even if x_t was chosen after they were seen: the neighbours'
//     difference at t is bounded by 2 and 3 before anything is chosen. Adaptive composition adds:
//         rho = D^2 |C 1_k|^2 / (2 variance).
//     The sum over t of the *bounds* is used, not of differences that depend on the past.
// Rounding the coefficients changes the mechanism, not the proof: only c, as rounded, enters. The
// decoder is post-processing, so its doubles are harmless; no past noise is kept, so a restart
// sends the stored y again. Nothing here depends on data but encode. Threads: any; immutable.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/base/result.h"

namespace entente::security {

inline constexpr std::uint32_t kToeplitzHorizonMost = 4'096;
inline constexpr std::int64_t kToeplitzOne = 256;  // c_0

class Toeplitz {
 public:
  // Refuses (shape_refused): a horizon outside 1 to kToeplitzHorizonMost ticks.
  [[nodiscard]] static Result<Toeplitz> make(std::uint32_t horizon);

  std::uint32_t horizon() const { return static_cast<std::uint32_t>(coefficients_.size()); }
  std::span<const std::int64_t> coefficients() const { return coefficients_; }
  // An encoded value is at most this many times the largest |x|.
  std::int64_t sum() const { return sum_; }

  // |C 1_k|^2 for a unit of k contiguous ticks, 1 <= k <= horizon (a bug otherwise).
  std::uint64_t squares(std::uint32_t unit_ticks) const;
  // The charge of the whole horizon, rounded up, when a unit moves a tick by at most `reach` steps.
  // Refuses (epsilon_refused): a charge that cannot be counted, no noise, no reach.
  [[nodiscard]] Result<RhoUnits> charge(std::uint32_t unit_ticks, std::int64_t reach,
                                        std::uint64_t variance) const;
  // The least variance whose charge is at most `rho`. Refuses (epsilon_refused): above what can be
  // drawn, no rho, no reach.
  [[nodiscard]] Result<std::uint64_t> variance_for(std::uint32_t unit_ticks, std::int64_t reach,
                                                   RhoUnits rho) const;

  // The overflow condition, from public constants, before anything is read: sums of values up to
  // `value_most` with their noise stay below 2^62. Refuses: shape_refused.
  [[nodiscard]] Outcome check_overflow(std::int64_t value_most, std::uint64_t variance) const;

  // What tick t = values.size() - 1 releases, before noise; values are x_0 … x_t, at least one and
  // at most the horizon, within what check_overflow admitted (a bug otherwise).
  std::int64_t encode(std::span<const std::int64_t> values) const;

 private:
  Toeplitz() = default;
  std::vector<std::int64_t> coefficients_;
  std::int64_t sum_ = 0;
};

}  // namespace entente::security
