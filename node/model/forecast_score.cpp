#include "node/model/forecast_score.h"

#include <cmath>

namespace entente::node {

double pinball_loss(double truth, double said, double quantile) {
  return truth >= said ? quantile * (truth - said) : (1 - quantile) * (said - truth);
}

double naive_scale(std::span<const double> values, std::size_t period) {
  double sum = 0;
  std::size_t count = 0;
  for (std::size_t t = period; t < values.size(); ++t) {
    const double difference = std::abs(values[t] - values[t - period]);
    if (std::isfinite(difference)) sum += difference, ++count;
  }
  return count == 0 ? kMissing : sum / static_cast<double>(count);
}

void ForecastScore::add(double truth, const PredictedPoint& point) {
  if (!std::isfinite(truth) || !std::isfinite(point.mean)) return;
  const double error = truth - point.mean;
  ++points;
  absolute_error += std::abs(error);
  squared_error += error * error;
  if (!std::isfinite(point.half.low) || !std::isfinite(point.ninety.low)) return;
  ++banded;
  in_half += point.half.contains(truth) ? 1 : 0;
  in_ninety += point.ninety.contains(truth) ? 1 : 0;
  width_ninety += point.ninety.high - point.ninety.low;
  pinball +=
      (pinball_loss(truth, point.ninety.low, 0.05) + pinball_loss(truth, point.half.low, 0.25) +
       pinball_loss(truth, point.mean, 0.5) + pinball_loss(truth, point.half.high, 0.75) +
       pinball_loss(truth, point.ninety.high, 0.95)) /
      5;
}

void ForecastScore::operator+=(const ForecastScore& other) {
  points += other.points;
  banded += other.banded;
  absolute_error += other.absolute_error;
  squared_error += other.squared_error;
  in_half += other.in_half;
  in_ninety += other.in_ninety;
  pinball += other.pinball;
  width_ninety += other.width_ninety;
}

double ForecastScore::rmse() const {
  return std::sqrt(squared_error / static_cast<double>(points));
}

}  // namespace entente::node
