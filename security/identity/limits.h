// Limits of identity: lives, chains and enrolment.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::security::limits {

inline constexpr Duration kLeafLife = hours(24);
inline constexpr Duration kLeafBackdated = minutes(5);   // for partners whose clock is behind
inline constexpr Duration kLeafLifeMax = hours(25);      // what a verifier lets pass
inline constexpr Duration kCollectorLife = days(30);     // of a collector's leaf: it has no CA
inline constexpr Duration kCollectorLifeMax = days(92);  // what a verifier lets pass
inline constexpr std::size_t kCertificateBytes = 4'096;  // one certificate, DER
inline constexpr std::size_t kCharterChain = 256;        // charters of one organisation
inline constexpr Duration kCharterLife = days(3 * 365);

inline constexpr Duration kInvitationLife = hours(24);
inline constexpr std::size_t kInvitationText = 2'048;     // the token's characters
inline constexpr std::size_t kInvitationAddresses = 4;    // of each kind
inline constexpr std::size_t kAddressBytes = 262;         // host:port
inline constexpr std::size_t kInvitationsOpen = 64;       // in one book
inline constexpr int kWrongProofs = 5;                    // then the invitation is burnt
inline constexpr std::size_t kEnrolmentMessage = 65'536;  // one message on the enrolment port

}  // namespace entente::security::limits
