// Limits of system twins.
#pragma once

#include "schemas/base/time.h"

namespace entente::federation::limits {

// After the first row of a window that not every member answered.
inline constexpr Duration kRetries[] = {seconds(5), seconds(20), minutes(1), minutes(10),
                                        hours(1),   hours(6),    days(1)};

}  // namespace entente::federation::limits
