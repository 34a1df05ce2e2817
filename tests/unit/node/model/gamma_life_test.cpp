#include "node/model/gamma_life.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace entente;
using namespace entente::node;

TEST_SUITE("node/model/gamma_life") {
  TEST_CASE("the time to a limit is that of simulated wear") {
    const GammaLife life{2, 0.5, 20};  // it grows by 1 a unit of time
    std::mt19937_64 random(3);
    int failed = 0;
    for (int path = 0; path < 4'000; ++path) {
      std::gamma_distribution<> grown(life.rate * 0.1, life.scale);
      double wear = 0;
      for (int i = 0; i < 200; ++i) wear += grown(random);
      failed += wear >= life.left;
    }
    CHECK(life.probability_by(20) == doctest::Approx(failed / 4'000.0).epsilon(0.05));
    CHECK(life.probability_by(life.quantile(0.3)) == doctest::Approx(0.3).epsilon(1e-6));
    CHECK(life.probability_by(0) == 0);
    CHECK(life.quantile(0.05) < life.quantile(0.95));
  }

  TEST_CASE("rate and scale come from increments at irregular times") {
    std::mt19937_64 random(4);
    std::vector<double> times{0}, wear{0};
    for (int i = 0; i < 600; ++i) {
      const double dt = 0.5 + static_cast<double>(random() % 100) / 100;
      times.push_back(times.back() + dt);
      wear.push_back(wear.back() + std::gamma_distribution<>(3 * dt, 0.2)(random));
    }
    const auto life = gamma_life(times, wear, wear.back() + 12);
    REQUIRE(life.has_value());
    CHECK(life->rate * life->scale == doctest::Approx(0.6).epsilon(0.05));
    CHECK(life->scale == doctest::Approx(0.2).epsilon(0.2));
    CHECK(life->quantile(0.5) == doctest::Approx(20).epsilon(0.06));
  }

  TEST_CASE("its 90 % range covers lives that were not seen about as often as it says") {
    std::mt19937_64 random(5);
    int covered = 0;
    constexpr int kUnits = 400;
    for (int unit = 0; unit < kUnits; ++unit) {
      std::gamma_distribution<> step(2, 0.5);
      std::vector<double> times{0}, wear{0};
      for (int t = 1; t <= 60; ++t) {
        times.push_back(t);
        wear.push_back(wear.back() + step(random));
      }
      const auto life = gamma_life(times, wear, wear.back() + 30);
      REQUIRE(life.has_value());
      double more = 0;
      int lived = 0;
      while (more < 30) more += step(random), ++lived;
      covered += lived >= life->quantile(0.05) && lived <= life->quantile(0.95) + 1;
    }
    CHECK(covered > kUnits * 0.82);
    CHECK(covered < kUnits * 0.98);
  }

  TEST_CASE("wear that goes back or stands still is refused") {
    const std::vector<double> times{0, 1, 2, 3};
    CHECK(gamma_life(times, std::vector<double>{0, 1, 0.9, 2}, 5).error().code ==
          ErrorCode::invalid_argument);
    CHECK(gamma_life(times, std::vector<double>{1, 1, 1, 1}, 5).error().code ==
          ErrorCode::not_found);
    CHECK(gamma_life(times, std::vector<double>{0, 1, 1.5, 3}, 2).error().code ==
          ErrorCode::invalid_argument);
    CHECK_FALSE(gamma_life(times, std::vector<double>{0, 1}, 2).has_value());
    CHECK(gamma_life(times, std::vector<double>{0, 1, 1.5, 3}, 9).has_value());
  }
}
