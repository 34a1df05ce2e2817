// Limits of asking and answering.
#pragma once

#include <cstddef>

#include "schemas/base/time.h"

namespace entente::federation::limits {

inline constexpr Duration kClockSkew = seconds(30);     // how far two nodes' clocks may differ
inline constexpr Duration kDeadlineMax = seconds(120);  // of an envelope, after its issue
// What an answer's slot allows for: a unit's column in a tick; and, where the reducer looks at
// every reading, a reading a second of the window.
inline constexpr Duration kFoldTime = microseconds(4);
inline constexpr Duration kScanTime = nanoseconds(25);
inline constexpr std::size_t kMembers = 256;  // of one system twin
// Stored releases that are looked at to answer a question from their cells, and their bytes
// together; stretches that a composed release names.
inline constexpr std::size_t kComposedReleases = 1'024;
inline constexpr std::size_t kComposedBytes = 8 << 20;
inline constexpr std::size_t kComposedParts = 1'024;

// A call that fails after so long was under way: its connection was lost, not missing.
inline constexpr Duration kWasUnderway = milliseconds(5);
inline constexpr int kRepeats = 2;  // of one envelope to one member, pausing once, then twice
inline constexpr Duration kRepeatPause = milliseconds(300);
// What a site that sends a question on keeps of the time for itself: a tenth within these.
inline constexpr Duration kHopLeast = milliseconds(100);
inline constexpr Duration kHopMost = seconds(2);
inline constexpr std::size_t kRelayed = 256;  // questions that are being sent on at once
inline constexpr std::ptrdiff_t kRelayedOfPartner = 64;

}  // namespace entente::federation::limits
