// Limits of the store that nobody else needs to know; the rest are in node/limits.h.
#pragma once

#include "node/limits.h"

namespace entente::node::limits {

// A larger file is not read through at its opening: its pages tell by themselves.
inline constexpr std::int64_t kQuickCheckBytes = 64 << 20;

}  // namespace entente::node::limits
