// Feeds: followed at partners, and given to them.
#include <utility>

#include <boost/json.hpp>

#include "federation/link/bridge.h"
#include "node/daemon/api.h"
#include "node/daemon/feed_service.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;
using federation::to_awaitable;

awaitable<Result<Reply>> replied(Core& core, FeedService::Reply reply) {
  using Shared = std::shared_ptr<Result<json::value>>;
  auto promise = reply.then([](Result<json::value> result) {
    return std::make_shared<Result<json::value>>(std::move(result));
  });
  Shared got = co_await to_awaitable<Shared>(core.loop, kj::mv(promise));
  if (!*got) co_return std::move(*got).error();
  co_return Reply::json(**got);
}

// An optional duration of the body, above zero.
Result<std::optional<Duration>> duration_field(const Call& call, std::string_view name) {
  auto text = call.optional_text_field(name);
  if (!text) return std::move(text).error();
  if (!*text) return std::optional<Duration>();
  auto parsed = parse_duration(**text);
  if (!parsed) return std::move(parsed).error();
  if (parsed->ns <= 0) {
    return make_error(ErrorCode::invalid_argument, std::string(name) + " must be above zero");
  }
  return std::optional(*parsed);
}

Result<FeedRequest> read_request(const Call& call) {
  FeedRequest request;
  auto question = call.text_field("question");
  if (!question) return std::move(question).error();
  request.question = std::move(*question);
  auto horizon = duration_field(call, "for");
  if (!horizon) return std::move(horizon).error();
  if (!*horizon) {
    return make_error(ErrorCode::invalid_argument, "for: how long the feed goes on is missing",
                      "give a duration such as 30d");
  }
  request.horizon = **horizon;
  auto kind = call.optional_text_field("kind");
  if (!kind) return std::move(kind).error();
  const std::string word = kind->value_or("repeat");
  if (word != "repeat" && word != "sliding" && word != "cumulative") {
    return make_error(ErrorCode::invalid_argument,
                      "kind must be repeat, sliding or cumulative, not '" + word + "'");
  }
  request.wish.kind = word == "repeat"    ? FeedKind::repeat
                      : word == "sliding" ? FeedKind::sliding
                                          : FeedKind::cumulative;
  auto window = duration_field(call, "window");
  if (!window) return std::move(window).error();
  if (window->has_value() != (word == "sliding")) {
    return make_error(ErrorCode::invalid_argument,
                      "window: sliding feeds have one, others have none");
  }
  request.wish.window = window->value_or(Duration{});
  auto purpose = call.optional_text_field("purpose");
  if (!purpose) return std::move(purpose).error();
  request.purpose = *purpose;
  auto timeout = duration_field(call, "timeout");
  if (!timeout) return std::move(timeout).error();
  if (*timeout && **timeout > seconds(120)) {
    return make_error(ErrorCode::invalid_argument, "the timeout must be at most 120s");
  }
  request.timeout = *timeout;
  request.preview = call.dry_run;
  return request;
}

awaitable<Result<Reply>> start_feed(Core& core, const Call& call) {
  auto request = read_request(call);
  if (!request) co_return std::move(request).error();
  auto reply = core.feeds->start(std::move(*request));
  co_return co_await replied(core, kj::mv(reply));
}

awaitable<Result<Reply>> list_feeds(Core& core, const Call&) {
  auto reply = core.feeds->list();
  co_return co_await replied(core, kj::mv(reply));
}

awaitable<Result<Reply>> show_feed(Core& core, const Call& call) {
  auto reply = core.feeds->show(call.path.at("id"));
  co_return co_await replied(core, kj::mv(reply));
}

awaitable<Result<Reply>> pull_feed(Core& core, const Call& call) {
  const std::string id = call.path.at("id");
  auto reply = call.dry_run ? core.feeds->show(id) : core.feeds->pull(id);
  co_return co_await replied(core, kj::mv(reply));
}

awaitable<Result<Reply>> cancel_feed(Core& core, const Call& call) {
  auto reply = core.feeds->cancel(call.path.at("id"), call.dry_run);
  co_return co_await replied(core, kj::mv(reply));
}

// A new feed is about its question's target, one that runs about its own.
awaitable<Result<std::vector<Need>>> needs_of_feed(Core& core, const Call& call) {
  std::vector<std::string> questions;  // GCC 12: no list made inside a co_await expression
  if (const auto id = call.path.find("id"); id == call.path.end()) {
    auto text = call.text_field("question");
    if (!text) co_return std::move(text).error();
    questions.push_back(std::move(*text));
  } else {
    const auto feed = core.followed_feeds->named(id->second);
    if (!feed) co_return std::vector<Need>(1, Need{Verb::ask, {}});
    questions.push_back((*feed)->question);
  }
  co_return co_await needs_of_questions(core, call.subject, std::move(questions), Asking::answer);
}

}  // namespace

void add_feed_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/feeds", Verb::ask, "listFeeds",
             "Feeds that are followed at partners and given to them", BodyKind::none,
             with(list_feeds)});
  const auto add = [&](Route route) {
    route.needs = with(needs_of_feed);
    table.add(std::move(route));
  };
  add({Method::post, "/api/v1/feeds", Verb::ask, "startFeed",
       "Starts a feed, or previews its cost with ?dryRun=1", BodyKind::json, with(start_feed)});
  add({Method::get, "/api/v1/feeds/{id}", Verb::ask, "showFeed", "A followed feed with its series",
       BodyKind::none, with(show_feed)});
  add({Method::post, "/api/v1/feeds/{id}/pull", Verb::ask, "pullFeed",
       "Pulls what is due and shows the series", BodyKind::json, with(pull_feed)});
  add({Method::post, "/api/v1/feeds/{id}/cancel", Verb::ask, "cancelFeed",
       "Ends a feed; blocks that have not begun are given back", BodyKind::json,
       with(cancel_feed)});
}

}  // namespace entente::node
