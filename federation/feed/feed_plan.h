// From a sentence to a feed's terms: which windows, which mechanism, at what price.
//
// OVER is the length of a tick; the horizon is a whole number of them. A relative window begins
// with the tick that runs now, aligned to its own length in the export's zone, so that ticks of a
// block's length are blocks; an absolute one is the first tick, which may lie in the past. The
// epsilon of the question is what the feed costs the block that it costs most. Of the mechanisms
// that serve the kind, the one with the least expected error at that price is chosen. Threads: any;
// pure, but for reading zones.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/feed/feed_series.h"
#include "federation/query/ast.h"

namespace entente::federation {

struct FeedWish {
  Duration horizon;
  FeedKind kind = FeedKind::repeat;
  Duration window = {};  // sliding: a multiple of OVER
  Instant now;
  std::optional<double> default_epsilon;
};

// One mechanism that was looked at.
struct FeedChoice {
  FeedMechanism mechanism = FeedMechanism::buckets;
  std::optional<double> error95;  // of the first item in the worst figure, all groups together
  std::string refused;            // why not, otherwise
};

struct PlannedFeed {
  FeedPlan feed;
  std::vector<FeedChoice> choices;  // in the order of FeedMechanism
};

// Refuses as parse_question, plan and price_feed do; shape_refused (a horizon or window that is no
// multiple of OVER, more than kFeedTicksMost ticks).
[[nodiscard]] Result<PlannedFeed> plan_feed(const Sentence& sentence, const MemberView& member,
                                            const FeedWish& wish);

// What plan_feed made, from the terms that were agreed; for a feed that was started earlier.
[[nodiscard]] Result<FeedPlan> replan_feed(const Sentence& sentence, const MemberView& member,
                                           const FeedTerms& terms);

}  // namespace entente::federation
