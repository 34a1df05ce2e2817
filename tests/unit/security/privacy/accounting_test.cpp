// Vectors: privacy.md 3.2 and 3.3 (dp_accounting's PLD and privacy loss tests among them).
#include "security/privacy/accounting.h"

#include <doctest/doctest.h>

#include <cmath>

#include "security/privacy/rho.h"

using namespace entente;
using namespace entente::security;

namespace {

RhoUnits rho_units(double rho) {
  return {static_cast<std::uint64_t>(std::llround(std::ldexp(rho, 40)))};
}
DeltaUnits delta_units(double delta) {
  return {static_cast<std::uint64_t>(std::llround(std::ldexp(delta, 60)))};
}
// `times` Gaussians of noise multiplier z.
RhoUnits gaussians(double z, double times) {
  return rho_units(times / (2 * z * z));
}

}  // namespace

TEST_SUITE("security/accounting") {
  TEST_CASE("the exact delta of a Gaussian is the published one") {
    CHECK(std::fabs(gaussian_delta(gaussians(1, 1), 1) - .12693673750664) < 1e-12);
    CHECK(std::fabs(gaussian_delta(gaussians(2, 1), 1) - .00682959498311) < 1e-12);
    CHECK(std::fabs(gaussian_delta(gaussians(10, 1), 0.5) / 6.85658245584e-9 - 1) < 1e-9);
    // privacy_loss_mechanism_test: mu = 1 at epsilon 0, 1, 2; three of z = sqrt 3 compose to it.
    CHECK(std::fabs(gaussian_delta(gaussians(1, 1), 0) - .38292492) < 1e-8);
    CHECK(std::fabs(gaussian_delta(gaussians(1, 1), 2) - .020923636) < 1e-9);
    CHECK(std::fabs(gaussian_delta(gaussians(std::sqrt(3.0), 3), 1) - 0.126936) < 1e-6);
    CHECK(gaussian_mu(gaussians(4, 16)) == doctest::Approx(1).epsilon(1e-11));
  }

  TEST_CASE("the analytic standard deviations give their delta") {
    const struct {
      double epsilon, delta, sigma;
    } rows[] = {{1, 1e-5, 3.7306316348},
                {1, 1e-6, 4.2246788893},
                {0.5, 1e-5, 7.0318266756},
                {std::log(3.0), 1e-7, 4.2832085905}};
    for (const auto& row : rows) {
      CAPTURE(row.sigma);
      CHECK(std::fabs(gaussian_delta(gaussians(row.sigma, 1), row.epsilon) / row.delta - 1) < 1e-7);
      CHECK(std::fabs(gaussian_epsilon(gaussians(row.sigma, 1), delta_units(row.delta)) -
                      row.epsilon) < 1e-8);
      // The classic sqrt(2 ln(1.25 / delta)) / epsilon is wider.
      CHECK(std::sqrt(2 * std::log(1.25 / row.delta)) / row.epsilon > row.sigma);
    }
  }

  TEST_CASE("composed Gaussians cost what privacy loss distributions say") {
    const struct {
      double z, times, delta, epsilon, concentrated;
    } rows[] = {{1, 1, 1e-5, 4.37717810, 4.72838698},    {1, 10, 1e-5, 17.85658683, 19.04725955},
                {4, 16, 1e-6, 4.88655412, 5.22153444},   {8, 64, 1e-6, 4.88655412, 5.22153444},
                {10, 100, 1e-6, 4.88655412, 5.22153444}, {20, 1000, 1e-6, 8.30622505, 8.84588935},
                {50, 1000, 1e-8, 3.49125503, 3.68552778}};
    for (const auto& row : rows) {
      CAPTURE(row.z);
      CAPTURE(row.times);
      const double epsilon = gaussian_epsilon(gaussians(row.z, row.times), delta_units(row.delta));
      CHECK(std::fabs(epsilon - row.epsilon) < 2e-8);
      // Never above what every mechanism of that rho is bounded by; 5 to 8 % below it here.
      CHECK(epsilon < row.concentrated * 0.95);
      CHECK(epsilon > row.concentrated * 0.92);
    }
  }

  TEST_CASE("the Gaussian figure is never above the one for all mechanisms and grows with rho") {
    for (const double delta : {0.2, 1e-3, 1e-6, 1e-12}) {
      double before = 0;
      for (std::uint64_t units = 1; units < (std::uint64_t{1} << 47); units += 1 + units / 3) {
        CAPTURE(units);
        CAPTURE(delta);
        const double epsilon = gaussian_epsilon({units}, delta_units(delta));
        CHECK(std::isfinite(epsilon));
        CHECK(epsilon <= epsilon_of({units}, delta_units(delta)));
        CHECK(epsilon >= before);
        before = epsilon;
      }
    }
    CHECK(gaussian_epsilon({0}, {1}) == 0);
    CHECK(gaussian_delta({0}, 0) == 0);
    CHECK(std::isinf(gaussian_epsilon({1}, {0})));
  }

  TEST_CASE("a policy that is kept up is shown by block and week and year") {
    const DeltaUnits delta = delta_units(1e-6);
    const Duration day{std::int64_t{24} * 3'600 * 1'000'000'000};
    const RhoUnits cap = *rho_cap_of(1, delta);
    const KeptUpEpsilon daily = kept_up_epsilon(cap, delta, day);
    CHECK(std::fabs(daily.block - 1) < 1e-9);
    CHECK(std::fabs(daily.week - 2.87) < 0.005);
    CHECK(std::fabs(daily.year - 29.8) < 0.05);
    const KeptUpEpsilon hourly = kept_up_epsilon(cap, delta, {day.ns / 24});
    CHECK(std::fabs(hourly.week - epsilon_of({cap.units * 168}, delta)) < 1e-12);
    const KeptUpEpsilon weekly = kept_up_epsilon(cap, delta, day * 7);
    CHECK(weekly.week == weekly.block);
    CHECK(std::fabs(weekly.year - epsilon_of({cap.units * 53}, delta)) < 1e-12);
    const KeptUpEpsilon lifetime = kept_up_epsilon(cap, delta, {0});
    CHECK(lifetime.block == lifetime.week);
    CHECK(lifetime.block == lifetime.year);
    // Amounts that cannot be added up are shown as the most that can be counted.
    CHECK(std::isfinite(kept_up_epsilon({UINT64_MAX}, delta, {1}).year));
  }

  TEST_CASE("a day's budget is as many counts as the documents say") {
    // (1, 1e-6) a day: 24 hourly counts at sigma 22.2, or 121 counts at sigma 50.
    const double rho = to_double(*rho_cap_of(1, delta_units(1e-6)));
    CHECK(24 / (2 * 22.2 * 22.2) < rho);
    CHECK(24 / (2 * 22.1 * 22.1) > rho);
    CHECK(std::floor(rho * 2 * 50 * 50) == 121);
  }

  TEST_CASE("no guess beats the bound and the best one against Gaussian noise comes close to it") {
    // Telling N(0, 1) from N(mu, 1) at even odds succeeds Phi(mu / 2) times at best.
    for (double rho = 1e-4; rho < 60; rho *= 1.3) {
      CAPTURE(rho);
      const double best = std::erfc(-std::sqrt(2 * rho) / 2 / std::sqrt(2.0)) / 2;
      const double most = right_guesses_most(rho_units(rho), delta_units(1e-6));
      CHECK(best <= most);
      CHECK(most <= 1);
      if (rho < 0.1) CHECK(most - 0.5 < 1.3 * (best - 0.5));
      // The control: half of it is beaten.
      CHECK(best > 0.5 + (most - 0.5) / 2);
    }
    CHECK(right_guesses_most({0}, delta_units(1e-6)) == 0.5);
    // Epsilon 1 at 1e-6: 55.6 in 100, where e to 1 (pure epsilon 1) would say 73.1.
    CHECK(right_guesses_most({26'779'672'616}, delta_units(1e-6)) ==
          doctest::Approx(0.55518).epsilon(1e-4));
  }
}
