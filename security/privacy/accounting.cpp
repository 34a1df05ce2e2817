#include "security/privacy/accounting.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "security/privacy/rho.h"

namespace entente::security {
namespace {

long double phi(long double z) {
  return std::erfc(-z / std::sqrt(2.0L)) / 2;
}

long double delta_at(long double mu, long double epsilon) {
  const long double far = phi(-mu / 2 - epsilon / mu);
  const long double scaled = far > 0 ? std::exp(epsilon + std::log(far)) : 0;
  return std::max(phi(mu / 2 - epsilon / mu) - scaled, 0.0L);
}

RhoUnits times(RhoUnits rho, std::uint64_t n) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(rho.units, n, &product)) return {UINT64_MAX};
  return {product};
}

}  // namespace

double gaussian_mu(RhoUnits rho) {
  return std::sqrt(2 * to_double(rho));
}

double gaussian_delta(RhoUnits rho, double epsilon) {
  if (rho.units == 0) return 0;
  return static_cast<double>(delta_at(gaussian_mu(rho), epsilon));
}

double gaussian_epsilon(RhoUnits rho, DeltaUnits delta) {
  if (rho.units == 0) return 0;
  if (delta.units == 0) return std::numeric_limits<double>::infinity();
  const long double mu = gaussian_mu(rho), target = to_double(delta);
  // What holds for every mechanism of that rho holds for this one.
  long double low = 0, high = epsilon_of(rho, delta);
  if (delta_at(mu, 0) <= target) return 0;
  for (int i = 0; i < 200 && high - low > high * 0x1p-60L; ++i) {
    const long double middle = low + (high - low) / 2;
    (delta_at(mu, middle) > target ? low : high) = middle;
  }
  return static_cast<double>(high);
}

double right_guesses_most(RhoUnits rho, DeltaUnits delta) {
  const double r = to_double(rho);
  const double pinsker = std::sqrt(r / 2), huber = std::sqrt(-std::expm1(-r));
  double most = (1 + std::min(pinsker, huber)) / 2;
  if (delta.units > 0) {
    const double epsilon = epsilon_of(rho, delta);
    // e^epsilon + delta over 1 + e^epsilon, without overflow.
    const double small = std::exp(-epsilon);
    most = std::min(most, (1 + to_double(delta) * small) / (1 + small));
  }
  return std::min(most, 1.0);
}

KeptUpEpsilon kept_up_epsilon(RhoUnits cap, DeltaUnits delta, Duration block) {
  const auto over = [&](std::int64_t days) {
    const std::int64_t length = days * 24 * 3'600 * 1'000'000'000;
    const std::int64_t blocks = block.ns <= 0 ? 1 : (length - 1) / block.ns + 1;
    return epsilon_of(times(cap, static_cast<std::uint64_t>(blocks)), delta);
  };
  return {epsilon_of(cap, delta), over(7), over(365)};
}

}  // namespace entente::security
