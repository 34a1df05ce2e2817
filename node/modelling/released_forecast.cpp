#include "node/modelling/released_forecast.h"

#include <algorithm>
#include <cmath>

namespace entente::node {
namespace {

constexpr std::size_t kSeasons = 4;  // that there must be of a period before it is looked for
constexpr std::int64_t kHorizonSteps = 1'000;

std::vector<double> periods_of(Duration step, std::size_t steps) {
  std::vector<double> periods;
  for (const Duration length : {days(1), days(7)}) {
    if (length.ns % step.ns != 0 || length <= step) continue;
    const auto period = static_cast<std::size_t>(length.ns / step.ns);
    if (period >= 2 && kSeasons * period <= steps) periods.push_back(static_cast<double>(period));
  }
  return periods;
}

}  // namespace

std::vector<ReleasedPoint> released_points(const std::vector<federation::ReleasedValue>& values) {
  std::vector<ReleasedPoint> points;
  for (const federation::ReleasedValue& value : values) {
    points.push_back({value.window().from, value.estimate() ? value.estimate()->value : kMissing});
  }
  std::stable_sort(points.begin(), points.end(),
                   [](const auto& a, const auto& b) { return a.time < b.time; });
  return points;
}

Result<ReleasedForecast> forecast_released(const std::vector<federation::ReleasedValue>& values,
                                           Duration step, Duration horizon) {
  const std::int64_t ahead = step.ns > 0 ? horizon.ns / step.ns : 0;
  if (ahead < 1 || ahead > kHorizonSteps) {
    return make_error(ErrorCode::invalid_argument,
                      "a forecast goes from one window ahead (" + to_text(step) + ") to 1000");
  }
  const auto points = released_points(values);
  ReleasedForecast made;
  for (const ReleasedPoint& point : points) made.values += !std::isnan(point.value);
  if (made.values < kReleasedLeast) {
    return make_error(ErrorCode::not_found,
                      "a forecast takes " + std::to_string(kReleasedLeast) +
                          " released values, and there are " + std::to_string(made.values),
                      "keep the property for longer, or since an earlier time");
  }
  const auto steps =
      static_cast<std::size_t>((points.back().time.ns - points.front().time.ns) / step.ns + 1);
  made.spec.kind = "exponential_smoothing";
  made.spec.signals = {"released"};
  made.spec.step = step;
  made.spec.parameters = {{"periods", periods_of(step, steps)},
                          {"horizon", {static_cast<double>(ahead)}},
                          {"warm_up", {static_cast<double>(steps)}}};
  auto model = ModelKinds().make(made.spec);
  if (!model) return std::move(model).error();
  for (const ReleasedPoint& point : points) {
    if (auto told = (*model)->update({point.time, std::span(&point.value, 1)}); !told) {
      return std::move(told).error();
    }
  }
  auto prediction = (*model)->predict(step * ahead, {});
  if (!prediction) return std::move(prediction).error();
  made.prediction = std::move(*prediction);
  return made;
}

}  // namespace entente::node
