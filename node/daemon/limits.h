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

inline constexpr std::size_t kUnsealWaiters = 8;  // pass phrases for a sealed vault, on their way

// Steps that wait for a second person.
inline constexpr std::size_t kApprovalsWaiting = 100;
inline constexpr std::size_t kApprovalsKept = 1'000;  // decided ones, the newest
inline constexpr std::size_t kApprovalBytes = 262'144;

// Passwords and logins.
inline constexpr std::size_t kPasswordBytesLeast = 12;
inline constexpr std::size_t kPasswordBytesMost = 1'024;
inline constexpr std::size_t kPasswordsWaiting = 8;  // to be hashed, one after the other
inline constexpr std::size_t kLoginNames = 10'000;   // names with failed logins, known or not
inline constexpr int kLoginsFree = 5;                // failures before the first wait
inline constexpr Duration kLoginWaitLeast = minutes(1);
inline constexpr Duration kLoginWaitMost = hours(1);
inline constexpr Duration kLoginLife = hours(1);       // of the token that a login gives
inline constexpr Duration kLoginLifeMost = hours(12);  // when it asks for more

}  // namespace entente::node::limits
