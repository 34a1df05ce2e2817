// The currency of the ledger: zero-concentrated differential privacy in integers.
//
// rho counts 2^-40, delta 2^-60, both unsigned 64-bit, so that nothing is lost to rounding, costs
// add exactly and a comparison means what it says. Epsilon is for people: it is turned into rho
// once, rounded up when it is a cost and down when it is a cap, and never added or subtracted.
// Source: Canonne, Kamath, Steinke (2020), Proposition 12: a rho-zCDP mechanism is (eps, delta)-DP
// with
//   eps = min over a > 1 of  a rho + ln(1 / (a delta)) / (a - 1) + ln(1 - 1/a).
// Threads: any; pure.
#pragma once

#include "schemas/agreement.h"
#include "schemas/base/result.h"

namespace entente::security {

// 0 < delta <= 1/4, rounded down. Refuses: epsilon_refused.
[[nodiscard]] Result<DeltaUnits> delta_of(double delta);
double to_double(DeltaUnits delta);
double to_double(RhoUnits rho);

// The largest rho that still is (epsilon, delta)-DP: for caps and quotas.
// Refuses (epsilon_refused): not finite, not above 0, above 1,000, or below one unit of rho.
[[nodiscard]] Result<RhoUnits> rho_cap_of(double epsilon, DeltaUnits delta);
// The least number of units at or above that rho: for costs.
[[nodiscard]] Result<RhoUnits> rho_cost_of(double epsilon, DeltaUnits delta);

// What people are shown for an amount: the least epsilon at this delta. 0 for no rho,
// infinite for a delta of 0.
double epsilon_of(RhoUnits rho, DeltaUnits delta);

// Refuses (budget_exhausted) on overflow, which no cap can admit.
[[nodiscard]] Result<RhoUnits> add(RhoUnits a, RhoUnits b);

}  // namespace entente::security
