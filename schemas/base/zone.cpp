#include "schemas/base/zone.h"

#include <date/tz.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

#include "schemas/base/check.h"

namespace entente {
namespace {

using Wide = __int128;
constexpr std::int64_t kDayNs = 86'400'000'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;

Instant clamped(Wide ns) {
  constexpr Wide least = std::numeric_limits<std::int64_t>::min();
  constexpr Wide most = std::numeric_limits<std::int64_t>::max();
  return {static_cast<std::int64_t>(ns < least ? least : ns > most ? most : ns)};
}

bool divides_days(Duration step) {
  return step.ns % kDayNs == 0 || kDayNs % step.ns == 0;
}

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  const std::int64_t quotient = value / by;
  return value % by < 0 ? quotient - 1 : quotient;
}

// Null for a name that the tz database lacks.
const date::time_zone* find_zone(std::string_view name) {
  try {
    return date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}

// The first instant of a local date, in nanoseconds. A midnight that the clocks skip is the moment
// of the change; one that comes twice is the first.
Wide start_of(const date::time_zone& zone, std::int64_t day) {
  const date::local_days local{date::days(static_cast<int>(day))};
  const auto start = zone.to_sys(local, date::choose::earliest).time_since_epoch();
  return Wide{std::chrono::duration_cast<std::chrono::seconds>(start).count()} * kSecondNs;
}

// The local date that has begun most recently. Not simply the date that clocks show at `t`: where
// they are set back over midnight, they show yesterday again after today has begun.
std::int64_t date_at(const date::time_zone& zone, Instant t) {
  const date::sys_seconds second{std::chrono::seconds(floor_div(t.ns, kSecondNs))};
  std::int64_t day = date::floor<date::days>(zone.to_local(second)).time_since_epoch().count();
  while (start_of(zone, day + 1) <= t.ns) ++day;
  return day;
}

struct Step {
  Wide begin = 0;
  Wide end = 0;
};

Step days_around(const date::time_zone& zone, Instant t, std::int64_t count) {
  const std::int64_t first = floor_div(date_at(zone, t), count) * count;
  std::int64_t next = first + count;
  // Where a whole date was skipped, two dates begin at one instant.
  while (start_of(zone, next) <= t.ns) next += count;
  return {start_of(zone, first), start_of(zone, next)};
}

Step step_around(Instant t, Duration step, std::string_view name) {
  ENTENTE_CHECK(step.ns > 0);
  if (name == "UTC") {
    const Wide begin = Wide{floor_div(t.ns, step.ns)} * step.ns;
    return {begin, begin + step.ns};
  }
  const date::time_zone* zone = find_zone(name);
  ENTENTE_CHECK(zone != nullptr && divides_days(step));
  if (step.ns % kDayNs == 0) return days_around(*zone, t, step.ns / kDayNs);
  const Step day = days_around(*zone, t, 1);
  const Wide begin = day.begin + (t.ns - day.begin) / step.ns * step.ns;
  return {begin, std::min(begin + step.ns, day.end)};
}

}  // namespace

bool is_zone(std::string_view name) {
  return name == "UTC" || find_zone(name) != nullptr;
}

Outcome check_step(Duration step, std::string_view zone) {
  const auto refuse = [](std::string what) {
    return make_error(ErrorCode::invalid_argument, std::move(what));
  };
  if (step.ns <= 0) return refuse("a step is longer than nothing");
  if (zone == "UTC") return {};
  if (!is_zone(zone)) {
    return refuse("'" + std::string(zone.substr(0, 63)) + "' is no time zone known here");
  }
  if (divides_days(step)) return {};
  return refuse(to_text(step) + " neither divides a day nor is a number of days, which zones need");
}

Instant step_begin(Instant instant, Duration step, std::string_view zone) {
  return clamped(step_around(instant, step, zone).begin);
}

Instant step_end(Instant instant, Duration step, std::string_view zone) {
  return clamped(step_around(instant, step, zone).end);
}

}  // namespace entente
