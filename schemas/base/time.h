// Points in time and spans of it: int64 nanoseconds, UTC, since the Unix epoch (1677 to 2262).
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "schemas/base/result.h"

namespace entente {

struct Duration {
  std::int64_t ns = 0;
  auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {ns + other.ns}; }
  constexpr Duration operator-(Duration other) const { return {ns - other.ns}; }
  constexpr Duration operator*(std::int64_t factor) const { return {ns * factor}; }
  double seconds() const { return static_cast<double>(ns) * 1e-9; }
};
constexpr Duration nanoseconds(std::int64_t n) {
  return {n};
}
constexpr Duration microseconds(std::int64_t n) {
  return {n * 1'000};
}
constexpr Duration milliseconds(std::int64_t n) {
  return {n * 1'000'000};
}
constexpr Duration seconds(std::int64_t n) {
  return {n * 1'000'000'000};
}
constexpr Duration minutes(std::int64_t n) {
  return seconds(n * 60);
}
constexpr Duration hours(std::int64_t n) {
  return seconds(n * 3'600);
}
constexpr Duration days(std::int64_t n) {
  return hours(n * 24);
}

struct Instant {
  std::int64_t ns = 0;
  auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {ns + d.ns}; }
  constexpr Instant operator-(Duration d) const { return {ns - d.ns}; }
  constexpr Duration operator-(Instant other) const { return {ns - other.ns}; }
};

// Half-open [from, to).
struct TimeWindow {
  Instant from;
  Instant to;
  auto operator<=>(const TimeWindow&) const = default;
  bool contains(Instant t) const { return from <= t && t < to; }
  bool overlaps(const TimeWindow& other) const { return from < other.to && other.from < to; }
  Duration length() const { return to - from; }
};

// RFC 3339 in UTC: "2015-08-20T00:00:00Z"; fractions only when there are any.
std::string to_text(Instant instant);
// Accepts YYYY-MM-DD, YYYY-MM-DDTHH:MM[:SS[.fraction]] with Z or ±HH:MM (a missing zone means UTC),
// and a space for the T. Refuses (invalid_argument): impossible dates, out of range, trailing text.
[[nodiscard]] Result<Instant> parse_instant(std::string_view text);
// "24h", "7d", "90s": the largest of w d h m s ms us ns that divides it.
std::string to_text(Duration duration);
// A whole number and one unit of ns us ms s m h d w; bare numbers are refused.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);

}  // namespace entente
