#include "node/quality/health.h"

#include <boost/json/value.hpp>
#include <map>
#include <numeric>

#include "node/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;

template <class T, class Use>
json::value or_null(const std::optional<T>& value, Use&& use) {
  return value ? json::value(use(*value)) : json::value(nullptr);
}

json::value seconds_json(const std::optional<Duration>& value) {
  return or_null(value, [](Duration d) { return d.seconds(); });
}

json::value time_json(const std::optional<Instant>& value) {
  return or_null(value, [](Instant t) { return json::string(to_text(t)); });
}

json::object window_json(TimeWindow window) {
  return {{"from", to_text(window.from)}, {"to", to_text(window.to)}};
}

}  // namespace

std::uint64_t sum_of(const QualityCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

std::optional<double> good_share(const QualityCounts& counts) {
  const std::uint64_t all = sum_of(counts);
  if (all == 0) return std::nullopt;
  return static_cast<double>(counts[0]) / static_cast<double>(all);
}

Result<std::vector<QualityShare>> quality_shares(const History& history, SeriesId series,
                                                 TimeWindow window, Duration step) {
  if (step.ns < 0) return make_error(ErrorCode::invalid_argument, "a step must not be negative");
  std::vector<QualityShare> shares;
  bool too_many = false;
  const auto width = static_cast<std::uint64_t>(step.ns);
  const auto first = static_cast<std::uint64_t>(window.from.ns);
  std::optional<std::uint64_t> current;  // the part that the last reading is in
  history.scan(series, window, [&](const History::Block& block) {
    for (std::size_t i = 0; i < block.times.size() && !too_many; ++i) {
      const std::uint64_t after = static_cast<std::uint64_t>(block.times[i]) - first;
      const std::uint64_t part = width == 0 ? 0 : after / width;
      if (part != current) {
        too_many = shares.size() == limits::kQualityShares;
        if (too_many) return;
        current = part;
        const auto from = static_cast<std::int64_t>(first + part * width);
        const auto left =
            static_cast<std::uint64_t>(window.to.ns) - static_cast<std::uint64_t>(from);
        const auto to = width == 0 || left < width ? window.to.ns : from + step.ns;
        shares.push_back({{{from}, {to}}, {}});
      }
      const auto quality = static_cast<std::size_t>(block.qualities[i]);
      if (quality < kQualities) ++shares.back().counts[quality];
    }
  });
  if (too_many) {
    return make_error(ErrorCode::invalid_argument,
                      "more than " + std::to_string(limits::kQualityShares) +
                          " parts: use a longer step or a shorter window");
  }
  return shares;
}

json::object counts_json(const QualityCounts& counts) {
  json::object out;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) out[to_text(static_cast<Quality>(i))] = counts[i];
  }
  return out;
}

json::object health_json(const SeriesHealth& health) {
  json::object out;
  out["arrivals"] = sum_of(health.counts);
  out["verdicts"] = counts_json(health.counts);
  out["duplicates"] = health.duplicates;
  out["out_of_order"] = health.out_of_order;
  json::object gaps{{"count", health.gaps}, {"longest_s", seconds_json(health.gap_longest)}};
  gaps["last"] = or_null(health.gap_last, window_json);
  out["gaps"] = std::move(gaps);
  out["irregular_share"] = health.intervals == 0
                               ? json::value(nullptr)
                               : json::value(static_cast<double>(health.irregular) /
                                             static_cast<double>(health.intervals));
  out["last"] = time_json(health.last);
  out["last_good"] = time_json(health.last_good);
  out["lag_s"] = seconds_json(health.lag);
  return out;
}

json::object share_json(const QualityShare& share) {
  json::object out = window_json(share.window);
  out["readings"] = sum_of(share.counts);
  out["verdicts"] = counts_json(share.counts);
  out["good_share"] = or_null(good_share(share.counts), [](double x) { return x; });
  return out;
}

}  // namespace entente::node
