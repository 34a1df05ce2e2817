#include "security/privacy/lattice.h"

#include <algorithm>
#include <cmath>

#include "schemas/base/check.h"

namespace entente::security {

Result<Lattice> Lattice::make(double lower, double upper, double centre, int exponent) {
  if (!std::isfinite(lower) || !std::isfinite(upper) || !(lower < upper) ||
      !std::isfinite(centre)) {
    return make_error(ErrorCode::shape_refused, "bounds must be finite, lower below upper");
  }
  Lattice lattice;
  lattice.lower_ = lower;
  lattice.upper_ = upper;
  lattice.centre_ = centre;
  lattice.exponent_ = exponent;
  const double steps = std::ceil(
      std::ldexp(std::max(std::fabs(upper - centre), std::fabs(lower - centre)), -exponent));
  if (!(steps >= 1 && steps <= 0x1p50)) {
    return make_error(ErrorCode::shape_refused,
                      "the bounds are too wide or too narrow to count in steps");
  }
  lattice.bound_ = static_cast<std::int64_t>(steps);
  return lattice;
}

std::int64_t Lattice::quantise(double value) const {
  ENTENTE_CHECK(!std::isnan(value));
  const double clamped = std::clamp(value, lower_, upper_);
  const double steps = std::ldexp(clamped - centre_, -exponent_);
  // Half to even by hand, so that the processor's rounding mode does not matter.
  const double below = std::floor(steps);
  const double rest = steps - below;
  auto mantissa = static_cast<std::int64_t>(below);
  if (rest > 0.5 || (rest == 0.5 && mantissa % 2 != 0)) ++mantissa;
  return std::clamp(mantissa, -bound_, bound_);
}

}  // namespace entente::security
