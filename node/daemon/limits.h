// Limits of the running node as a whole.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::node::limits {

// From the request to stop: partners are waited for so long, then HTTP callers.
inline constexpr Duration kStopPartners = seconds(4);
inline constexpr Duration kStopCallers = seconds(5);

// A partner whose charter was not heard of for so long may do less (partner_status.h).
inline constexpr Duration kNoAgreementsAfter = hours(24);
inline constexpr Duration kNoQuestionsAfter = hours(72);
inline constexpr Duration kStatusOnlyAfter = days(7);
// Charters are exchanged when a session opens, at every change, and so often besides.
inline constexpr Duration kCharterRefresh = minutes(10);
inline constexpr Duration kCharterRetry = seconds(10);     // with a partner that lacks the newest
inline constexpr Duration kStatusSaved = minutes(10);      // how old what the database says may be
inline constexpr Duration kCharterWarning = days(90);      // before the charter ends
inline constexpr Duration kCertificateWarning = hours(6);
inline constexpr Duration kClockWarning = seconds(30);     // between a partner's clock and ours
inline constexpr Duration kClockAlarm = minutes(4);        // leaves are backdated by five
inline constexpr Duration kExpiryWarning = days(14);       // of agreements and tokens
inline constexpr double kDiskWarning = 0.10, kDiskAlarm = 0.03;  // of the disk, free

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
