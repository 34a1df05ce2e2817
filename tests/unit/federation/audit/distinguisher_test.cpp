#include "federation/audit/distinguisher.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

using namespace entente::federation;

TEST_SUITE("federation/audit/distinguisher") {
  TEST_CASE("bounds of Clopper and Pearson agree with published values") {
    // Two-sided 95 % for 5 of 20: 0.0866 to 0.4910 (Agresti and Coull 1998 give the method).
    CHECK(probability_at_least(5, 20, 0.025) == doctest::Approx(0.08657).epsilon(1e-3));
    CHECK(probability_at_most(5, 20, 0.025) == doctest::Approx(0.49105).epsilon(1e-3));
    CHECK(probability_at_least(0, 20, 0.025) == 0);
    CHECK(probability_at_most(20, 20, 0.025) == 1);
  }

  TEST_CASE("an event that happens in one world only is worth much and a common one nothing") {
    CHECK(epsilon_of_event(5'000, 0, 10'000, 1e-6, 1e-6) > 5);
    CHECK(epsilon_of_event(5'000, 5'000, 10'000, 1e-6, 1e-6) == 0);
    CHECK(epsilon_of_event(0, 0, 10'000, 1e-6, 1e-6) == 0);
    CHECK(epsilon_of_event(100, 0, 10'000, 0.05, 1e-6) == 0);  // all within delta
  }

  TEST_CASE("the bound on randomised response comes close to its epsilon and never passes it") {
    // The truth with probability 3/4: epsilon = ln 3.
    for (unsigned seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      std::bernoulli_distribution truth(0.75);
      std::vector<double> one(20'000), zero(20'000);
      for (double& value : one) value = truth(random) ? 1 : 0;
      for (double& value : zero) value = truth(random) ? 0 : 1;
      const std::vector<double> deltas{1e-6, 0.1};
      const auto bounds = epsilon_at_least(one, zero, deltas, 1e-4);
      CHECK(bounds[0] <= std::log(3.0));
      CHECK(bounds[0] > 0.9 * std::log(3.0));
      CHECK(bounds[1] <= std::log((0.75 - 0.1) / 0.25));
    }
  }

  TEST_CASE("the bound on Gaussian noise comes close to its mu and never passes it") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      for (const double mu : {0.1, 0.8, 2.0}) {
        std::normal_distribution<double> noise(0, 1);
        std::vector<double> with(50'000), without(50'000);
        for (double& value : with) value = mu + noise(random);
        for (double& value : without) value = noise(random);
        const double bound = mu_at_least(with, without, 1e-6);
        CHECK(bound <= mu);
        CHECK(bound > mu - 0.12);
        // Of the same world twice there is nothing to tell.
        CHECK(mu_at_least(without, without, 1e-6) == 0);
      }
    }
  }
}
