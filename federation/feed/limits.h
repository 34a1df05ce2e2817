// Limits of feeds.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::federation::limits {

// A sum's largest value is at least this many steps of the lattice, so that rounding one unit's
// value costs less than a hundredth of it.
inline constexpr std::int64_t kFeedFineness = 64;
// Prices kept, of the feeds that were tended or pulled last: beyond, each tick's is computed when
// it falls due and when it is pulled.
inline constexpr std::size_t kFeedsPriced = 256;
inline constexpr std::size_t kFeedsRunning = 1'024;  // at one site, of all partners together
inline constexpr std::size_t kFeedsOfPartner = 128;  // of these, one partner's
// Figures that a dyadic or Toeplitz feed keeps until it is complete: groups, statistics, ticks.
inline constexpr std::size_t kFeedFrozen = 1'000'000;
inline constexpr Duration kFeedSuspended = seconds(10);  // when to ask again for a tick that waits

}  // namespace entente::federation::limits
