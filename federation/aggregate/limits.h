// Limits of secure aggregation.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schemas/base/time.h"

namespace entente::federation::limits {

inline constexpr std::uint32_t kSumMembersLeast = 3;  // two would see each other's share
// The least variance of one member's noise: a standard deviation of four steps, from which on sums
// of discrete Gaussians are as good as one (privacy.md 2.10: tau < 3e-68 up to 100 members).
inline constexpr std::uint64_t kShareVarianceLeast = 16;
inline constexpr Duration kRoundLife = seconds(120);      // from a proposal's issue to its deadline
inline constexpr Duration kRoundClockSkew = seconds(30);  // how far two nodes' clocks may differ

}  // namespace entente::federation::limits
