// What amounts of the ledger mean to people: epsilon over longer times, and the tighter figure for
// charges that were all Gaussian.
//
// Reporting only; what is admitted is decided in rho (ledger.h). A cap that is used up in every
// block, week after week, adds up in rho, and the sum is converted once (rho.h). In doubles.
// Threads: any; pure.
#pragma once

#include "schemas/agreement.h"
#include "schemas/base/time.h"

namespace entente::security {

// mu of Gaussian differential privacy that rho of Gaussian charges amounts to: sqrt(2 rho).
// Source: Dong, Roth, Su, "Gaussian Differential Privacy" (2022).
double gaussian_mu(RhoUnits rho);
// The exact delta at epsilon >= 0: Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu). Balle, Wang,
// "Improving the Gaussian Mechanism" (2018), theorem 8. For continuous noise: discrete noise of a
// standard deviation of 2^10 steps, as every release has, differs by nothing that is printed; of a
// standard deviation of one step it has 11 % more delta. So: label it "Gaussian-only", never
// decide by it.
double gaussian_delta(RhoUnits rho, double epsilon);
// The least epsilon at that delta; 0 for no rho, infinite for a delta of 0. 6 to 8 % below
// epsilon_of for usual amounts.
double gaussian_epsilon(RhoUnits rho, DeltaUnits delta);

// How often somebody is right at most who is shown what `rho` was charged for, knows all the rest,
// and guesses at even odds which of two things one unit did: from 1/2 to 1. That is what a test of
// hypotheses can reach: (1 + the total variation distance) / 2, of which three bounds hold, and the
// least is given. Every mechanism of rho has a Kullback-Leibler divergence of rho at most (Bun,
// Steinke, "Concentrated Differential Privacy" (2016), definition 1.1 for alpha to 1), so a
// distance of sqrt(rho / 2) at most (Pinsker) and of sqrt(1 - exp(-rho)) (Bretagnolle, Huber
// (1979)). And where epsilon holds at delta, the two kinds of error of any test add up to
// 2 (1 - delta) / (1 + e^epsilon) at least (Wasserman, Zhou (2010); Kairouz, Oh, Viswanath (2015),
// theorem 2.1), so it is right (e^epsilon + delta) / (1 + e^epsilon) times at most.
double right_guesses_most(RhoUnits rho, DeltaUnits delta);

// Epsilon of one unit whose blocks are all spent to `cap`.
struct KeptUpEpsilon {
  double block = 0;
  double week = 0;  // of seven days
  double year = 0;  // of 365 days
};
// A block length of zero is the lifetime: one block for all time. Otherwise a week and a year have
// as many blocks as cover them, one at least.
KeptUpEpsilon kept_up_epsilon(RhoUnits cap, DeltaUnits delta, Duration block);

}  // namespace entente::security
