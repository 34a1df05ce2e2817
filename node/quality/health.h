// How well a sensor does: what was counted since the node started, and the share of good readings
// in windows of its history.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <optional>
#include <vector>

#include "node/history/history.h"

namespace entente::node {

using QualityCounts = std::array<std::uint64_t, kQualities>;
std::uint64_t sum_of(const QualityCounts& counts);
// Of 1; nothing where there are no readings.
std::optional<double> good_share(const QualityCounts& counts);

// Of one series since the gate began to watch it. Counters that reach their end stay there.
struct SeriesHealth {
  QualityCounts counts{};          // arrivals by verdict, duplicates and late ones included
  std::uint64_t duplicates = 0;    // a second time the time of the newest
  std::uint64_t out_of_order = 0;  // earlier than the newest
  std::uint64_t gaps = 0;
  std::optional<Duration> gap_longest;
  std::optional<TimeWindow> gap_last;  // between which arrivals
  std::uint64_t intervals = 0;         // those that are no gaps, where a rule gives a period
  std::uint64_t irregular = 0;         // of these
  std::optional<Instant> last;         // newest arrival
  std::optional<Instant> last_good;
  // Arrival behind its own time, of the newest; not known of series that are kept short.
  std::optional<Duration> lag;
};

struct QualityShare {
  TimeWindow window;
  QualityCounts counts{};
};

// The verdicts on a series' readings in `window`, in parts of `step` (the last may be shorter); one
// part when `step` is 0. Parts without readings are left out. Reads the history: for workers.
// Refuses (invalid_argument): a negative step, more than limits::kQualityShares parts.
[[nodiscard]] Result<std::vector<QualityShare>> quality_shares(const History& history,
                                                               SeriesId series, TimeWindow window,
                                                               Duration step);

// {"good":12,"stuck":3}: those that occur.
boost::json::object counts_json(const QualityCounts& counts);
boost::json::object health_json(const SeriesHealth& health);
boost::json::object share_json(const QualityShare& share);

}  // namespace entente::node
