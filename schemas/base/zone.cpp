#include "schemas/base/zone.h"

#include <date/tz.h>

#include <string>

#include "schemas/base/check.h"

namespace entente {
namespace {

constexpr std::int64_t kDay = days(1).ns;

std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

const date::time_zone* find_zone(std::string_view name) {
  try {
    return date::locate_zone(std::string(name));
  } catch (const std::runtime_error&) {
    return nullptr;
  }
}

using LocalNs = date::local_time<std::chrono::nanoseconds>;

// The instant at which the local calendar day `day` (since 1970-01-01) begins; where the clock
// jumps over midnight, the first instant after the jump.
Instant midnight(std::int64_t day, const date::time_zone& zone) {
  const LocalNs local{std::chrono::nanoseconds(day * kDay)};
  return {zone.to_sys(local, date::choose::earliest).time_since_epoch().count()};
}

std::int64_t local_day(Instant instant, const date::time_zone& zone) {
  const auto local =
      zone.to_local(date::sys_time<std::chrono::nanoseconds>(std::chrono::nanoseconds(instant.ns)));
  return floor_div(local.time_since_epoch().count(), kDay);
}

struct Step {
  Instant begin;
  Instant end;
};

Step step_around(Instant instant, Duration step, std::string_view name) {
  ENTENTE_CHECK(step.ns > 0);
  if (name == "UTC") {
    const std::int64_t begin = floor_div(instant.ns, step.ns) * step.ns;
    return {{begin}, {begin + step.ns}};
  }
  const date::time_zone* zone = find_zone(name);
  ENTENTE_CHECK(zone != nullptr);
  std::int64_t day = local_day(instant, *zone);
  if (midnight(day, *zone) > instant) --day;  // a midnight that the clock jumped over
  if (step.ns % kDay == 0) {
    const std::int64_t count = step.ns / kDay;
    const std::int64_t first = floor_div(day, count) * count;
    return {midnight(first, *zone), midnight(first + count, *zone)};
  }
  const Instant day_begin = midnight(day, *zone), day_end = midnight(day + 1, *zone);
  const std::int64_t index = (instant - day_begin).ns / step.ns;
  const Instant begin{day_begin.ns + index * step.ns};
  return {begin, std::min(begin + step, day_end)};
}

}  // namespace

bool is_zone(std::string_view name) {
  return name == "UTC" || find_zone(name) != nullptr;
}

Instant step_begin(Instant instant, Duration step, std::string_view zone) {
  return step_around(instant, step, zone).begin;
}

Instant step_end(Instant instant, Duration step, std::string_view zone) {
  return step_around(instant, step, zone).end;
}

}  // namespace entente
