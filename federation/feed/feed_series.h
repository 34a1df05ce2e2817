// The receiver's half of a feed: from the releases of its first ticks to figures with their error.
//
// Post-processing only. repeat: each tick's rows as of any answer. sliding and cumulative: sums
// over the latest or all ticks, put together from buckets, from the fewest dyadic nodes, or by the
// Toeplitz decoder; a total over groups besides where there are several. Threads: any; pure.
#pragma once

#include <vector>

#include "federation/feed/feed_price.h"
#include "federation/query/estimate.h"

namespace entente::federation {

// What one member is asked by a feed, as the asker planned it.
struct FeedPlan {
  Plan plan;  // of the first tick, one member
  FeedTerms terms;
  FeedPrice price;
};

// Whether a release can be the tick of this feed: hash, coordinates, number and place of cells.
[[nodiscard]] Outcome check_tick(const FeedPlan& feed, const ExportView& view,
                                 std::uint32_t sequence, const Release& release);

// `releases[t]` is tick t, checked; rows[t] is empty where there is no figure yet (a sliding feed
// before its first whole window). Rows of one tick as merge_rows gives them.
[[nodiscard]] Result<std::vector<std::vector<AnswerRow>>> feed_series(
    const FeedPlan& feed, const ExportView& view, const std::vector<Release>& releases);

// What a tick's release names as its question.
Hash256 tick_hash(ByteView canonical_terms, std::uint32_t sequence);

// The expected half width of the 95 % range of each item in the worst figure of the feed, from
// declared sizes alone; groups and total as expected_errors gives them.
std::vector<ExpectedError> expected_feed_errors(const FeedPlan& feed, const ExportView& view);

}  // namespace entente::federation
