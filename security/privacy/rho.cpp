#include "security/privacy/rho.h"

#include <cmath>

namespace entente::security {
namespace {

constexpr long double kRhoUnit = 0x1p-40L;
constexpr long double kDeltaUnit = 0x1p-60L;
constexpr double kEpsilonMost = 1'000;

struct Bound {
  long double epsilon = 0;
  long double alpha = 1;  // where the minimum is; also d epsilon / d rho
};

// The bound of Proposition 12 at its stationary point, the root of g(a) = rho (a - 1)^2 + ln(a delta),
// which grows with a: Newton's method from above, kept inside a bracket by bisection.
Bound bound_at(long double rho, long double delta) {
  if (rho <= 0) return {};
  long double low = 1, high = std::min(1 / delta, 1 + std::sqrt(-std::log(delta) / rho));
  long double a = high;
  for (int i = 0; i < 100; ++i) {
    const long double g = rho * (a - 1) * (a - 1) + std::log(a * delta);
    (g > 0 ? high : low) = a;
    long double next = a - g / (2 * rho * (a - 1) + 1 / a);
    if (!(next > low && next < high)) next = low + (high - low) / 2;
    if (next == a || next == low || next == high) break;
    a = next;
  }
  const long double epsilon = a * rho - std::log(a * delta) / (a - 1) + std::log1p(-1 / a);
  return {std::max(epsilon, 0.0L), a};
}

Error refused(const std::string& what) { return make_error(ErrorCode::epsilon_refused, what); }

// The rho whose bound is exactly `epsilon`, to the last bit of a long double.
Result<long double> exact_rho(double epsilon, DeltaUnits delta) {
  if (!std::isfinite(epsilon) || epsilon <= 0 || epsilon > kEpsilonMost) {
    return refused("epsilon must be above 0 and at most 1000");
  }
  if (delta.units == 0) return refused("delta must be above 0");
  // epsilon(rho) is concave with slope alpha: Newton's method from the left never overshoots.
  const long double d = delta.units * kDeltaUnit;
  long double rho = static_cast<long double>(epsilon) * epsilon / (4 * (epsilon - 2 * std::log(d)));
  for (int i = 0; i < 100; ++i) {
    const Bound bound = bound_at(rho, d);
    const long double step = (epsilon - bound.epsilon) / bound.alpha;
    rho += step;
    if (std::fabs(step) <= rho * 0x1p-60L) break;
  }
  return rho;
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
  return static_cast<double>(
      bound_at(rho.units * kRhoUnit, delta.units * kDeltaUnit).epsilon);
}

Result<RhoUnits> add(RhoUnits a, RhoUnits b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a.units, b.units, &sum)) {
    return make_error(ErrorCode::budget_exhausted, "the amounts add up beyond what can be counted");
  }
  return RhoUnits{sum};
}

}  // namespace entente::security
