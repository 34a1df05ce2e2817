// Limits of the running node as a whole.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

// From the request to stop: partners are waited for so long, then HTTP callers.
inline constexpr Duration kStopPartners = seconds(4);
inline constexpr Duration kStopCallers = seconds(5);

// Following feeds.
inline constexpr std::size_t kFeedPlans = 256;          // kept, so that a pull need not plan
inline constexpr std::size_t kPullsAtOnce = 64;         // ticks of one feed in a row
inline constexpr Duration kFeedWaitMost = minutes(10);  // to the next look at a feed
inline constexpr Duration kFeedRetry = seconds(30);     // after a failed pull

// After a wrong pass phrase for a sealed vault, until the next is taken.
inline constexpr Duration kUnsealPause = seconds(2);

}  // namespace entente::node::limits
