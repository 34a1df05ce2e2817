#include "node/model/gamma_life.h"

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

namespace entente::node {

double GammaLife::probability_by(double t) const {
  if (!(t > 0)) return 0;
  return boost::math::gamma_q(rate * t, left / scale);
}

double GammaLife::quantile(double share) const {
  double low = 0, high = left / (rate * scale);  // about the mean
  while (probability_by(high) < share) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = 0.5 * (low + high);
    (probability_by(middle) < share ? low : high) = middle;
  }
  return high;
}

Result<GammaLife> gamma_life(std::span<const double> times, std::span<const double> wear,
                             double limit) {
  const auto refuse = [](const char* why) {
    return make_error(ErrorCode::invalid_argument, why,
                      "where wear can go back take a drift to a limit (wiener_life)");
  };
  if (times.size() != wear.size() || !std::isfinite(limit)) {
    return refuse("times and wear are not as many");
  }
  if (times.size() < 3) {
    return make_error(ErrorCode::not_found, "a rate of wear needs at least 3 observations");
  }
  double span = 0, grown = 0, squares = 0, of = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double dt = times[i] - times[i - 1], step = wear[i] - wear[i - 1];
    if (!(dt > 0)) return refuse("times do not ascend");
    if (!(step >= 0) || !std::isfinite(step)) return refuse("wear goes back, or is missing");
    span += dt;
    grown += step;
    squares += dt * dt;
  }
  const double mean = grown / span;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double off = wear[i] - wear[i - 1] - mean * (times[i] - times[i - 1]);
    of += off * off;
  }
  GammaLife life;
  life.left = limit - wear.back();
  if (!(life.left > 0)) return refuse("the wear has reached its limit");
  life.scale = grown > 0 ? of / (grown * (1 - squares / (span * span))) : 0;
  if (!(life.scale > 1e-12 * mean)) {
    return make_error(ErrorCode::not_found, "the wear did not grow, or by one amount each time",
                      "wait for more observations");
  }
  life.rate = mean / life.scale;
  return life;
}

}  // namespace entente::node
