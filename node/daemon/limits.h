// Limits of the running node as a whole.
#pragma once

#include "schemas/base/time.h"

namespace entente::node::limits {

// From the request to stop: partners are waited for so long, then HTTP callers.
inline constexpr Duration kStopPartners = seconds(4);
inline constexpr Duration kStopCallers = seconds(5);

}  // namespace entente::node::limits
