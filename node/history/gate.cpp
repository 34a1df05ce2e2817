#include "node/history/gate.h"

#include <cmath>

#include "node/limits.h"

namespace entente::node {

Quality judge(Instant time, double value, const std::optional<Range>& range, Instant now) {
  if (!std::isfinite(value)) return Quality::not_finite;
  // Compared without a sum that could overflow: both are 64-bit counts of nanoseconds.
  if (time > now && static_cast<std::uint64_t>(time.ns) - static_cast<std::uint64_t>(now.ns) >
                        static_cast<std::uint64_t>(limits::kClockAheadNs)) {
    return Quality::clock_ahead;
  }
  if (range && (value < range->minimum || value > range->maximum)) return Quality::out_of_range;
  return Quality::good;
}

}  // namespace entente::node
