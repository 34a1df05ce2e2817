// Rules proposed from what a signal usually does. Robust: from medians and quantiles of its good
// readings, so that a few wrong ones do not widen the bounds. A proposal, for a person to judge.
//
//   range            the 0.1 % and 99.9 % quantiles, widened by a quarter of what lies between and
//                    rounded outward to two digits; not below 0 where nothing good was
//   rate_per_second  twice the 99.9 % quantile of the rates between neighbours
//   stuck            twice the 99 % quantile of how long a value stayed (runs of two and more),
//                    at least 3 periods; not proposed for a value that hardly ever changes
//   spike            with spike_floor, the MAD of steps between neighbours: 1.5 times the 99.9 %
//                    quantile of distances in windows' units, at least 8
//   period           the median interval, when half of all intervals are within a tenth of it
#pragma once

#include <string>
#include <vector>

#include "node/history/history.h"
#include "node/quality/health.h"
#include "node/quality/rule.h"

namespace entente::node {

struct Learned {
  RuleKeys keys;
  std::uint64_t readings = 0;  // looked at, of any verdict
  std::uint64_t good = 0;      // learned from
  double median = 0;
  double mad = 0;
  // By key: how many of the readings looked at that key alone would have flagged; of "period", the
  // gaps it would have counted.
  std::vector<std::pair<std::string, std::uint64_t>> flagged;
};

// From the series' youngest readings in the window, at most limits::kLearnReadings of all of them
// together, in equal parts. For workers. Refuses: not_found (fewer than `kLearnLeast` good ones).
inline constexpr std::size_t kLearnLeast = 100;
[[nodiscard]] Result<Learned> learn(const History& history, const std::vector<SeriesId>& series,
                                    TimeWindow window);

// The keys with comments on what each would have flagged; under a header, ready to paste.
std::string learned_text(const Learned& learned, const std::string& header);

}  // namespace entente::node
