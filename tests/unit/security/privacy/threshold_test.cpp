// Vectors: privacy.md 3.6 (Google's partition-selection_test.cc, and their discrete counterparts).
#include "security/privacy/threshold.h"

#include <doctest/doctest.h>

#include <cmath>

#include "schemas/base/random.h"
#include "security/privacy/noise.h"
#include "security/privacy/rho.h"
#include "tests/support/noise_checks.h"

using namespace entente;
using namespace entente::security;

namespace {

ThresholdTerms terms_of(std::uint64_t variance, double delta, std::uint32_t groups,
                        std::int64_t one = 1) {
  return {variance, one, *delta_of(delta), groups};
}

long double tail(const test::IntegerLaw& law, std::int64_t from) {
  long double sum = 0;
  for (std::int64_t x = law.reach; x >= from; --x) sum += law.pmf(x);
  return sum;
}

}  // namespace

TEST_SUITE("security/threshold") {
  TEST_CASE("thresholds are the published ones") {
    const struct {
      std::uint64_t variance;
      double delta;
      std::uint32_t groups;
      std::int64_t threshold;
      double continuous;
    } rows[] = {{1, 1e-5, 1, 6, 5.264890793922825},
                {100, 1e-5, 1, 45, 43.648907939228245},
                {100, 1e-5, 10, 50, 48.53423399421888},
                {100, 1e-5, 100, 54, 52.99336662034604},
                {100, 1e-10, 1, 66, 64.61340902404055}};
    for (const auto& row : rows) {
      CAPTURE(row.threshold);
      const auto threshold = threshold_of(terms_of(row.variance, row.delta, row.groups));
      REQUIRE(threshold);
      CHECK(*threshold == row.threshold);
      // The continuous counterpart: 1 + sigma times a quantile of the normal law.
      CHECK(*threshold >= row.continuous);
      CHECK(*threshold <= row.continuous + 2);
    }
  }

  TEST_CASE("a threshold is the least that keeps its promise") {
    for (const std::uint64_t variance : {1u, 2u, 7u, 100u, 5'000u}) {
      const test::IntegerLaw law = test::discrete_gaussian(static_cast<long double>(variance));
      for (const double delta : {0.25, 1e-2, 1e-5, 1e-9}) {
        for (const std::uint32_t groups : {1u, 3u, 40u}) {
          for (const std::int64_t one : {1, 3, 1'024}) {
            CAPTURE(variance);
            CAPTURE(delta);
            CAPTURE(groups);
            CAPTURE(one);
            const auto threshold = threshold_of(terms_of(variance, delta, groups, one));
            REQUIRE(threshold);
            const auto unseen = [&](std::int64_t at) {
              return std::pow(1 - tail(law, at - one), static_cast<long double>(groups));
            };
            CHECK(unseen(*threshold) >= 1 - delta * (1 + 1e-6));
            // Control: one less does not keep it. (At 1 + one the tail excludes zero only.)
            if (*threshold > one + 1) CHECK(unseen(*threshold - 1) < 1 - delta * (1 - 1e-6));
          }
        }
      }
    }
  }

  TEST_CASE("the bound for large variances is one step above the sum at most") {
    // Just below the change of method, the normal law in half steps stands for the exact sum.
    for (const std::uint64_t variance : {std::uint64_t{1} << 20, (std::uint64_t{1} << 20) + 1}) {
      const auto threshold = threshold_of(terms_of(variance, 1e-6, 1));
      REQUIRE(threshold);
      const double sigma = std::sqrt(static_cast<double>(variance));
      const double exact = 4.753424308822899 * sigma + 0.5 + 1;  // Q^-1(1e-6)
      CHECK(static_cast<double>(*threshold) > exact - 0.01);
      CHECK(static_cast<double>(*threshold) < exact + 2);
    }
    const auto largest = threshold_of({kVarianceMost, std::int64_t{1} << 40, {1}, 4'096});
    REQUIRE(largest);
    CHECK(*largest > std::int64_t{1} << 40);
  }

  TEST_CASE("a lone unit is unseen as often as promised") {
    SeededRandom random(31);
    ExactNoise noise(random);
    const auto threshold = threshold_of(terms_of(16, 1e-3, 1));
    REQUIRE(threshold);
    std::size_t seen = 0, seen_below = 0;
    constexpr std::size_t kDraws = 300'000;
    for (std::size_t i = 0; i < kDraws; ++i) {
      const std::int64_t count = 1 + noise.gaussian(16);
      seen += count >= *threshold ? 1 : 0;
      seen_below += count >= *threshold - 3 ? 1 : 0;
    }
    CHECK(test::probability_at_least(seen, kDraws, 1e-6) <= 1e-3);
    CHECK(test::probability_at_least(seen_below, kDraws, 1e-6) > 1e-3);  // control
  }

  TEST_CASE("terms that promise nothing are refused") {
    CHECK(threshold_of({1, 1, {1}, 1}));
    CHECK(threshold_of({1, 1, {0}, 1}).error().code == ErrorCode::epsilon_refused);
    CHECK(threshold_of({1, 1, {(std::uint64_t{1} << 58) + 1}, 1}).error().code ==
          ErrorCode::epsilon_refused);
    for (const ThresholdTerms& wrong :
         {ThresholdTerms{0, 1, {1'000}, 1}, ThresholdTerms{kVarianceMost + 1, 1, {1'000}, 1},
          ThresholdTerms{1, 0, {1'000}, 1}, ThresholdTerms{1, -1, {1'000}, 1},
          ThresholdTerms{1, 1, {1'000}, 0}}) {
      CHECK(threshold_of(wrong).error().code == ErrorCode::shape_refused);
    }
  }
}
