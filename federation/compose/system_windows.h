// Which windows of a kept property there are, when each is asked, and when it is asked again.
//
// Windows have the length `over` and touch one another, aligned to it in the members' zone (steps
// of schemas/base/zone.h). Each is asked once, in order, when its last tick is closed. A window
// that not every member answered is asked again by a schedule that ends, and what comes is a
// correction: another row with the next revision. Threads: any; pure.
#pragma once

#include <optional>
#include <vector>

#include "federation/ask/asker.h"
#include "federation/compose/system_twin.h"

namespace entente::federation {

// What the windows of a property are made by.
struct WindowGrid {
  Duration over;
  std::string zone = "UTC";
  Duration lateness;  // the longest of the members
};
// Of these members: their zone where they have one in common in which `over` has beginnings, else
// UTC.
WindowGrid grid_of(const SystemProperty& property, const std::vector<AskTarget>& members);

// The first window that begins at or after `from`.
TimeWindow window_from(Instant from, const WindowGrid& grid);
// The last window that is closed at `now`.
TimeWindow newest_closed(Instant now, const WindowGrid& grid);
// When a window is closed for every member.
Instant due_at(const TimeWindow& window, const WindowGrid& grid);

// The next window after `last` (the end of the one before), or the first one; nothing when it would
// end after `until`.
std::optional<TimeWindow> next_window(const SystemProperty& property, std::optional<Instant> last,
                                      const WindowGrid& grid, Instant now);

// When a window that was answered in part, first at `released`, is asked again: the first time of
// the schedule after `tried`. Nothing after the last: then it stays as it is.
std::optional<Instant> retry_at(Instant released, Instant tried);

}  // namespace entente::federation
