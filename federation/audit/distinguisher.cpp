#include "federation/audit/distinguisher.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "schemas/base/check.h"

namespace entente::federation {
namespace {

constexpr std::size_t kThresholds = 64, kEvents = 2 * kThresholds;

std::size_t above(const std::vector<double>& sorted, double threshold) {
  return static_cast<std::size_t>(sorted.end() -
                                  std::upper_bound(sorted.begin(), sorted.end(), threshold));
}

// Calls `judge(likely, unlikely, runs)` for every event "score above t" and its opposite.
template <class Judge>
void each_event(std::span<const double> with, std::span<const double> without, Judge&& judge) {
  ENTENTE_CHECK(with.size() == without.size() && with.size() >= 100);
  const std::size_t tenth = with.size() / 10, runs = with.size() - tenth;
  const auto [low_a, high_a] = std::minmax_element(with.begin(), with.begin() + tenth);
  const auto [low_b, high_b] = std::minmax_element(without.begin(), without.begin() + tenth);
  const double low = std::min(*low_a, *low_b), high = std::max(*high_a, *high_b);
  std::vector<double> a(with.begin() + tenth, with.end());
  std::vector<double> b(without.begin() + tenth, without.end());
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  for (std::size_t i = 0; i < kThresholds; ++i) {
    const double t = low + (high - low) * (static_cast<double>(i) + 0.5) / kThresholds;
    const std::size_t over_a = above(a, t), over_b = above(b, t);
    judge(over_a, over_b, runs);
    judge(runs - over_b, runs - over_a, runs);
  }
}

}  // namespace

double probability_at_least(std::size_t hits, std::size_t runs, double risk) {
  return boost::math::binomial::find_lower_bound_on_p(static_cast<double>(runs),
                                                      static_cast<double>(hits), risk);
}

double probability_at_most(std::size_t hits, std::size_t runs, double risk) {
  return boost::math::binomial::find_upper_bound_on_p(static_cast<double>(runs),
                                                      static_cast<double>(hits), risk);
}

double epsilon_of_event(std::size_t likely, std::size_t unlikely, std::size_t runs, double delta,
                        double risk) {
  if (likely == 0) return 0;
  const double p = probability_at_least(likely, runs, risk / 2);
  const double q = probability_at_most(unlikely, runs, risk / 2);
  return p > delta ? std::max(0.0, std::log((p - delta) / q)) : 0;
}

std::vector<double> epsilon_at_least(std::span<const double> with, std::span<const double> without,
                                     std::span<const double> deltas, double risk) {
  std::vector<double> bounds(deltas.size(), 0);
  each_event(with, without, [&](std::size_t likely, std::size_t unlikely, std::size_t runs) {
    for (std::size_t d = 0; d < deltas.size(); ++d) {
      const double bound = epsilon_of_event(likely, unlikely, runs, deltas[d], risk / kEvents);
      bounds[d] = std::max(bounds[d], bound);
    }
  });
  return bounds;
}

double mu_at_least(std::span<const double> with, std::span<const double> without, double risk) {
  const boost::math::normal standard;
  double mu = 0;
  each_event(with, without, [&](std::size_t likely, std::size_t unlikely, std::size_t runs) {
    if (likely == 0 || unlikely == runs) return;
    const double p = probability_at_least(likely, runs, risk / kEvents / 2);
    const double q = probability_at_most(unlikely, runs, risk / kEvents / 2);
    if (p <= q) return;
    mu = std::max(mu, boost::math::quantile(standard, p) - boost::math::quantile(standard, q));
  });
  return mu;
}

}  // namespace entente::federation
