#include "node/daemon/feed_service.h"

#include <algorithm>

#include "federation/query/parser.h"
#include "node/daemon/answer_json.h"
#include "node/daemon/feed_json.h"
#include "node/daemon/limits.h"
#include "schemas/base/log.h"
#include "security/privacy/blocks.h"

namespace entente::node {

namespace json = boost::json;
using namespace federation;

struct FeedService::Followed {
  FollowedFeed feed;  // as it was when this was made
  std::shared_ptr<const Agreement> agreement;
  const ExportView* view = nullptr;  // in `agreement`
  FeedPlan plan;
};

struct FeedService::Pulling {
  QueryId id;
  SharedPlan followed;
  std::size_t pulled = 0;
  bool stopped = false;
  std::optional<Error> error;  // what stopped it, but for a tick that is not due
};

// A start on its way.
struct FeedService::Started {
  FeedRequest request;
  AskTarget target;
  PlannedFeed planned;
  FollowedFeed feed;
};

namespace {

// Codes with which a partner says that a feed will not go on.
bool ends_feed(ErrorCode code) {
  return code == ErrorCode::agreement_missing || code == ErrorCode::reconcile_needed ||
         code == ErrorCode::conflict || code == ErrorCode::not_found ||
         code == ErrorCode::query_unknown_name || code == ErrorCode::shape_refused;
}

// What is known of an order that got no answer: the partner may have carried it out.
bool may_have_arrived(ErrorCode code) {
  return code == ErrorCode::deadline_exceeded || code == ErrorCode::peer_unreachable ||
         code == ErrorCode::verification_failed || code == ErrorCode::invalid_argument;
}

std::string left_text(const std::vector<BlockAmount>& left, const ExportView& view) {
  if (left.empty()) return {};
  const BlockAmount& least =
      *std::min_element(left.begin(), left.end(),
                        [](const BlockAmount& a, const BlockAmount& b) { return a.rho < b.rho; });
  const bool lifetime = least.start == security::kLifetimeBlock;
  char text[48];
  std::snprintf(text, sizeof text, "%.4g", shown_epsilon(least.rho, view.delta));
  return std::string("; epsilon ") + text + " is left in the block of " +
         (lifetime ? "its lifetime" : to_text(least.start));
}

std::string name_of(const SiteSnapshot& site, const OrgId& organisation) {
  const auto found = site.partners.find(organisation);
  return found == site.partners.end() ? organisation.short_hex() : found->second.name;
}

Result<AskTarget> target_in(const Sentence& sentence,
                            const std::shared_ptr<const SiteSnapshot>& site) {
  const auto* named = std::get_if<NamedTarget>(&sentence.target);
  const bool partner =
      named != nullptr && named->organisation && named->organisation->text != site->self_name;
  if (!partner) {
    return make_error(ErrorCode::query_unsupported,
                      "feeds follow one partner's export in this version",
                      "name it as export@organisation");
  }
  return find_target(site, named->name.text, named->organisation->text);
}

}  // namespace

FeedService::Reply FeedService::start(FeedRequest request) {
  auto started = std::make_shared<Started>();
  started->request = std::move(request);
  auto site = parts_.site();
  auto work = [this, started, site]() -> std::optional<Error> {
    const FeedRequest& asked = started->request;
    auto sentence = parse_question(asked.question);
    if (!sentence) return std::move(sentence).error();
    auto target = target_in(*sentence, site);
    if (!target) return std::move(target).error();
    FeedWish wish = asked.wish;
    wish.horizon = asked.horizon;
    wish.now = parts_.clock.now();
    wish.default_epsilon = parts_.default_epsilon;
    auto planned = plan_feed(*sentence, {target->view, target->partner.name}, wish);
    if (!planned) return std::move(planned).error();
    started->target = std::move(*target);
    started->planned = std::move(*planned);
    return std::nullopt;
  };
  return off_loop<std::optional<Error>>(parts_.loop, parts_.workers, std::move(work))
      .then([this, started](std::optional<Error> refusal) -> Reply {
        if (refusal) return Result<json::value>(std::move(*refusal));
        const PlannedFeed& planned = started->planned;
        if (started->request.preview) {
          return Result<json::value>(json::value(feed_preview_json(planned, started->target)));
        }
        FollowedFeed& feed = started->feed;
        feed.id = parts_.random.id<QueryId>();
        feed.organisation = started->target.partner.organisation;
        feed.agreement_id = started->target.agreement_id;
        feed.agreement = canonical_bytes(*started->target.agreement);
        feed.question = started->request.question;
        feed.purpose = started->request.purpose.value_or(planned.feed.plan.purpose);
        feed.terms = canonical_bytes(planned.feed.terms);
        feed.started = parts_.clock.now();
        feed.ticks = planned.feed.terms.ticks;
        // Kept before it is ordered: an answer that is lost leaves no reservation without a name.
        busy_.insert(feed.id);
        auto pair = kj::newPromiseAndFulfiller<Outcome>();
        auto done =
            std::make_shared<kj::Own<kj::PromiseFulfiller<Outcome>>>(kj::mv(pair.fulfiller));
        parts_.shelf.add(feed, [done](Outcome added) { (*done)->fulfill(kj::mv(added)); });
        return pair.promise.then([this, started](Outcome added) -> Reply {
          if (added) return send_start(started);
          busy_.erase(started->feed.id);
          return Result<json::value>(std::move(added).error());
        });
      });
}

FeedService::Reply FeedService::send_start(std::shared_ptr<Started> started) {
  const FollowedFeed& ordered = started->feed;
  FeedOrder order{FeedVerb::start, ordered.id, 0, ordered.terms};
  const Duration timeout = started->request.timeout.value_or(parts_.default_timeout);
  return parts_.caller.send(started->target, std::move(order), {ordered.purpose, timeout})
      .then([this, started](FeedReply reply) -> Result<json::value> {
        const FollowedFeed& feed = started->feed;
        busy_.erase(feed.id);
        if (!reply.answer) {
          const bool open = may_have_arrived(reply.code);
          if (!open) parts_.shelf.remove(feed.id);
          return make_error(
              reply.code, reply.reason + left_text(reply.left, *started->target.view),
              open ? "whether it runs is not known; see 'entente feed pull " + feed.id.hex() + "'"
                   : "");
        }
        const auto standing = feed_standing_from_bytes(reply.answer->release);
        if (!standing || standing->feed != feed.id ||
            standing->terms_hash != feed_terms_hash(feed.terms)) {
          return make_error(ErrorCode::verification_failed,
                            "what the partner says it started is another feed");
        }
        json::object out = feed_preview_json(started->planned, started->target);
        for (auto& field :
             followed_json(feed, started->planned.feed.terms, started->target.partner.name)) {
          out[field.key()] = field.value();
        }
        return json::value(std::move(out));
      });
}

FeedService::Reply FeedService::list() {
  auto site = parts_.site();
  auto feeds = std::make_shared<std::vector<FollowedFeed>>();
  for (const auto& [id, feed] : parts_.shelf.entries()) feeds->push_back(feed);
  std::sort(feeds->begin(), feeds->end(),
            [](const FollowedFeed& a, const FollowedFeed& b) { return a.started > b.started; });
  auto work = [this, site, feeds]() -> std::shared_ptr<json::value> {
    json::array items;
    for (const FollowedFeed& feed : *feeds) {
      const auto terms = feed_terms_from_bytes(feed.terms);
      if (!terms) continue;
      items.push_back(followed_json(feed, *terms, name_of(*site, feed.organisation)));
    }
    for (const FeedRecord& record : parts_.given.all()) {
      items.push_back(given_json(record, name_of(*site, record.partner)));
    }
    return std::make_shared<json::value>(json::object{{"items", std::move(items)}});
  };
  return off_loop<std::shared_ptr<json::value>>(parts_.loop, parts_.workers, std::move(work))
      .then([](std::shared_ptr<json::value> made) { return Result<json::value>(*made); });
}

Result<FeedService::SharedPlan> FeedService::read_plan(const FollowedFeed& feed) {
  auto followed = std::make_shared<Followed>();
  followed->feed = feed;
  auto agreement = agreement_from_bytes(feed.agreement);
  if (!agreement) return std::move(agreement).error();
  followed->agreement = std::make_shared<const Agreement>(std::move(*agreement));
  auto terms = feed_terms_from_bytes(feed.terms);
  if (!terms) return std::move(terms).error();
  followed->view = followed->agreement->find_export(terms->question.export_name);
  auto sentence = parse_question(feed.question);
  if (!sentence) return std::move(sentence).error();
  if (followed->view == nullptr) {
    return make_error(ErrorCode::store_failed, "a followed feed does not read");
  }
  auto plan = replan_feed(*sentence, {followed->view, followed->view->site}, *terms);
  if (!plan) return std::move(plan).error();
  followed->plan = std::move(*plan);
  return SharedPlan(std::move(followed));
}

kj::Promise<Result<FeedService::SharedPlan>> FeedService::plan_of(const QueryId& id) {
  if (const auto known = plans_.find(id); known != plans_.end()) {
    return Result<SharedPlan>(known->second);
  }
  const auto found = parts_.shelf.entries().find(id);
  if (found == parts_.shelf.entries().end()) {
    return Result<SharedPlan>(make_error(ErrorCode::not_found, "there is no such feed"));
  }
  using Made = std::shared_ptr<Result<SharedPlan>>;
  auto work = [feed = found->second] {
    return std::make_shared<Result<SharedPlan>>(read_plan(feed));
  };
  return off_loop<Made>(parts_.loop, parts_.workers, std::move(work)).then([this, id](Made made) {
    if (*made) {
      if (plans_.size() >= limits::kFeedPlans) plans_.clear();
      plans_[id] = **made;
    }
    return kj::mv(*made);
  });
}

Result<AskTarget> FeedService::target_of(const Followed& followed) const {
  const auto site = parts_.site();
  const auto partner = site->partners.find(followed.feed.organisation);
  if (partner == site->partners.end()) {
    return make_error(ErrorCode::link_not_active, "the link with this partner is not active");
  }
  AskTarget target;
  target.partner = partner->second;
  target.agreement_id = followed.feed.agreement_id;
  target.agreement = followed.agreement;
  target.view = followed.view;
  return target;
}

void FeedService::stopped(Pulling& pulling, ErrorCode code, std::string reason,
                          Duration retry_after) {
  pulling.stopped = true;
  const Instant now = parts_.clock.now();
  if (code == ErrorCode::window_open) {
    next_try_[pulling.id] = now + std::clamp(retry_after, seconds(1), limits::kFeedWaitMost);
    last_error_.erase(pulling.id);
    return;
  }
  next_try_[pulling.id] = now + limits::kFeedRetry;
  pulling.error = make_error(code, reason);
  last_error_[pulling.id] = code_text(code) + " " + std::move(reason);
  if (ends_feed(code)) parts_.shelf.end(pulling.id, code);
}

kj::Promise<void> FeedService::accept(std::shared_ptr<Pulling> pulling, const FeedReply& reply) {
  const FollowedFeed& feed = parts_.shelf.entries().at(pulling->id);
  if (!reply.answer) {
    stopped(*pulling, reply.code, reply.reason, reply.retry_after);
    return kj::READY_NOW;
  }
  const Followed& followed = *pulling->followed;
  auto release = release_from_bytes(reply.answer->release);
  Outcome fits = release ? check_tick(followed.plan, *followed.view, feed.next, *release)
                         : Outcome(release.error());
  if (fits && release->organisation != feed.organisation) {
    fits = make_error(ErrorCode::verification_failed, "the release is another organisation's");
  }
  if (!fits) {
    log::warn("feed", "a tick did not verify", {{"reason", fits.error().what}});
    stopped(*pulling, ErrorCode::verification_failed, fits.error().what, {});
    return kj::READY_NOW;
  }
  auto pair = kj::newPromiseAndFulfiller<Outcome>();
  auto done = std::make_shared<kj::Own<kj::PromiseFulfiller<Outcome>>>(kj::mv(pair.fulfiller));
  parts_.shelf.keep(feed.id, feed.next, {reply.answer->release, parts_.clock.now()},
                    [done](Outcome kept) { (*done)->fulfill(kj::mv(kept)); });
  return pair.promise.then([this, pulling](Outcome kept) {
    if (kept) {
      ++pulling->pulled;
      last_error_.erase(pulling->id);
    } else {
      stopped(*pulling, kept.error().code, kept.error().what, {});
    }
  });
}

kj::Promise<void> FeedService::pull_next(std::shared_ptr<Pulling> pulling) {
  const FollowedFeed& feed = parts_.shelf.entries().at(pulling->id);
  if (pulling->stopped || !feed.running() || pulling->pulled >= limits::kPullsAtOnce) {
    return kj::READY_NOW;
  }
  auto target = target_of(*pulling->followed);
  if (!target) {
    stopped(*pulling, target.error().code, target.error().what, {});
    return kj::READY_NOW;
  }
  FeedOrder order{FeedVerb::pull, feed.id, feed.next, {}};
  return parts_.caller.send(*target, std::move(order), {feed.purpose, parts_.default_timeout})
      .then([this, pulling](FeedReply reply) { return accept(pulling, reply); })
      .then([this, pulling] { return pull_next(pulling); });
}

kj::Promise<std::shared_ptr<FeedService::Pulling>> FeedService::pull_all(const QueryId& id) {
  auto pulling = std::make_shared<Pulling>();
  pulling->id = id;
  if (!busy_.insert(id).second) {
    pulling->error = make_error(ErrorCode::overloaded, "the feed is being pulled already");
    return pulling;
  }
  return plan_of(id)
      .then([this, pulling](Result<SharedPlan> plan) -> kj::Promise<void> {
        if (!plan) {
          stopped(*pulling, ErrorCode::store_failed, plan.error().what, {});
          return kj::READY_NOW;
        }
        pulling->followed = std::move(*plan);
        return pull_next(pulling);
      })
      .catch_([this, pulling](kj::Exception&& fault) {
        stopped(*pulling, ErrorCode::internal, fault.getDescription().cStr(), {});
      })
      .then([this, pulling] {
        busy_.erase(pulling->id);
        return pulling;
      });
}

FeedService::Reply FeedService::pull(const std::string& digits) {
  auto feed = parts_.shelf.named(digits);
  if (!feed) return Result<json::value>(std::move(feed).error());
  return pull_all((*feed)->id).then([this](std::shared_ptr<Pulling> pulling) -> Reply {
    if (pulling->pulled == 0 && pulling->error) return Result<json::value>(*pulling->error);
    return shown(pulling->id, pulling->pulled);
  });
}

FeedService::Reply FeedService::show(const std::string& digits) {
  auto feed = parts_.shelf.named(digits);
  if (!feed) return Result<json::value>(std::move(feed).error());
  return shown((*feed)->id, 0);
}

FeedService::Reply FeedService::shown(const QueryId& id, std::size_t pulled) {
  return plan_of(id).then([this, id, pulled](Result<SharedPlan> plan) -> Reply {
    if (!plan) return Result<json::value>(std::move(plan).error());
    const auto known = parts_.shelf.entries().find(id);
    if (known == parts_.shelf.entries().end()) {
      return Result<json::value>(make_error(ErrorCode::not_found, "the feed was not started"));
    }
    const FollowedFeed feed = known->second;
    const auto error = last_error_.find(id);
    const std::string last = error == last_error_.end() ? "" : error->second;
    using Made = std::shared_ptr<Result<json::value>>;
    auto work = [this, feed, followed = *plan, pulled, last,
                 name = name_of(*parts_.site(), feed.organisation)]() -> Made {
      auto series = series_json({feed, followed->plan, *followed->view, parts_.clock.now()},
                                parts_.shelf.ticks(feed.id));
      if (!series) return std::make_shared<Result<json::value>>(std::move(series).error());
      json::object out = followed_json(feed, followed->plan.terms, name);
      for (auto& field : *series) out[field.key()] = field.value();
      out["pulled"] = pulled;
      out["last_error"] = last;
      return std::make_shared<Result<json::value>>(json::value(std::move(out)));
    };
    return off_loop<Made>(parts_.loop, parts_.workers, std::move(work)).then([](Made made) {
      return kj::mv(*made);
    });
  });
}

FeedService::Reply FeedService::cancel(const std::string& digits, bool dry_run) {
  auto named = parts_.shelf.named(digits);
  if (!named) return Result<json::value>(std::move(named).error());
  const QueryId id = (*named)->id;
  return plan_of(id).then([this, id, dry_run](Result<SharedPlan> plan) -> Reply {
    if (!plan) return Result<json::value>(std::move(plan).error());
    const auto known = parts_.shelf.entries().find(id);
    if (known == parts_.shelf.entries().end()) {
      return Result<json::value>(make_error(ErrorCode::not_found, "the feed was not started"));
    }
    const FollowedFeed feed = known->second;
    const std::string name = name_of(*parts_.site(), feed.organisation);
    const SharedPlan followed = *plan;
    if (dry_run || !feed.running()) {
      json::object out = followed_json(feed, followed->plan.terms, name);
      out["returned_blocks"] = 0;
      return Result<json::value>(json::value(std::move(out)));
    }
    auto target = target_of(*followed);
    if (!target) return Result<json::value>(std::move(target).error());
    FeedOrder order{FeedVerb::cancel, id, 0, {}};
    return parts_.caller.send(*target, std::move(order), {feed.purpose, parts_.default_timeout})
        .then([this, id, followed, name](FeedReply reply) -> Result<json::value> {
          if (!reply.answer) {
            if (ends_feed(reply.code)) parts_.shelf.end(id, reply.code);
            return make_error(reply.code, reply.reason);
          }
          const auto standing = feed_standing_from_bytes(reply.answer->release);
          if (!standing || standing->feed != id) {
            return make_error(ErrorCode::verification_failed,
                              "what the partner says it ended is another feed");
          }
          parts_.shelf.end(id, ErrorCode::conflict);
          json::object out =
              followed_json(parts_.shelf.entries().at(id), followed->plan.terms, name);
          out["returned_blocks"] = standing->returned.size();
          std::uint64_t most = 0;
          for (const BlockAmount& amount : standing->returned) {
            most = std::max(most, amount.rho.units);
          }
          out["returned_epsilon"] = shown_epsilon({most}, followed->view->delta);
          return json::value(std::move(out));
        });
  });
}

void FeedService::tend() {
  if (tasks_.get() == nullptr) return;
  const Instant now = parts_.clock.now();
  const auto site = parts_.site();
  for (const auto& [id, feed] : parts_.shelf.entries()) {
    if (!feed.running() || busy_.contains(id)) continue;
    // An agreement that is over at this end ends its feeds here at once: the site, which gives back
    // what had not begun, does the same. One that is suspended may be resumed.
    if (site->suspended.contains(feed.agreement_id)) continue;
    if (!site->agreements.contains(feed.agreement_id)) {
      parts_.shelf.end(id, ErrorCode::agreement_missing);
      last_error_[id] = code_text(ErrorCode::agreement_missing) + " the agreement is over";
      continue;
    }
    const auto next = next_try_.find(id);
    if (next != next_try_.end() && now < next->second) continue;
    tasks_->add(pull_all(id).then([](std::shared_ptr<Pulling>) {}));
  }
}

void FeedService::taskFailed(kj::Exception&& fault) {
  log::warn("feed", "a pull failed", {{"reason", fault.getDescription().cStr()}});
}

}  // namespace entente::node
