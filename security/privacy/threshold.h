// Which groups of a private key may be named at all: stability thresholding, single sites only.
//
// A group that one unit alone inhabits exists or not with that unit, so its very name is private.
// A group is named iff its noisy number of units is at least T, the least integer with
//   P[N_Z(0, variance) >= T - one] <= 1 - (1 - delta)^(1/G)
// for at most G groups a unit is in: then all the groups that exist through one unit stay unnamed
// with probability 1 - delta, which delta is debited for it (privacy.md 2.6; figures of Google's
// partition selection). A group without units is never named, whatever its noise would be: the
// caller draws only for groups that exist. In doubles, of public constants. Threads: any; pure.
#pragma once

#include <cstdint>

#include "schemas/agreement.h"
#include "schemas/base/result.h"

namespace entente::security {

struct ThresholdTerms {
  std::uint64_t variance = 1;  // of the noise on the number of units, in squared steps
  std::int64_t one = 1;        // what a unit counts, in steps
  DeltaUnits delta;
  std::uint32_t groups = 1;  // G
};

// T, in steps. Least for a variance up to 2^20, where the tail is summed; above, one step more at
// most, from the integral that bounds it. Refuses: epsilon_refused (delta 0 or above 1/4);
// shape_refused (no groups, a variance that cannot be drawn, `one` outside 1 to 2^50).
[[nodiscard]] Result<std::int64_t> threshold_of(const ThresholdTerms& terms);

}  // namespace entente::security
