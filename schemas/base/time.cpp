#include "schemas/base/time.h"

#include <charconv>
#include <chrono>
#include <cstdio>

namespace entente {
namespace {

Error refuse(std::string_view text, const char* what) {
  return make_error(ErrorCode::invalid_argument,
                    "'" + std::string(text.substr(0, 40)) + "' is not " + what);
}

// Reads exactly `width` digits at the front of `rest`; -1 when they are not there.
int take_digits(std::string_view& rest, std::size_t width) {
  int value = 0;
  if (rest.size() < width) return -1;
  for (std::size_t i = 0; i < width; ++i) {
    if (rest[i] < '0' || rest[i] > '9') return -1;
    value = value * 10 + (rest[i] - '0');
  }
  rest.remove_prefix(width);
  return value;
}

bool take(std::string_view& rest, char c) {
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

// ".5" -> 500'000'000; at most nine digits. False when a dot is followed by no digit.
bool take_fraction(std::string_view& rest, std::int64_t& ns) {
  if (!take(rest, '.')) return true;
  std::int64_t unit = 100'000'000;
  bool any = false;
  while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9' && unit > 0) {
    ns += (rest.front() - '0') * unit;
    unit /= 10;
    rest.remove_prefix(1);
    any = true;
  }
  return any;
}

// Z, ±HH:MM or nothing. False when malformed.
bool take_zone(std::string_view& rest, int& offset_minutes) {
  if (rest.empty() || take(rest, 'Z')) return true;
  const bool east = rest.front() == '+';
  if (!east && rest.front() != '-') return false;
  rest.remove_prefix(1);
  const int hour = take_digits(rest, 2);
  if (hour < 0 || hour > 14 || !take(rest, ':')) return false;
  const int minute = take_digits(rest, 2);
  if (minute < 0 || minute > 59) return false;
  offset_minutes = (hour * 60 + minute) * (east ? 1 : -1);
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t ns;
};
constexpr Unit kUnits[] = {
    {"w", days(7).ns},    {"d", days(1).ns}, {"h", hours(1).ns}, {"m", minutes(1).ns},
    {"s", seconds(1).ns}, {"ms", 1'000'000}, {"us", 1'000},      {"ns", 1}};

}  // namespace

std::string to_text(Instant instant) {
  using namespace std::chrono;
  // By hand: chrono's floor overflows in the first day of the range.
  constexpr std::int64_t kDayNs = 86'400'000'000'000;
  std::int64_t day = instant.ns / kDayNs;
  std::int64_t rest = instant.ns % kDayNs;
  if (rest < 0) rest += kDayNs, --day;
  const year_month_day date{sys_days{std::chrono::days{day}}};
  const hh_mm_ss clock{std::chrono::nanoseconds(rest)};
  char buffer[64];
  int length = std::snprintf(
      buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()));
  std::string text(buffer, static_cast<std::size_t>(length));
  if (const auto fraction = clock.subseconds().count(); fraction != 0) {
    length = std::snprintf(buffer, sizeof buffer, ".%09lld", static_cast<long long>(fraction));
    text.append(buffer, static_cast<std::size_t>(length));
    while (text.back() == '0') text.pop_back();
  }
  return text + "Z";
}

Result<Instant> parse_instant(std::string_view text) {
  using namespace std::chrono;
  constexpr auto kWhat = "a time such as 2015-08-20 or 2015-08-20T07:00Z";
  std::string_view rest = text;
  const int y = take_digits(rest, 4);
  if (y < 0 || !take(rest, '-')) return refuse(text, kWhat);
  const int mo = take_digits(rest, 2);
  if (mo < 0 || !take(rest, '-')) return refuse(text, kWhat);
  const int d = take_digits(rest, 2);
  if (d < 0) return refuse(text, kWhat);
  const year_month_day date{year{y}, month{static_cast<unsigned>(mo)},
                            day{static_cast<unsigned>(d)}};
  if (!date.ok() || y < 1678 || y > 2261) return refuse(text, "a date from 1678 to 2261");
  std::int64_t ns = 0;
  int hour = 0, minute = 0, second = 0, offset = 0;
  if (!rest.empty()) {
    if (!take(rest, 'T') && !take(rest, ' ')) return refuse(text, kWhat);
    hour = take_digits(rest, 2);
    if (hour < 0 || hour > 23 || !take(rest, ':')) return refuse(text, kWhat);
    minute = take_digits(rest, 2);
    if (minute < 0 || minute > 59) return refuse(text, kWhat);
    if (take(rest, ':')) {
      second = take_digits(rest, 2);
      if (second < 0 || second > 59 || !take_fraction(rest, ns)) return refuse(text, kWhat);
    }
    if (!take_zone(rest, offset) || !rest.empty()) return refuse(text, kWhat);
  }
  const std::int64_t day_count = sys_days(date).time_since_epoch().count();
  const std::int64_t minutes_total = (day_count * 24 + hour) * 60 + minute - offset;
  return Instant{(minutes_total * 60 + second) * 1'000'000'000 + ns};
}

std::string to_text(Duration duration) {
  if (duration.ns == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (duration.ns % unit.ns == 0) {
      return std::to_string(duration.ns / unit.ns) + std::string(unit.name);
    }
  }
  return std::to_string(duration.ns) + "ns";
}

Result<Duration> parse_duration(std::string_view text) {
  constexpr auto kWhat = "a duration such as 24h, 7d or 90s";
  std::int64_t count = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (failure != std::errc{} || count < 0) return refuse(text, kWhat);
  const std::string_view unit_name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const Unit& unit : kUnits) {
    if (unit.name != unit_name) continue;
    if (count > INT64_MAX / unit.ns) return refuse(text, "a duration below 292 years");
    return Duration{count * unit.ns};
  }
  return refuse(text, kWhat);
}

}  // namespace entente
