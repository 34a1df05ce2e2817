// Feeds as the JSON of /api/v1/feeds.
#pragma once

#include <boost/json/value.hpp>
#include <map>
#include <string>
#include <vector>

#include "federation/ask/asker.h"
#include "federation/feed/feed_plan.h"
#include "node/store/feed_ledger.h"
#include "node/store/feed_shelf.h"

namespace entente::node {

// What a start costs and gives: charge, mechanisms with their expected errors, ticks.
boost::json::object feed_preview_json(const federation::PlannedFeed& planned,
                                      const federation::AskTarget& target);

boost::json::object followed_json(const FollowedFeed& feed, const FeedTerms& terms,
                                  const std::string& organisation);
boost::json::object given_json(const federation::FeedRecord& record,
                               const std::string& organisation);

// The series of a followed feed as it is at `now`: every tick that is here or due, and the next
// one, each with its state: released, filling (a sliding window that is not full yet), late,
// waiting, missing (the feed ended before it). Refuses what does not read: store_failed.
struct SeriesView {
  const FollowedFeed& feed;
  const federation::FeedPlan& plan;
  const ExportView& view;
  Instant now;
};
[[nodiscard]] Result<boost::json::object> series_json(const SeriesView& of,
                                                      const std::vector<FollowedTick>& ticks);

}  // namespace entente::node
