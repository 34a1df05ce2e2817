// A forecast of what a system twin will be released as, from released values alone.
//
// The lanes stay apart by type: the only input is ReleasedValue, which nothing exact becomes. The
// noise of the releases is in the values, so it is in the errors that the bands are calibrated by:
// they are of the next released value, not of what is behind it. Costs no budget. Stateless: the
// method (level, damped trend, a week or day of season where there are four of them) is fitted anew
// to the values given, so a correction counts from the next forecast on. Computes long: for
// workers.
#pragma once

#include "federation/compose/released_value.h"
#include "node/model/model_kinds.h"

namespace entente::node {

// What models are told of released values: one observation a window, at its beginning; NaN where
// there is no estimate. In order of time.
struct ReleasedPoint {
  Instant time;
  double value = kMissing;
};
std::vector<ReleasedPoint> released_points(const std::vector<federation::ReleasedValue>& values);

struct ReleasedForecast {
  ModelSpec spec;
  Prediction prediction;
  std::size_t values = 0;  // it was fitted to
};

inline constexpr std::size_t kReleasedLeast = 24;  // values, below which there is no forecast

// `step` is the distance of the windows, > 0. Refuses: not_found (too few values; says how many
// there are and how many it takes), invalid_argument (a horizon below one step or beyond 1,000).
[[nodiscard]] Result<ReleasedForecast> forecast_released(
    const std::vector<federation::ReleasedValue>& values, Duration step, Duration horizon);

}  // namespace entente::node
