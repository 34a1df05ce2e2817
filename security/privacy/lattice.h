// The lattice on which values are summed: dyadic steps, so that no floating point enters a release.
//
// A folded value is clamped to its declared bounds and rounded half to even, once, to a whole
// number of steps of 2^exponent from the centre (privacy.md 2.2); from there on all is integers.
// That one rounding, `Lattice::quantise`, is the only place where a reading becomes a release's
// integer. Threads: any; immutable.
#pragma once

#include <cstdint>

#include "schemas/base/result.h"

namespace entente::security {

class Lattice {
 public:
  // Values in [lower, upper], counted from `centre` in steps of 2^exponent.
  // Refuses (shape_refused): bounds that are not finite or not ascending, more than 2^50 steps.
  [[nodiscard]] static Result<Lattice> make(double lower, double upper, double centre,
                                            int exponent);

  // The largest |quantise(x)| there is: what one unit moves a sum by at most.
  std::int64_t bound() const { return bound_; }
  int exponent() const { return exponent_; }
  double centre() const { return centre_; }

  // `value` is not NaN; infinities are clamped like all else.
  std::int64_t quantise(double value) const;

 private:
  Lattice() = default;
  double lower_ = 0;
  double upper_ = 0;
  double centre_ = 0;
  int exponent_ = 0;
  std::int64_t bound_ = 0;
};

}  // namespace entente::security
