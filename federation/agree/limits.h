// Limits of coming to an agreement.
#pragma once

#include <cstddef>
#include <cstdint>

#include "schemas/base/time.h"

namespace entente::federation::limits {

inline constexpr Duration kOfferLife =
    days(30);                                   // after which an offer that nobody answered lapses
inline constexpr Duration kReminder = days(1);  // between two words about what waits for this side
inline constexpr std::size_t kOffersOpen = 64;  // of one partner, not yet answered here
inline constexpr std::uint32_t kRounds = 64;    // of one negotiation
inline constexpr Duration kIssuedAhead = seconds(30);  // an offer's date, before this side's clock

}  // namespace entente::federation::limits
