#include "node/model/remaining_life.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

using namespace entente;
using namespace entente::node;

namespace {

// Wear grows with the square of the age; two sensors show it, two are constant, one is noise.
std::vector<UnitRun> fleet_of(std::size_t units, bool constants, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<> normal;
  std::vector<UnitRun> fleet;
  for (std::size_t unit = 0; unit < units; ++unit) {
    const std::size_t life = 80 + random() % 60;
    UnitRun& run = fleet.emplace_back();
    for (std::size_t t = 0; t < life; ++t) {
      const double share = static_cast<double>(t) / static_cast<double>(life);
      const double wear = share * share;
      std::vector<double> row{0, wear + 0.05 * normal(random), 3 - 2 * wear + 0.1 * normal(random),
                              normal(random)};
      if (constants) row.insert(row.end(), {518.67, 0});
      run.push_back(std::move(row));
    }
  }
  return fleet;
}

double rms_error(const RemainingLifeModel& model, const std::vector<UnitRun>& units,
                 double& covered) {
  double sum = 0, count = 0;
  covered = 0;
  for (std::size_t i = 0; i < units.size(); ++i) {
    for (const std::size_t share : {30, 60, 90}) {
      const std::size_t seen = units[i].size() * share / 100;
      const UnitRun part(units[i].begin(), units[i].begin() + static_cast<std::ptrdiff_t>(seen));
      const double truth = std::min(static_cast<double>(units[i].size() - seen), 100.0);
      const auto said = model.predict(part);
      REQUIRE(said);
      sum += (said->mean - truth) * (said->mean - truth), count += 1;
      covered += said->ninety.contains(truth);
    }
  }
  covered /= count;
  return std::sqrt(sum / count);
}

}  // namespace

TEST_SUITE("node/model/remaining_life") {
  TEST_CASE("unseen units are told within bands that hold and constant sensors do no harm") {
    const auto plain = RemainingLifeModel::fit(fleet_of(40, false, 1), {1, 100});
    const auto more = RemainingLifeModel::fit(fleet_of(40, true, 1), {1, 100});
    REQUIRE((plain && more));
    double covered = 0, covered_more = 0;
    const double error = rms_error(*plain, fleet_of(30, false, 2), covered);
    const double error_more = rms_error(*more, fleet_of(30, true, 2), covered_more);
    CHECK(error < 12);
    CHECK(error_more == doctest::Approx(error));
    CHECK(covered > 0.8);
    CHECK(covered <= 1);
  }

  TEST_CASE("a fleet that is too small or ragged is refused") {
    CHECK(RemainingLifeModel::fit(fleet_of(5, false, 1), {1, 100}).error().code ==
          ErrorCode::not_found);
    auto fleet = fleet_of(20, false, 1);
    fleet[3][4].push_back(1);
    CHECK(RemainingLifeModel::fit(fleet, {1, 100}).error().code == ErrorCode::invalid_argument);
    const auto model = RemainingLifeModel::fit(fleet_of(20, false, 1), {1, 100});
    REQUIRE(model);
    CHECK_FALSE(model->predict({}));
    CHECK_FALSE(model->predict({{1, 2}}));
  }

  TEST_CASE("NASA's score charges late estimates more") {
    CHECK(life_score(0) == 0);
    CHECK(life_score(10) == doctest::Approx(std::exp(1) - 1));
    CHECK(life_score(-13) == doctest::Approx(std::exp(1) - 1));
  }

  TEST_CASE("first passage is that of simulated paths") {
    const WienerLife life{0.5, 1, 20};
    std::mt19937_64 random(3);
    std::normal_distribution<> normal;
    const double dt = 0.01;
    int failed = 0;
    for (int path = 0; path < 2'000; ++path) {
      double wear = 0;
      for (int i = 0; i < 4'000 && wear < life.left; ++i) {
        wear += life.drift * dt + std::sqrt(dt) * normal(random);
      }
      failed += wear >= life.left;
    }
    CHECK(life.probability_by(40) == doctest::Approx(failed / 2'000.0).epsilon(0.06));
    CHECK(life.probability_by(life.quantile(0.3)) == doctest::Approx(0.3));
    CHECK(life.probability_by(-1) == 0);
    CHECK(std::isinf(WienerLife{-1, 1, 20}.quantile(0.5)));
  }

  TEST_CASE("drift and noise come from increments at irregular times") {
    std::mt19937_64 random(4);
    std::normal_distribution<> normal;
    std::vector<double> times{0}, wear{0};
    for (int i = 0; i < 400; ++i) {
      const double dt = 0.5 + static_cast<double>(random() % 100) / 100;
      times.push_back(times.back() + dt);
      wear.push_back(wear.back() + 0.2 * dt + 0.3 * std::sqrt(dt) * normal(random));
    }
    const auto life = wiener_life(times, wear, wear.back() + 10);
    REQUIRE(life);
    CHECK(life->drift == doctest::Approx(0.2).epsilon(0.15));
    CHECK(life->noise == doctest::Approx(0.3).epsilon(0.15));
    CHECK(life->quantile(0.5) == doctest::Approx(10 / life->drift).epsilon(0.1));
    CHECK_FALSE(wiener_life(times, wear, wear.back() - 1));
  }
}
