#include "security/privacy/rho.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace entente::security {
namespace {

constexpr long double kRhoUnit = 0x1p-40L;
constexpr long double kDeltaUnit = 0x1p-60L;
constexpr double kEpsilonMost = 1'000;

// An epsilon and the order at which the bound gives it, which is also its slope over rho.
struct Bound {
  long double epsilon = 0;
  long double order = 0;
};

// Proposition 12 at its stationary point, rho (a - 1)^2 = -ln(a delta): the left side grows with a,
// the right side falls, so Newton's method within a shrinking bracket finds the crossing in a few
// steps. Beyond a = 1 / delta there is none. Every order is a valid bound, so a crossing that is
// missed by a rounding errs upwards. May be below zero for a large delta.
Bound bound_at(long double rho, long double delta) {
  long double low = 1, high = 1 / delta;
  long double a = std::min(1 + std::sqrt(-std::log(delta) / rho), low + (high - low) / 2);
  for (int i = 0; i < 200; ++i) {
    const long double excess = rho * (a - 1) * (a - 1) + std::log(a * delta);
    (excess < 0 ? low : high) = a;
    const long double next = a - excess / (2 * rho * (a - 1) + 1 / a);
    const long double inside = next > low && next < high ? next : low + (high - low) / 2;
    if (std::fabs(inside - a) <= a * 0x1p-62L) break;
    a = inside;
  }
  return {a * rho - std::log(a * delta) / (a - 1) + std::log1p(-1 / a), a};
}

long double epsilon_at(long double rho, long double delta) {
  return rho <= 0 ? 0 : std::max(bound_at(rho, delta).epsilon, 0.0L);
}

Error refused(const std::string& what) {
  return make_error(ErrorCode::epsilon_refused, what);
}

// The most units whose bound is at most `epsilon`; 0 when a single unit gives more.
Result<std::uint64_t> most_units(double epsilon, DeltaUnits delta) {
  if (!std::isfinite(epsilon) || epsilon <= 0 || epsilon > kEpsilonMost) {
    return refused("epsilon must be above 0 and at most 1000");
  }
  if (delta.units == 0) return refused("delta must be above 0");
  const long double d = delta.units * kDeltaUnit;
  // The bound is the least of many lines, so it is concave: Newton's method from the left stays
  // there. The simpler rho + 2 sqrt(rho ln(1/delta)) = epsilon begins left of it.
  const long double log = -std::log(d);
  const long double root = std::sqrt(log + epsilon) - std::sqrt(log);
  long double rho = std::max(root * root, kRhoUnit);
  for (int i = 0; i < 100; ++i) {
    const Bound bound = bound_at(rho, d);
    const long double step = (epsilon - bound.epsilon) / bound.order;
    if (step < rho * 0x1p-60L) break;
    rho += step;
  }
  // What counts is the comparison at whole units.
  auto units = static_cast<std::uint64_t>(std::floor(rho / kRhoUnit));
  while (units > 0 && epsilon_at(units * kRhoUnit, d) > epsilon) --units;
  while (epsilon_at((units + 1) * kRhoUnit, d) <= epsilon) ++units;
  return units;
}

}  // namespace

Result<DeltaUnits> delta_of(double delta) {
  if (!std::isfinite(delta) || delta <= 0 || delta > 0.25) {
    return refused("delta must be above 0 and at most 0.25");
  }
  const auto units = static_cast<std::uint64_t>(std::floor(delta / kDeltaUnit));
  if (units == 0) return refused("delta is too small to count");
  return DeltaUnits{units};
}

double to_double(DeltaUnits delta) {
  return static_cast<double>(delta.units * kDeltaUnit);
}
double to_double(RhoUnits rho) {
  return static_cast<double>(rho.units * kRhoUnit);
}

Result<RhoUnits> rho_cap_of(double epsilon, DeltaUnits delta) {
  auto units = most_units(epsilon, delta);
  if (!units) return std::move(units).error();
  if (*units == 0) return refused("epsilon is too small to count");
  return RhoUnits{*units};
}

Result<RhoUnits> rho_cost_of(double epsilon, DeltaUnits delta) {
  auto units = most_units(epsilon, delta);
  if (!units) return std::move(units).error();
  // No epsilon is met by a whole number of units exactly, so the next one is the least above.
  return RhoUnits{*units + 1};
}

double epsilon_of(RhoUnits rho, DeltaUnits delta) {
  if (rho.units == 0) return 0;
  if (delta.units == 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(epsilon_at(rho.units * kRhoUnit, delta.units * kDeltaUnit));
}

Result<RhoUnits> add(RhoUnits a, RhoUnits b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a.units, b.units, &sum)) {
    return make_error(ErrorCode::budget_exhausted, "the amounts add up beyond what can be counted");
  }
  return RhoUnits{sum};
}

}  // namespace entente::security
