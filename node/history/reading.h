// Readings as the history takes and gives them: columns, with a verdict beside each value.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/time.h"

namespace entente::node {

// A series is one signal of one twin.
struct SeriesKey {
  std::string twin;
  std::string signal;
  auto operator<=>(const SeriesKey&) const = default;
};

// A series' number in one history: dense from 0, never used again.
enum class SeriesId : std::uint32_t {};

// The verdict on a reading with its reason, kept beside it. Values are stored: never renumber.
enum class Quality : std::uint8_t {
  good = 0,
  // bad: not what the sensor saw
  not_finite = 1,     // NaN or infinite; kept as NaN
  clock_ahead = 2,    // from later than its arrival allows
  out_of_range = 3,   // outside the range that the type or a rule gives
  unit_mismatch = 4,  // lies where the same quantity in another unit would
  spike = 5,          // far from its neighbours, robustly measured
  // uncertain: perhaps
  rate_of_change = 6,  // moved faster than the rule allows
  stuck = 7,           // one value for longer than the rule allows
  flat_after_gap = 8,  // the value from before a gap, repeated after it
  clock_behind = 9,    // arrived later than the rule allows
};
inline constexpr std::uint8_t kQualities = 10;

enum class Verdict { good, uncertain, bad };
constexpr Verdict verdict_of(Quality quality) {
  if (quality == Quality::good) return Verdict::good;
  return quality < Quality::rate_of_change ? Verdict::bad : Verdict::uncertain;
}
std::string_view to_text(Quality quality);
std::string_view to_text(Verdict verdict);

struct Reading {
  Instant time;
  double value = 0;
  Quality quality = Quality::good;
};

// Readings of any series in order of arrival, as columns of equal length: of two with one series
// and time the later in the list counts.
struct Batch {
  std::vector<SeriesId> series;
  std::vector<std::int64_t> times;  // ns
  std::vector<double> values;
  std::vector<Quality> qualities;
  // A reading that is there with the same value keeps the verdict that it has, because what is sent
  // again is judged without those before it; unless the batch is there to change verdicts.
  enum class Purpose { readings, verdicts };
  Purpose purpose = Purpose::readings;

  std::size_t size() const { return times.size(); }
  void add(SeriesId id, const Reading& reading);
  void reserve(std::size_t readings);
  void clear();
};

}  // namespace entente::node
