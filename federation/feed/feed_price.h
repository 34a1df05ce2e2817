// What a feed releases tick by tick, and what its whole horizon costs: from public constants only.
//
// A tick is one window of the question; ticks follow one another without a gap. Three mechanisms
// (privacy.md 2.9), with k_b the ticks that touch block b:
//   buckets   each tick is a question of its own, at the rho that lets the block with the most
//             ticks pay the terms' rho_per_block; its noise is what `price_of` makes it
//   dyadic    the nodes that end with the tick, levels 0 to L (security/privacy/dyadic.h); a block
//             pays f_b dyadic_weight(k_b, L) shares
//   toeplitz  y_t of the square-root mechanism (security/privacy/toeplitz.h); a block pays
//             f_b |C 1_k|^2 shares
// f_b is 4 where a tick straddles blocks, which changes a value instead of removing it, else 1.
// One variance serves all ticks: the block with the most shares pays exactly rho_per_block, the
// others theirs, rounded up. The k statistics of a question share a charge equally, as always, and
// a unit that may be counted in G groups costs G times as much. Private group keys are refused.
// Dyadic nodes and Toeplitz sums need values that add up over ticks: sum of the reducers sum, delta
// and duration, and count(condition), which then counts unit-ticks. Threads: any; pure.
#pragma once

#include <vector>

#include "federation/query/price.h"
#include "schemas/feed.h"

namespace entente::federation {

struct FeedPrice {
  std::vector<TimeWindow> ticks;
  std::vector<BlockAmount> charges;  // of the whole horizon, ascending; at most limits::kBlocks
  std::uint64_t tick_rho = 0;        // buckets: the rho_per_block of each tick's question
  Price tick;                        // the coordinates of one tick; of buckets the first one's
  int level_most = 0;                // dyadic
};

// The feed's windows. In a zone whose ticks are local days, days follow one another whatever their
// length. Refuses: shape_refused (boundaries that are none of the export's ticks: clocks change).
[[nodiscard]] Result<std::vector<TimeWindow>> feed_ticks(const FeedTerms& terms,
                                                         const ExportView& view);

// Refuses as price_of and feed_ticks do; shape_refused (items that do not add up over ticks, sums
// that could overflow, too many blocks); epsilon_refused (noise that cannot be drawn).
[[nodiscard]] Result<FeedPrice> price_feed(const FeedTerms& terms, const ExportView& view);

// The question that a tick of the mechanism `buckets` is.
Question tick_question(const FeedTerms& terms, const FeedPrice& price, std::uint32_t sequence);

// Whether the items add up over ticks, as sliding and cumulative feeds need. Refuses:
// shape_refused.
[[nodiscard]] Outcome check_additive(const Question& question);

// The overflow condition again, for the units that there are. Refuses: shape_refused.
[[nodiscard]] Outcome check_sums(const FeedTerms& terms, const FeedPrice& price,
                                 std::uint64_t units);

// By how much the variance of one released integer is multiplied in the worst figure of the feed:
// 1 for repeat; the sum of buckets or nodes, or the decoder's variance.
double worst_factor(const FeedTerms& terms, const FeedPrice& price);

// When a tick may be released: its end plus the lateness that the export allows.
Instant due_at(const FeedPrice& price, const ExportView& view, std::uint32_t sequence);

}  // namespace entente::federation
