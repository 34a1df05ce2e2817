// Limits of asking and answering.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::federation::limits {

inline constexpr Duration kClockSkew = seconds(30);     // how far two nodes' clocks may differ
inline constexpr Duration kDeadlineMax = seconds(120);  // of an envelope, after its issue
inline constexpr Duration kFoldTime =
    microseconds(4);                          // a unit's column in a tick, at most as a rule
inline constexpr std::size_t kMembers = 256;  // of one system twin

}  // namespace entente::federation::limits
