// Limits of a collector's client; those that both ends know are in node/limits.h.
#pragma once

#include <cstddef>

#include "node/limits.h"

namespace entente::node::limits {

inline constexpr std::size_t kUploadsOfSingles = 8;  // under way; later singles go together
inline constexpr std::size_t kSinglesWaiting = kUploadReadings;  // to be sent together
inline constexpr std::size_t kCharterChainBytes = 1'048'576;     // shown to a collector
inline constexpr std::size_t kCharterShows = 8;                  // of a port, at a time

}  // namespace entente::node::limits
