// What a question costs at one site, from public constants only: checked before anything is read.
#pragma once

#include <vector>

#include "federation/query/statistics.h"
#include "schemas/answer.h"

namespace entente::federation {

struct Price {
  std::vector<BlockAmount> charges;     // every block the window touches, ascending
  std::vector<Statistic> statistics;    // what the release will state
  std::vector<StatisticLayout> layout;  // the same coordinates with how they are computed
};

// The block touched most is charged exactly rho_per_block, the others their share, rounded up. What
// counts members (count(*)) is charged to the domain's lifetime besides, since membership has no
// date. Refuses as lay_out does, and
// what would be too long (shape_refused).
[[nodiscard]] Result<Price> price_of(const Question& question, const ExportView& view);

// What the canonical bytes of a release come to, at most; more than limits::kReleaseBytes are
// refused (shape_refused) by price_of.
std::size_t release_bytes(const Question& question, std::size_t statistics, std::size_t integers,
                          std::size_t blocks);

}  // namespace entente::federation
