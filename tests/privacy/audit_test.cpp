// Auditing at the level of the API: two federations that differ in one monitor are asked the same
// question many times, and the answers are used to guess which of the two it was. How well that
// succeeds bounds epsilon from below (Clopper and Pearson 1934, Bonferroni over events); the bound
// must not pass what the ledger charged for. Passing proves nothing; the controls show that faults
// of a realistic size would have been seen.
#include <doctest/doctest.h>

#include <cmath>

#include "federation/audit/distinguisher.h"
#include "security/privacy/rho.h"
#include "tests/privacy/city.h"
#include "tests/support/noise_checks.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

constexpr std::size_t kRuns = 200'000;
constexpr double kRisk = 1e-4;  // that a bound is wrong, over all events of one audit
constexpr double kDeltas[] = {1e-6, 1e-4, 1e-3, 1e-2, 5e-2};

// One site's answer with and without one monitor, and what it was charged.
struct Neighbours {
  Price price;
  Question question;
  ExactVectors with;
  ExactVectors without;

  Neighbours(State state, const CityQuestion& asked, std::size_t site, std::size_t monitor)
      : price(asked.prices[site]), question(asked.question(site)) {
    with = *aggregate(question, state.view, price, state.folded);
    state.folded.units.erase(state.folded.units.begin() + static_cast<std::ptrdiff_t>(monitor));
    without = *aggregate(question, state.view, price, state.folded);
  }

  // The likelihood ratio's exponent, in standard deviations: no event tells the two apart better.
  double score(const std::vector<ReleasedCell>& cells) const {
    double sum = 0, squares = 0;
    for (std::size_t s = 0; s < price.layout.size(); ++s) {
      const double sigma = std::sqrt(static_cast<double>(price.layout[s].variance));
      const double shift = static_cast<double>(with.cells[0][s] - without.cells[0][s]) / sigma;
      sum += shift * static_cast<double>(cells[0].mantissas[s] - without.cells[0][s]) / sigma;
      squares += shift * shift;
    }
    return sum / std::sqrt(squares);
  }

  // The scores of many runs, each of which asks `times` times.
  std::vector<double> scores(const ExactVectors& exact, security::NoiseSource& noise,
                             int times) const {
    std::vector<double> scores(kRuns, 0);
    for (double& one : scores) {
      for (int i = 0; i < times; ++i) one += score(add_noise(question, price, exact, noise));
    }
    return scores;
  }
};

std::vector<double> audit(const Neighbours& pair, security::NoiseSource& noise, int times = 1) {
  const auto with = pair.scores(pair.with, noise, times);
  const auto without = pair.scores(pair.without, noise, times);
  return epsilon_at_least(with, without, kDeltas, kRisk);
}

double claimed(const Neighbours& pair, std::size_t d) {
  return security::epsilon_of(pair.price.charges.at(0).rho, *security::delta_of(kDeltas[d]));
}

// In how many deltas the bound passes the claim.
int refuted(const Neighbours& pair, const std::vector<double>& bounds) {
  int count = 0;
  std::string line;
  for (std::size_t d = 0; d < bounds.size(); ++d) {
    count += bounds[d] > claimed(pair, d) ? 1 : 0;
    line += " " + std::to_string(bounds[d]) + "/" + std::to_string(claimed(pair, d));
  }
  MESSAGE("at least/claimed:" << line);
  return count;
}

// Idaho on an ordinary day: clean air lies near the lower bound, where one monitor weighs most.
constexpr std::size_t kIdaho = 2;
std::size_t cleanest(const State& state) {
  std::size_t least = 0;
  for (std::size_t u = 0; u < state.folded.units.size(); ++u) {
    const double value = state.folded.units[u].values[0];
    if (std::isnan(state.folded.units[least].values[0]) ||
        value < state.folded.units[least].values[0]) {
      least = u;
    }
  }
  return least;
}

}  // namespace

TEST_SUITE("privacy/audit") {
  TEST_CASE("answers do not betray a monitor beyond what was charged, whatever is asked") {
    const City city("2015-08-10");
    const State& idaho = city.states[kIdaho];
    for (const std::string items :
         {"mean(pm25)", "count(*)", "share(pm25 < 55.5)", "count(pm25 < 35), mean(pm25)"}) {
      CAPTURE(items);
      const CityQuestion asked(city, items);
      const Neighbours pair(idaho, asked, kIdaho, cleanest(idaho));
      SeededRandom random(1);
      security::ExactNoise noise(random);
      CHECK(refuted(pair, audit(pair, noise)) == 0);
    }
  }

  TEST_CASE("half the noise is caught") {
    const City city("2015-08-10");
    const State& idaho = city.states[kIdaho];
    for (const std::string items : {"mean(pm25)", "count(*)"}) {
      CAPTURE(items);
      const CityQuestion asked(city, items);
      const Neighbours pair(idaho, asked, kIdaho, cleanest(idaho));
      SeededRandom random(2);
      security::ExactNoise noise(random);
      ScaledNoise halved(noise, 1, 2);
      const auto bounds = audit(pair, halved);
      CHECK(refuted(pair, bounds) >= 3);
      // At the domain's own delta too, where the monitor moves the answer as far as one may.
      if (items == "count(*)") CHECK(bounds[0] > claimed(pair, 0));
    }
  }

  TEST_CASE("an outlier is clamped, without clamping it is caught") {
    City city("2015-08-10");
    State& idaho = city.states[kIdaho];
    const std::size_t monitor = cleanest(idaho);
    idaho.folded.units[monitor].values[0] = 1'000;
    CityQuestion asked(city, "sum(pm25)");
    SeededRandom random(3);
    security::ExactNoise noise(random);
    const Neighbours clamped(idaho, asked, kIdaho, monitor);
    CHECK(refuted(clamped, audit(clamped, noise)) == 0);
    auto& lattice = asked.prices[kIdaho].layout[0].lattice;
    lattice = *security::Lattice::make(-1e6, 1e6, lattice.centre(), lattice.exponent());
    const Neighbours unclamped(idaho, asked, kIdaho, monitor);
    CHECK(refuted(unclamped, audit(unclamped, noise)) == static_cast<int>(std::size(kDeltas)));
  }

  TEST_CASE("a second answer for one charge is caught") {
    const City city("2015-08-10");
    const State& idaho = city.states[kIdaho];
    const CityQuestion asked(city, "count(*)");
    const Neighbours pair(idaho, asked, kIdaho, cleanest(idaho));
    SeededRandom random(4);
    security::ExactNoise noise(random);
    CHECK(refuted(pair, audit(pair, noise, 1)) == 0);
    CHECK(refuted(pair, audit(pair, noise, 2)) >= 2);
  }
}
