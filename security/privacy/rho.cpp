#include "security/privacy/rho.h"

#include <cmath>

namespace entente::security {
namespace {

constexpr long double kRhoUnit = 0x1p-40L;
constexpr long double kDeltaUnit = 0x1p-60L;
constexpr double kEpsilonMost = 1'000;

// The bound of Proposition 12 at its stationary point, rho (a - 1)^2 = -ln(a delta), found by
// bisection: the left side grows with a, the right side falls. Beyond a = 1/delta there is none.
long double epsilon_at(long double rho, long double delta) {
  if (rho <= 0) return 0;
  long double low = 1, high = 1 / delta;
  for (int i = 0; i < 200; ++i) {
    const long double a = low + (high - low) / 2;
    (rho * (a - 1) * (a - 1) < -std::log(a * delta) ? low : high) = a;
  }
  const long double a = low + (high - low) / 2;
  const long double epsilon =
      a * rho + (-std::log(a * delta)) / (a - 1) + std::log1p(-1 / a);
  return std::max(epsilon, 0.0L);
}

Error refused(const std::string& what) { return make_error(ErrorCode::epsilon_refused, what); }

// The rho whose bound is exactly `epsilon`, to the last bit of a long double.
Result<long double> exact_rho(double epsilon, DeltaUnits delta) {
  if (!std::isfinite(epsilon) || epsilon <= 0 || epsilon > kEpsilonMost) {
    return refused("epsilon must be above 0 and at most 1000");
  }
  if (delta.units == 0) return refused("delta must be above 0");
  const long double d = delta.units * kDeltaUnit;
  long double low = 0, high = epsilon;  // a rho of epsilon gives more than epsilon
  for (int i = 0; i < 200; ++i) {
    const long double rho = low + (high - low) / 2;
    (epsilon_at(rho, d) <= epsilon ? low : high) = rho;
  }
  return low;
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

double to_double(DeltaUnits delta) { return static_cast<double>(delta.units * kDeltaUnit); }
double to_double(RhoUnits rho) { return static_cast<double>(rho.units * kRhoUnit); }

Result<RhoUnits> rho_cap_of(double epsilon, DeltaUnits delta) {
  auto rho = exact_rho(epsilon, delta);
  if (!rho) return std::move(rho).error();
  const auto units = static_cast<std::uint64_t>(std::floor(*rho / kRhoUnit));
  if (units == 0) return refused("epsilon is too small to count");
  return RhoUnits{units};
}

Result<RhoUnits> rho_cost_of(double epsilon, DeltaUnits delta) {
  auto rho = exact_rho(epsilon, delta);
  if (!rho) return std::move(rho).error();
  return RhoUnits{static_cast<std::uint64_t>(std::ceil(*rho / kRhoUnit))};
}

double epsilon_of(RhoUnits rho, DeltaUnits delta) {
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
