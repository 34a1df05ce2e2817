// Limits of the history that nobody else needs to know; the rest are in node/limits.h.
#pragma once

#include "node/limits.h"

namespace entente::node::limits {

inline constexpr std::size_t kSeriesNumbers = 64 << 20;  // ever given; a forgotten one: 44 bytes

}  // namespace entente::node::limits
