// The rule by which the ledger admits a charge: a filter in integers, for one scope, of rho (zCDP)
// and beside it of delta, which thresholding spends: a domain promises epsilon at its delta plus
// what was spent of this account.
//
// A scope is the whole site (the guarantee) or one partner (a quota inside it); a charge must pass
// both. Filters of this kind are valid for adaptively chosen and concurrent questions, and lossless
// (privacy.md 2.7). Threads: any; pure: the store keeps the amounts.
#pragma once

#include <vector>

#include "schemas/agreement.h"
#include "schemas/answer.h"

namespace entente::security {

struct Account {
  RhoUnits cap;                              // of each block
  std::vector<BlockAmount> spent;            // the blocks a charge is about, in its order
  DeltaUnits delta_cap = {};                 // of each block
  std::vector<DeltaUnits> delta_spent = {};  // of the same blocks; empty = nothing was spent
};

// Admits iff spent + charge <= cap on every block, in rho and, with `delta` charged to each, in
// delta; a delta of 0 needs no room. `charges` and `account.spent` name the same blocks in the same
// order (a bug otherwise). Refuses: budget_exhausted, naming the first block without room, what is
// asked and what is left; then nothing may be charged to any.
[[nodiscard]] Outcome admit(const Account& account, const std::vector<BlockAmount>& charges,
                            DeltaUnits delta = {});

// cap - spent for each block, 0 where overspent.
std::vector<BlockAmount> left_of(const Account& account);
// The least of delta_cap - delta_spent over the blocks, 0 where overspent.
DeltaUnits delta_left_of(const Account& account);

}  // namespace entente::security
