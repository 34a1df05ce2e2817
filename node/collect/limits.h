// Limits of a collector's client; those that both ends know are in node/limits.h.
#pragma once

#include <cstddef>

#include "node/limits.h"

namespace entente::node::limits {

inline constexpr std::size_t kUploadsOfSingles = 8;  // under way; later singles go together
inline constexpr std::size_t kSinglesWaiting = kUploadReadings;  // to be sent together

}  // namespace entente::node::limits
