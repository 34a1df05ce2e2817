// Vectors: privacy.md 3.2 and 3.3 (OpenDP's and Google's published figures among them).
#include "security/privacy/rho.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

RhoUnits rho_units(double rho) {
  return {static_cast<std::uint64_t>(std::llround(std::ldexp(rho, 40)))};
}
DeltaUnits delta_units(double delta) {
  return {static_cast<std::uint64_t>(std::ldexp(delta, 60))};
}
double epsilon(double rho, double delta) {
  return epsilon_of(rho_units(rho), delta_units(delta));
}

// Proposition 12 at one order: an upper bound for every a > 1, whichever is chosen.
double epsilon_at_order(double a, double rho, double delta) {
  return a * rho - std::log(a * delta) / (a - 1) + std::log1p(-1 / a);
}

}  // namespace

TEST_SUITE("security/rho") {
  TEST_CASE("an amount of rho is shown as the published epsilon") {
    const double deltas[] = {1e-3, 1e-5, 1e-6, 1e-8, 1e-10};
    const struct {
      double rho;
      double epsilon[5];
    } rows[] = {
        {0.005, {.2360492564, .3752612357, .4299414688, .5235561270, .6035361290}},
        {0.03125, {.6880024555, 1.0122866378, 1.1429257096, 1.3690608491, 1.5639616736}},
        {0.1, {1.3561931064, 1.9142388320, 2.1419389284, 2.5384322118, 2.8818280092}},
        {0.5, {3.5365618462, 4.7283869849, 5.2215344445, 6.0861586147, 6.8393294131}},
        {1, {5.4199191682, 7.0771966958, 7.7662166253, 8.9772184336, 10.0343435813}},
    };
    for (const auto& row : rows) {
      for (int i = 0; i < 5; ++i) {
        CAPTURE(row.rho);
        CAPTURE(deltas[i]);
        // Ten printed digits; a delta of 1e-10 has only eight digits in units of 2^-60.
        CHECK(std::fabs(epsilon(row.rho, deltas[i]) - row.epsilon[i]) < (i == 4 ? 3e-9 : 3e-10));
      }
    }
  }

  TEST_CASE("conversions agree with other libraries") {
    // OpenDP's test.rs and cdp_delta/test.rs; the reference code of Canonne, Kamath and Steinke.
    CHECK(std::fabs(epsilon(0.03125, 1e-3) - 0.6880024554878086) < 1e-13);
    CHECK(std::fabs(epsilon(0.05, 8.17727531036957e-2) - 0.25) < 1e-10);
    CHECK(std::fabs(epsilon(0.025, 1.3361319064e-6) - 1) < 1e-9);
    CHECK(epsilon(0.5, 0.5588356393474351 + 1e-9) == 0);
    CHECK(epsilon(0.5, 0.5588356393474351 - 1e-9) > 0);
    // Google's rdp_privacy_accountant_test: sigma 4.530877117 is exactly (1, 1e-6).
    CHECK(std::fabs(epsilon(1 / (2 * 4.530877117 * 4.530877117), 1e-6) - 1) < 1e-8);
  }

  TEST_CASE("composed Gaussians cost what the reference says") {
    const struct {
      double multiplier, times, delta, epsilon;
    } rows[] = {{1, 1, 1e-5, 4.72838698},    {1, 10, 1e-5, 19.04725955},
                {4, 16, 1e-6, 5.22153444},   {8, 64, 1e-6, 5.22153444},
                {10, 100, 1e-6, 5.22153444}, {20, 1000, 1e-6, 8.84588935},
                {50, 1000, 1e-8, 3.68552778}};
    for (const auto& row : rows) {
      CAPTURE(row.multiplier);
      CAPTURE(row.times);
      const double rho = row.times / (2 * row.multiplier * row.multiplier);
      CHECK(std::fabs(epsilon(rho, row.delta) - row.epsilon) < 2e-8);
    }
    CHECK(std::fabs(epsilon(100 * .1 * .1 / 2, 1e-6) - 5.22153444) < 1e-8);  // pure epsilon .1
    CHECK(std::fabs(epsilon(100 * .1 * .1 / 8, 1e-6) - 2.41909318) < 1e-8);  // bounded range
    CHECK(std::fabs(epsilon(7 * .024355970359538372, 1e-6) - 2.87) < 0.005);
    CHECK(std::fabs(epsilon(365 * .024355970359538372, 1e-6) - 29.8) < 0.05);
  }

  TEST_CASE("a cap in epsilon is the published number of units, rounded down") {
    CHECK(rho_cap_of(1, delta_units(1e-6))->units == 26'779'672'616);
    const struct {
      double epsilon, delta, rho, tolerance;
    } rows[] = {{1, 1e-6, .024355970359538372, 0}, {2, 1e-6, .08815268837994626, 0},
                {4, 1e-6, .3110649549408351, 0},   {8, 1e-6, 1.052358004556989, 0},
                {1, 1e-5, .030556595198, 1e-12},   {1, 1e-10, .013242583766, 1e-10}};
    for (const auto& row : rows) {
      CAPTURE(row.epsilon);
      CAPTURE(row.delta);
      const auto cap = rho_cap_of(row.epsilon, delta_units(row.delta));
      const auto cost = rho_cost_of(row.epsilon, delta_units(row.delta));
      REQUIRE(cap);
      REQUIRE(cost);
      if (row.tolerance == 0) {
        CHECK(cap->units == static_cast<std::uint64_t>(std::floor(std::ldexp(row.rho, 40))));
      }
      CHECK(std::fabs(to_double(*cap) - row.rho) <= row.tolerance + 0x1p-40);
      CHECK(cost->units == cap->units + 1);
    }
  }

  TEST_CASE("a cap is the largest amount within its epsilon, for any epsilon and delta") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const double e = std::ldexp(static_cast<double>(1 + random.below(1u << 20)),
                                  -static_cast<int>(10 + random.below(12)));
      const DeltaUnits delta{(std::uint64_t{1} << (8 + random.below(50))) - random.below(200)};
      if (e > 1000) continue;
      const auto cap = rho_cap_of(e, delta), cost = rho_cost_of(e, delta);
      REQUIRE(cap);
      REQUIRE(cost);
      CHECK(epsilon_of(*cap, delta) <= e * (1 + 1e-14));
      CHECK(epsilon_of({cap->units + 1}, delta) >= e * (1 - 1e-14));
      CHECK(cost->units - cap->units <= 1);
    }
  }

  TEST_CASE("no order of the bound gives less than what is shown") {
    for (const double rho : {1e-6, 0.005, 0.1, 1.0, 20.0}) {
      for (const double delta : {0.2, 1e-3, 1e-9}) {
        CAPTURE(rho);
        CAPTURE(delta);
        const double shown = epsilon(rho, delta);
        for (double a = 1.001; a < 2e6; a *= 1.003) {
          const double at_order = epsilon_at_order(a, to_double(rho_units(rho)), delta);
          REQUIRE_MESSAGE(shown <= std::max(at_order, 0.0) + 1e-9, a);
        }
      }
    }
  }

  TEST_CASE("more rho is never shown as less epsilon") {
    double before = 0;
    for (std::uint64_t units = 1; units < (std::uint64_t{1} << 62); units += 1 + units / 7) {
      const double now = epsilon_of({units}, delta_units(1e-6));
      CHECK(now >= before);
      before = now;
    }
    CHECK(epsilon_of({0}, delta_units(1e-6)) == 0);
    CHECK(epsilon_of({0}, {0}) == 0);
    CHECK(std::isinf(epsilon_of({1}, {0})));
  }

  TEST_CASE("deltas are rounded down and refused when not above 0 and at most 1/4") {
    CHECK(delta_of(0.25)->units == std::uint64_t{1} << 58);
    CHECK(delta_of(1e-6)->units == 1'152'921'504'606);
    CHECK(to_double(*delta_of(0x1p-60)) == 0x1p-60);
    for (const double wrong :
         {0.0, -1e-6, 0.2500001, 1.0, 0x1p-61, double(NAN), double(INFINITY)}) {
      CAPTURE(wrong);
      const auto delta = delta_of(wrong);
      REQUIRE_FALSE(delta);
      CHECK(delta.error().code == ErrorCode::epsilon_refused);
    }
  }

  TEST_CASE("epsilons that cannot be counted are refused") {
    const DeltaUnits delta = delta_units(1e-6);
    for (const double wrong :
         {0.0, -1.0, 1000.1, double(NAN), double(INFINITY), -double(INFINITY)}) {
      CAPTURE(wrong);
      const auto cap = rho_cap_of(wrong, delta);
      REQUIRE_FALSE(cap);
      CHECK(cap.error().code == ErrorCode::epsilon_refused);
    }
    CHECK(rho_cap_of(1000, delta));
    CHECK_FALSE(rho_cap_of(1e-300, {1}));  // less than one unit
    CHECK_FALSE(rho_cap_of(1, {0}));
    CHECK_FALSE(rho_cost_of(1, {0}));
    // A cost is never nothing, however small its epsilon.
    CHECK(rho_cost_of(1e-300, {1})->units == 1);
  }

  TEST_CASE("amounts add exactly or not at all") {
    CHECK(add({1}, {2})->units == 3);
    CHECK(add({UINT64_MAX - 5}, {5})->units == UINT64_MAX);
    const auto beyond = add({UINT64_MAX - 5}, {6});
    REQUIRE_FALSE(beyond);
    CHECK(beyond.error().code == ErrorCode::budget_exhausted);
  }
}
