// Time zones: where days, hours and blocks begin for a domain that reports in local time.
//
// In UTC a step begins at every multiple of its length since 1970-01-01. In a zone, steps of whole
// days are local calendar days (23, 24 or 25 h long), counted from 1970-01-01; a week is seven of
// them, beginning on Thursday 1970-01-01 as in UTC. Shorter steps, which must divide 24 hours,
// count elapsed time within the local day; a day of 23 or 25 hours ends with a cut or an extra
// step. A local day begins with the first instant of its date, also where clocks change at
// midnight. Zones are Debian's tzdata, read by Howard Hinnant's date library. Threads: any.
#pragma once

#include <string_view>

#include "schemas/base/time.h"

namespace entente {

// Whether this is an IANA name that the machine knows ("UTC", "America/Los_Angeles").
bool is_zone(std::string_view name);

// Whether the zone is known and `step` has beginnings there: above zero, and outside UTC whole days
// or a part of one. Refuses: invalid_argument.
[[nodiscard]] Outcome check_step(Duration step, std::string_view zone);

// The last beginning of a step at or before `instant`, and the first after it. `step` and `zone`
// pass check_step (a bug otherwise). Near the ends of time (1677, 2262) both stop at the last
// instant.
Instant step_begin(Instant instant, Duration step, std::string_view zone);
Instant step_end(Instant instant, Duration step, std::string_view zone);
inline bool is_aligned(Instant instant, Duration step, std::string_view zone) {
  return step_begin(instant, step, zone) == instant;
}

}  // namespace entente
