// Blocks of event time: what a charge is booked on, and how often a question touches each.
//
// A cell inside one block changes by at most its sensitivity when a unit's block is removed; a cell
// that straddles blocks *changes* instead of losing a term, which doubles the sensitivity and costs
// four times (privacy.md 2.3). So a block with T1 ticks inside and T+ straddling weighs T1 + 4 T+.
// Threads: any; pure.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "schemas/base/time.h"

namespace entente::security {

// The beginning of the only block of a domain whose blocks are its lifetime.
inline constexpr Instant kLifetimeBlock{INT64_MIN};

struct BlockWeight {
  Instant start;
  std::uint64_t weight = 0;
};

// The blocks that `ticks` (ascending, not overlapping) touch, ascending. `block` zero = lifetime.
// Cells partition units by public keys, so a unit is in one group only and groups do not enter.
// Refuses: shape_refused (more than limits::kBlocks); invalid_argument (a zone that this machine
// does not know, blocks that have no boundaries in it: a partner's description may name either).
[[nodiscard]] Result<std::vector<BlockWeight>> weigh_blocks(const std::vector<TimeWindow>& ticks,
                                                            Duration block, std::string_view zone);

}  // namespace entente::security
