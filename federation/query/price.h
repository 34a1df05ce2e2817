// What a question costs at one site, from public constants only: checked before anything is read.
#pragma once

#include <optional>
#include <vector>

#include "federation/query/statistics.h"
#include "schemas/answer.h"

namespace entente::federation {

// By which integers a group of private keys is named (security/privacy/threshold.h,
// privacy.md 2.6): it must have units_least units, and their noisy number reach the threshold. That
// counts from units_least - 1, as if that many units were no units: each group that a unit alone
// lifts to units_least stays unnamed as surely as one that it alone inhabits.
struct NamingRule {
  std::size_t integer = 0;       // of a cell: its noisy number of members
  std::int64_t exact_least = 0;  // of that integer without noise, in steps
  std::int64_t noisy_least = 0;  // with noise
};

struct Price {
  std::vector<BlockAmount> charges;     // every block the window touches, ascending
  std::vector<Statistic> statistics;    // what the release will state
  std::vector<StatisticLayout> layout;  // the same coordinates with how they are computed
  DeltaUnits delta = {};                // of each of these blocks; 0 without private keys
  std::optional<NamingRule> naming = {};
  std::uint32_t groups_touched = 1;  // by one unit in a tick (contribution.h)
};

// The block touched most is charged exactly rho_per_block, the others their share, rounded up. What
// counts members (count(*), and every question by private keys) is charged to the domain's lifetime
// besides, since membership has no date. Refuses as lay_out does, and what would be too long
// (shape_refused); threshold_of's refusals.
[[nodiscard]] Result<Price> price_of(const Question& question, const ExportView& view);

// What the canonical bytes of a release come to, at most; more than limits::kReleaseBytes are
// refused (shape_refused) by price_of.
std::size_t release_bytes(const Question& question, std::size_t statistics, std::size_t integers,
                          std::size_t blocks);

}  // namespace entente::federation
