// Exact distributions and the tests that samples are held against, for every suite about noise.
//
// Everything is computed from the definitions, in long double, and shares no code with the
// samplers. The controls are samplers with one known fault each: a test of noise proves nothing
// until it has rejected them.
#pragma once

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "security/privacy/noise.h"

namespace entente::test {

// P[x] of a distribution on the integers, up to its normaliser, which `total` sums.
struct IntegerLaw {
  std::function<long double(std::int64_t)> weight;
  long double total = 0;
  std::int64_t reach = 0;  // beyond +-reach lies less than 1e-20 of the mass
  long double pmf(std::int64_t x) const { return weight(x) / total; }
};

inline IntegerLaw law_of(std::function<long double(std::int64_t)> weight, std::int64_t reach) {
  IntegerLaw law{std::move(weight), 0, reach};
  for (std::int64_t x = reach; x > 0; --x) law.total += 2 * law.weight(x);
  law.total += law.weight(0);
  return law;
}

inline IntegerLaw discrete_gaussian(long double variance) {
  return law_of(
      [variance](std::int64_t x) {
        const long double at = static_cast<long double>(x);
        return std::exp(-at * at / (2 * variance));
      },
      static_cast<std::int64_t>(10 * std::sqrt(variance)) + 10);
}

inline IntegerLaw discrete_laplace(long double scale) {
  return law_of(
      [scale](std::int64_t x) { return std::exp(-std::fabs(static_cast<long double>(x)) / scale); },
      static_cast<std::int64_t>(48 * scale) + 10);
}

inline long double variance_of(const IntegerLaw& law) {
  long double sum = 0;
  for (std::int64_t x = law.reach; x > 0; --x) {
    sum += 2 * static_cast<long double>(x) * static_cast<long double>(x) * law.pmf(x);
  }
  return sum;
}

// Cells of the integers with their probabilities: below edges[0], [edges[i-1], edges[i]), the rest.
struct Cells {
  std::vector<std::int64_t> edges;
  std::vector<double> probability;  // one more than edges
};

// Single integers where they are likely, runs of `width` otherwise; each cell has at least `least`
// of the mass.
inline Cells cells_of(const IntegerLaw& law, double least) {
  Cells cells;
  long double run = 0, used = 0;
  for (std::int64_t x = -law.reach; x <= law.reach; ++x) {
    run += law.pmf(x);
    if (run < least) continue;
    cells.edges.push_back(x + 1);
    cells.probability.push_back(static_cast<double>(run));
    used += run;
    run = 0;
  }
  if (run < least && !cells.edges.empty()) {  // the last run joins the cell before it
    cells.edges.pop_back();
    used -= cells.probability.back();
    cells.probability.pop_back();
  }
  cells.probability.push_back(static_cast<double>(1 - used));
  return cells;
}

// The same for a variance so large that the sum over every integer would take too long: the
// discrete Gaussian's cumulative differs from the normal's at half integers by less than 1 /
// variance.
inline Cells normal_cells(double variance, int cells_per_side) {
  Cells cells;
  const double sigma = std::sqrt(variance);
  const auto below = [&](double x) { return 0.5 * std::erfc(-x / (sigma * std::sqrt(2.0))); };
  double before = 0;
  for (int i = -cells_per_side; i <= cells_per_side; ++i) {
    const auto edge = static_cast<std::int64_t>(std::llround(3.5 * sigma * i / cells_per_side));
    const double now = below(static_cast<double>(edge) - 0.5);
    cells.edges.push_back(edge);
    cells.probability.push_back(now - before);
    before = now;
  }
  cells.probability.push_back(1 - before);
  return cells;
}

// The probability of a fit as bad as this one or worse, if the samples follow the cells.
template <class Draw>
double p_value(const Cells& cells, std::size_t samples, Draw&& draw) {
  std::vector<double> seen(cells.probability.size(), 0);
  for (std::size_t i = 0; i < samples; ++i) {
    const std::int64_t x = draw();
    const auto at = std::upper_bound(cells.edges.begin(), cells.edges.end(), x);
    seen[static_cast<std::size_t>(at - cells.edges.begin())] += 1;
  }
  double statistic = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double expected = cells.probability[i] * static_cast<double>(samples);
    statistic += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  const boost::math::chi_squared law(static_cast<double>(seen.size() - 1));
  return boost::math::cdf(boost::math::complement(law, statistic));
}

// Two-sided bounds for k of n: false when a binomial with this probability would be that far from
// its mean with probability 1e-7 or less.
inline bool plausible(std::size_t k, std::size_t n, double probability) {
  const boost::math::binomial law(static_cast<double>(n), probability);
  const double at = static_cast<double>(k);
  const double low = boost::math::cdf(law, at);
  const double high = k == 0 ? 1 : boost::math::cdf(boost::math::complement(law, at - 1));
  return low > 1e-7 && high > 1e-7;
}

// Clopper and Pearson (1934): a one-sided bound on the probability behind k of n.
inline double probability_at_least(std::size_t k, std::size_t n, double risk) {
  return boost::math::binomial::find_lower_bound_on_p(static_cast<double>(n),
                                                      static_cast<double>(k), risk);
}

// Adds nothing: what is left is the exact vector.
class NoNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t) override { return 0; }
  std::int64_t laplace(std::uint64_t) override { return 0; }
};

// Control: standard deviation multiplied by numerator / denominator.
class ScaledNoise final : public security::NoiseSource {
 public:
  ScaledNoise(security::NoiseSource& inner, std::uint64_t numerator, std::uint64_t denominator)
      : inner_(inner), numerator_(numerator), denominator_(denominator) {}
  std::int64_t gaussian(std::uint64_t variance) override {
    const std::uint64_t scaled = variance * numerator_ * numerator_ / (denominator_ * denominator_);
    return inner_.gaussian(std::max<std::uint64_t>(scaled, 1));
  }
  std::int64_t laplace(std::uint64_t scale) override {
    return inner_.laplace(std::max<std::uint64_t>(scale * numerator_ / denominator_, 1));
  }

 private:
  security::NoiseSource& inner_;
  std::uint64_t numerator_;
  std::uint64_t denominator_;
};

// Control: floating point noise, rounded afterwards. Right for large scales, wrong for small ones.
class RoundedNoise final : public security::NoiseSource {
 public:
  explicit RoundedNoise(Random& random) : random_(random) {}
  std::int64_t gaussian(std::uint64_t variance) override {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    const double z = radius * std::cos(2 * M_PI * uniform());
    return std::llround(z * std::sqrt(static_cast<double>(variance)));
  }
  std::int64_t laplace(std::uint64_t scale) override {
    const double e = -std::log(uniform()) * static_cast<double>(scale);
    return std::llround((random_.u64() & 1) != 0 ? e : -e);
  }

 private:
  double uniform() { return (static_cast<double>(random_.u64() >> 11) + 0.5) * 0x1p-53; }
  Random& random_;
};

// Control: one draw in eight loses its sign.
class BiasedNoise final : public security::NoiseSource {
 public:
  BiasedNoise(security::NoiseSource& inner, Random& random) : inner_(inner), random_(random) {}
  std::int64_t gaussian(std::uint64_t variance) override { return bend(inner_.gaussian(variance)); }
  std::int64_t laplace(std::uint64_t scale) override { return bend(inner_.laplace(scale)); }

 private:
  std::int64_t bend(std::int64_t x) { return random_.below(8) == 0 && x < 0 ? -x : x; }
  security::NoiseSource& inner_;
  Random& random_;
};

}  // namespace entente::test
