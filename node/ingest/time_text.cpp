#include "node/ingest/time_text.h"

#include <date/tz.h>

#include <charconv>
#include <limits>
#include <sstream>

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
    if (format == "unix" || format == "unix_ms") {
      const auto parsed = number_time(text, format == "unix" ? 1'000'000'000 : 1'000'000);
      if (!parsed) return std::nullopt;
      return Result<Instant>(*parsed);
    }
    return by_pattern(format, text);
  }

  std::optional<Result<Instant>> by_pattern(const std::string& format,
                                            std::string_view text) const {
    std::istringstream stream{std::string(text)};
    stream.imbue(std::locale::classic());
    date::fields<std::chrono::nanoseconds> fields;
    std::string abbreviation;
    auto offset = std::chrono::minutes::min();
    date::from_stream(stream, format.c_str(), fields, &abbreviation, &offset);
    if (stream.fail() || stream.peek() != std::istringstream::traits_type::eof()) {
      return std::nullopt;
    }
    if (!fields.ymd.ok()) return std::nullopt;
    const auto of_day = fields.has_tod ? fields.tod.to_duration() : std::chrono::nanoseconds(0);
    if (of_day < std::chrono::hours(0) || of_day >= std::chrono::hours(24)) return std::nullopt;
    const auto plain = instant_of(fields.ymd, of_day);
    if (!plain) return Result<Instant>(unreadable("the time lies beyond the years 1677 to 2262"));
    if (offset != std::chrono::minutes::min()) return Result<Instant>(*plain - minutes(offset.count()));
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
    if (format == "iso" || format == "unix" || format == "unix_ms") continue;
    if (format.find('%') == std::string::npos) {
      return make_error(ErrorCode::config_invalid,
                        "\"" + format + "\" is no time format: iso, unix, unix_ms or a pattern "
                        "like %Y-%m-%d %H:%M:%S");
    }
  }
  if (!state->utc) {
    try {
      state->zone = date::locate_zone(zone);
    } catch (const std::runtime_error&) {
      return make_error(ErrorCode::config_invalid, "\"" + zone + "\" is no time zone, e.g. "
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
