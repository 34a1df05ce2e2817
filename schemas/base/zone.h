// Time zones: where days, hours and blocks begin for a domain that reports in local time.
//
// Steps of whole days are local calendar days (23, 24 or 25 h long), counted from 1970-01-01; a
// week is seven of them, beginning on Thursday 1970-01-01 as in UTC. Steps below a day are counted
// within the local day from its midnight. In UTC this is plain division. Zones are Debian's tzdata,
// read by Howard Hinnant's date library. Threads: any.
#pragma once

#include <string_view>

#include "schemas/base/time.h"

namespace entente {

// Whether this is an IANA name that the machine knows ("UTC", "America/Los_Angeles").
bool is_zone(std::string_view name);

// The last beginning of a step at or before `instant`, and the first after it. `step` > 0 divides a
// day or is a multiple of it; `zone` is known (a bug otherwise).
Instant step_begin(Instant instant, Duration step, std::string_view zone);
Instant step_end(Instant instant, Duration step, std::string_view zone);
inline bool is_aligned(Instant instant, Duration step, std::string_view zone) {
  return step_begin(instant, step, zone) == instant;
}

}  // namespace entente
