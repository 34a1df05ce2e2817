#include "node/ingest/time_text.h"

#include <date/tz.h>
#include <locale.h>
#include <time.h>

#include <charconv>
#include <limits>

namespace entente::node {
namespace {

using Local = date::local_time<std::chrono::nanoseconds>;

Error unreadable(std::string what) {
  return make_error(ErrorCode::input_unreadable, std::move(what));
}

// Nanoseconds since the epoch; nothing when 64 bits do not hold them.
std::optional<Instant> instant_of(date::year_month_day day, std::chrono::nanoseconds of_day) {
  const auto days = date::sys_days(day).time_since_epoch().count();
  constexpr std::int64_t kDay = 86'400'000'000'000;
  if (days < std::numeric_limits<std::int64_t>::min() / kDay + 1 ||
      days > std::numeric_limits<std::int64_t>::max() / kDay - 1) {
    return std::nullopt;
  }
  return Instant{days * kDay + of_day.count()};
}

// A decimal number of units of `unit_ns` since the epoch, exact to the nanosecond; what is finer is
// cut off. Floating point would lose a quarter of a microsecond here.
std::optional<Instant> number_time(std::string_view text, std::int64_t unit_ns) {
  const bool negative = text.starts_with('-');
  const auto dot = text.find('.');
  const auto whole_text = text.substr(0, dot);
  std::int64_t whole = 0;
  const auto [end, failure] =
      std::from_chars(whole_text.data(), whole_text.data() + whole_text.size(), whole);
  if (failure != std::errc() || end != whole_text.data() + whole_text.size()) return std::nullopt;
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(whole, unit_ns, &ns)) return std::nullopt;
  if (dot == std::string_view::npos) return Instant{ns};
  const auto digits = text.substr(dot + 1);
  if (digits.empty()) return std::nullopt;
  std::int64_t weight = unit_ns;
  std::int64_t fraction = 0;
  for (char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    weight /= 10;
    fraction += (c - '0') * weight;
  }
  if (__builtin_add_overflow(ns, negative ? -fraction : fraction, &ns)) return std::nullopt;
  return Instant{ns};
}

// The unit of a format that counts since the epoch; 0 of any other.
std::int64_t unix_unit_ns(std::string_view format) {
  if (format == "unix") return 1'000'000'000;
  if (format == "unix_ms") return 1'000'000;
  if (format == "unix_us") return 1'000;
  return format == "unix_ns" ? 1 : 0;
}

// Names of months are English, whatever the process's locale.
locale_t c_locale() {
  static const locale_t locale = ::newlocale(LC_ALL_MASK, "C", nullptr);
  return locale;
}

// Whether RFC 3339 text says its zone.
bool has_offset(std::string_view text) {
  if (text.ends_with('Z') || text.ends_with('z')) return true;
  const auto clock = text.find_first_of("Tt ");
  return clock != std::string_view::npos &&
         text.find_first_of("+-", clock) != std::string_view::npos;
}

}  // namespace

struct TimeText::State {
  std::vector<std::string> formats;
  const date::time_zone* zone = nullptr;
  bool utc = false;
  Twice twice = Twice::reject;

  Result<Instant> from_local(Instant as_utc) const {
    if (utc) return as_utc;
    const Local local{std::chrono::nanoseconds(as_utc.ns)};
    const auto info = zone->get_info(local);
    using date::local_info;
    if (info.result == local_info::nonexistent) {
      return unreadable("this local time does not exist in " + zone->name() +
                        ": the clocks were put forward");
    }
    if (info.result == local_info::ambiguous && twice == Twice::reject) {
      return unreadable("this local time was there twice in " + zone->name() +
                        "; the mapping's time.twice can say which is meant");
    }
    const bool second = info.result == local_info::ambiguous && twice == Twice::latest;
    const auto offset = second ? info.second.offset : info.first.offset;
    return as_utc - seconds(offset.count());
  }

  // Nothing when the format does not fit.
  std::optional<Result<Instant>> by(const std::string& format, std::string_view text) const {
    if (format == "iso") {
      auto parsed = parse_instant(text);
      if (!parsed) return std::nullopt;
      return has_offset(text) ? Result<Instant>(*parsed) : from_local(*parsed);
    }
    if (const auto unit = unix_unit_ns(format); unit > 0) {
      const auto parsed = number_time(text, unit);
      if (!parsed) return std::nullopt;
      return Result<Instant>(*parsed);
    }
    return by_pattern(format, text);
  }

  // As the pattern stands, or with a fraction of the seconds cut out of the text, which strptime
  // cannot read: the last ".digits" whose removal makes the pattern fit.
  std::optional<Result<Instant>> by_pattern(const std::string& format,
                                            std::string_view text) const {
    const std::string whole(text);
    if (auto parsed = by_strptime(format, whole)) return parsed;
    if (format.find("%S") == std::string::npos && format.find("%T") == std::string::npos) {
      return std::nullopt;
    }
    for (auto dot = whole.rfind('.'); dot != std::string::npos && dot > 0;
         dot = whole.rfind('.', dot - 1)) {
      auto end = dot + 1;
      std::int64_t fraction = 0;
      std::int64_t weight = 1'000'000'000;
      while (end < whole.size() && whole[end] >= '0' && whole[end] <= '9') {
        weight /= 10;
        fraction += (whole[end++] - '0') * weight;
      }
      if (end == dot + 1) continue;
      auto parsed = by_strptime(format, whole.substr(0, dot) + whole.substr(end));
      if (parsed && *parsed) return Result<Instant>(**parsed + nanoseconds(fraction));
      if (parsed) return parsed;
    }
    return std::nullopt;
  }

  std::optional<Result<Instant>> by_strptime(const std::string& format,
                                             const std::string& text) const {
    constexpr int kUnset = -100'000;
    std::tm parts{};
    parts.tm_year = kUnset;
    parts.tm_mon = kUnset;
    parts.tm_mday = kUnset;
    const char* end = ::strptime_l(text.c_str(), format.c_str(), &parts, c_locale());
    if (end != text.c_str() + text.size()) return std::nullopt;
    if (parts.tm_year == kUnset || parts.tm_mon == kUnset || parts.tm_mday == kUnset ||
        parts.tm_sec > 60) {
      return std::nullopt;
    }
    const date::year_month_day day(date::year(parts.tm_year + 1'900),
                                   date::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                   date::day(static_cast<unsigned>(parts.tm_mday)));
    if (!day.ok()) return std::nullopt;
    const auto plain =
        instant_of(day, std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
                            std::chrono::seconds(parts.tm_sec));
    if (!plain) return Result<Instant>(unreadable("the time lies beyond the years 1677 to 2262"));
    if (format.find("%z") != std::string::npos)
      return Result<Instant>(*plain - seconds(parts.tm_gmtoff));
    return from_local(*plain);
  }
};

TimeText::TimeText(std::unique_ptr<State> state) : state_(std::move(state)) {}
TimeText::TimeText(TimeText&&) noexcept = default;
TimeText& TimeText::operator=(TimeText&&) noexcept = default;
TimeText::~TimeText() = default;

Result<TimeText> TimeText::make(std::vector<std::string> formats, const std::string& zone,
                                Twice twice) {
  auto state = std::make_unique<State>();
  state->formats = std::move(formats);
  state->twice = twice;
  state->utc = zone == "UTC";
  for (const auto& format : state->formats) {
    if (format == "iso" || unix_unit_ns(format) > 0) continue;
    if (format.find('%') == std::string::npos) {
      return make_error(ErrorCode::config_invalid,
                        "\"" + format +
                            "\" is no time format: iso, unix (_ms, _us, _ns) or a pattern "
                            "like %Y-%m-%d %H:%M:%S");
    }
  }
  if (!state->utc) {
    try {
      state->zone = date::locate_zone(zone);
    } catch (const std::runtime_error&) {
      return make_error(ErrorCode::config_invalid, "\"" + zone +
                                                       "\" is no time zone, e.g. "
                                                       "America/Los_Angeles");
    }
  }
  return TimeText(std::move(state));
}

Result<Instant> TimeText::parse(std::string_view text) const {
  for (const auto& format : state_->formats) {
    if (auto parsed = state_->by(format, text)) return std::move(*parsed);
  }
  return unreadable("no time format of the mapping fits");
}

}  // namespace entente::node
