// Feeds that this site follows: started, pulled tick by tick as they fall due, kept, shown.
//
// A feed is followed at one partner's export; composites come later (federation/feed/README.md).
// Pulling is in order, one tick after the other, and a tick is kept before the next is asked for,
// so that a restart goes on where it was. Only verified releases are kept. Threads: loop.
#pragma once

#include <kj/async.h>

#include <boost/json/value.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "federation/feed/feed_caller.h"
#include "federation/feed/feed_plan.h"
#include "federation/link/workers.h"
#include "node/store/feed_ledger.h"
#include "node/store/feed_shelf.h"

namespace entente::node {

struct FeedRequest {
  std::string question;
  Duration horizon;
  federation::FeedWish wish;  // kind and window
  std::optional<std::string> purpose;
  std::optional<Duration> timeout;
  bool preview = false;
};

class FeedService final : public kj::TaskSet::ErrorHandler {
 public:
  struct Parts {
    federation::Loop& loop;
    federation::Workers& workers;
    const Clock& clock;
    Random& random;
    federation::FeedCaller& caller;
    FeedShelf& shelf;
    const FeedLedger& given;
    federation::SnapshotSource site;
    double default_epsilon;
    Duration default_timeout;
  };
  using Reply = kj::Promise<Result<boost::json::value>>;

  explicit FeedService(Parts parts)
      : parts_(std::move(parts)), tasks_(kj::heap<kj::TaskSet>(*this)) {}

  // The JSON of POST /api/v1/feeds. Refuses: what parse_question, find_target, plan_feed and the
  // partner refuse; query_unsupported (system twins, own exports, twins OF).
  Reply start(FeedRequest request);
  Reply list();
  // With the series so far. Refuses: not_found, conflict (the digits fit several).
  Reply show(const std::string& digits);
  // What is due and not here yet, up to limits::kPullsAtOnce ticks. Refuses besides: what stopped
  // it, when not one tick came and something is due.
  Reply pull(const std::string& digits);
  Reply cancel(const std::string& digits, bool dry_run);

  // Each second: pulls what may be due, one feed after the other.
  void tend();
  // Lets go of what is under way; workers may still be at it until they are stopped.
  void stop() { tasks_ = nullptr; }

 private:
  struct Followed;  // a feed as planned, with the agreement it was planned under
  struct Pulling;
  struct Started;
  using SharedPlan = std::shared_ptr<const Followed>;
  static Result<SharedPlan> read_plan(const FollowedFeed& feed);  // on a worker
  kj::Promise<Result<SharedPlan>> plan_of(const QueryId& id);
  Result<federation::AskTarget> target_of(const Followed& followed) const;
  kj::Promise<void> pull_next(std::shared_ptr<Pulling> pulling);
  kj::Promise<std::shared_ptr<Pulling>> pull_all(const QueryId& id);
  kj::Promise<void> accept(std::shared_ptr<Pulling> pulling, const federation::FeedReply& reply);
  void stopped(Pulling& pulling, ErrorCode code, std::string reason, Duration retry_after);
  Reply send_start(std::shared_ptr<Started> started);
  Reply shown(const QueryId& id, std::size_t pulled);

  void taskFailed(kj::Exception&& fault) override;

  Parts parts_;
  std::map<QueryId, SharedPlan> plans_;
  std::map<QueryId, Instant> next_try_;
  std::map<QueryId, std::string> last_error_;
  std::set<QueryId> busy_;
  kj::Own<kj::TaskSet> tasks_;  // null once stopped
};

}  // namespace entente::node
