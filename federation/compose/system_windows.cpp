#include "federation/compose/system_windows.h"

#include <algorithm>

#include "federation/compose/limits.h"
#include "schemas/base/zone.h"

namespace entente::federation {

WindowGrid grid_of(const SystemProperty& property, const std::vector<AskTarget>& members) {
  WindowGrid grid{property.over, "UTC", {}};
  if (members.empty()) return grid;
  const std::string& zone = members.front().view->zone;
  const bool shared = std::all_of(members.begin(), members.end(),
                                  [&](const auto& one) { return one.view->zone == zone; });
  if (shared && check_step(property.over, zone)) grid.zone = zone;
  for (const AskTarget& member : members) {
    grid.lateness = std::max(grid.lateness, member.view->lateness);
  }
  return grid;
}

TimeWindow window_from(Instant from, const WindowGrid& grid) {
  Instant begin = step_begin(from, grid.over, grid.zone);
  if (begin < from) begin = step_end(from, grid.over, grid.zone);
  return {begin, step_end(begin, grid.over, grid.zone)};
}

TimeWindow newest_closed(Instant now, const WindowGrid& grid) {
  const Instant end = step_begin(now - grid.lateness, grid.over, grid.zone);
  return {step_begin(end - nanoseconds(1), grid.over, grid.zone), end};
}

Instant due_at(const TimeWindow& window, const WindowGrid& grid) {
  return window.to + grid.lateness;
}

std::optional<TimeWindow> next_window(const SystemProperty& property, std::optional<Instant> last,
                                      const WindowGrid& grid, Instant now) {
  const auto first = [&] {
    return property.since ? window_from(*property.since, grid) : newest_closed(now, grid);
  };
  TimeWindow next = last ? window_from(*last, grid) : first();
  // What was declared later begins later, also where older windows are known.
  if (last && property.since && next.from < *property.since) next = first();
  if (property.until && next.to > *property.until) return std::nullopt;
  return next;
}

std::optional<Instant> retry_at(Instant released, Instant tried) {
  for (const Duration after : limits::kRetries) {
    if (released + after > tried) return released + after;
  }
  return std::nullopt;
}

}  // namespace entente::federation
