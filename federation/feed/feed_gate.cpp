#include "federation/feed/feed_gate.h"

#include <algorithm>

#include "federation/ask/answer_slot.h"
#include "federation/ask/sealed_answer.h"
#include "federation/feed/feed_release.h"
#include "federation/feed/feed_series.h"
#include "federation/feed/limits.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "federation/query/contribution.h"
#include "schemas/base/hash.h"
#include "schemas/base/log.h"
#include "security/identity/keys.h"

namespace entente::federation {

// One order, or one due tick, on its way through the gate.
struct FeedGate::Pending {
  std::shared_ptr<const SiteSnapshot> site;
  Instant now;
  Duration slot;          // after the order came, at which the answer leaves
  OpenedEnvelope opened;  // of a tick that nobody pulled: what the start's said
  FeedOrder order;
  FeedRecord record;
  FeedTerms terms;  // of a running feed, as `view`
  std::shared_ptr<const ExportView> view;
  std::shared_ptr<const Priced> priced;
  ReleaseInquiry inquiry;
  std::optional<FeedTick> stored;
  bool over = false;  // the agreement is: the feed ends
  Duration retry_after;
  std::vector<BlockAmount> left;
  Question question;  // of the tick
  Price price;
  ExactVectors exact;  // private until noise is added; never leaves this object
};

namespace {

// Windows of a feed need not be closed when it starts; everything else of a question must hold.
constexpr Instant kEndOfTime{9'000'000'000'000'000'000};

// A tick waits like one whose window is open: it is released once the agreement is resumed.
Error suspended() {
  return make_error(ErrorCode::window_open, "the agreement is suspended");
}

Envelope envelope_of(const FeedRecord& record, Envelope envelope) {
  envelope.origin = record.partner;
  envelope.agreement = record.agreement;
  envelope.purpose = record.purpose;
  return envelope;
}

Bytes standing_bytes(const FeedRecord& record, std::vector<BlockAmount> returned) {
  FeedStanding standing;
  standing.feed = record.id;
  standing.terms_hash = feed_terms_hash(record.terms);
  standing.next = record.next;
  standing.ended = record.ended ? static_cast<std::uint16_t>(*record.ended) : 0;
  standing.returned = std::move(returned);
  return canonical_bytes(standing);
}

}  // namespace

Hash256 charges_hash(const std::vector<BlockAmount>& charges) {
  std::string text;
  for (const BlockAmount& charge : charges) {
    text += std::to_string(charge.start.ns) + " " + std::to_string(charge.rho.units) + "\n";
  }
  return hash("entente feed charges v1", bytes_of(text));
}

Result<std::shared_ptr<const FeedGate::Priced>> FeedGate::priced(
    const QueryId& id, const FeedTerms& terms,
    const std::shared_ptr<const ExportView>& view) const {
  using Shared = std::shared_ptr<const Priced>;
  const Shared known = prices_.with([&](Prices& prices) {
    const auto found = prices.known.find(id);
    if (found == prices.known.end()) return Shared();
    found->second.used = ++prices.uses;
    return found->second.priced;
  });
  if (known && known->terms == terms && *known->view == *view) return known;
  auto price = price_feed(terms, *view);
  if (!price) return std::move(price).error();
  Shared made = std::make_shared<const Priced>(Priced{terms, std::move(*price), view});
  prices_.with([&](Prices& prices) {
    ++prices.made;
    if (prices.known.size() >= parts_.prices_kept) {
      prices.known.erase(std::min_element(
          prices.known.begin(), prices.known.end(),
          [](const auto& a, const auto& b) { return a.second.used < b.second.used; }));
    }
    prices.known[id] = {made, ++prices.uses};
  });
  return made;
}

std::uint64_t FeedGate::prices_made() const {
  return prices_.with([](const Prices& prices) { return prices.made; });
}

entente::Outcome FeedGate::prepare_start(Pending& pending) const {
  const SiteSnapshot& site = *pending.site;
  const Envelope& envelope = pending.opened.envelope;
  auto terms = feed_terms_from_bytes(pending.order.terms);
  if (!terms) return std::move(terms).error();
  auto agreed = agreed_export(site, envelope, terms->question, pending.now);
  if (!agreed) return std::move(agreed).error();
  const ExportView& view = *agreed->view;
  const Agreement& agreement = agreed->agreement->value;
  if (view.composite) {
    return make_error(ErrorCode::query_unsupported,
                      "'" + view.name + "' is a system twin: feeds follow exports of one site",
                      "follow its members, or ask window by window");
  }
  if (auto fits = check_question(terms->question, view, kEndOfTime); !fits) return fits;
  if (auto fits = check_shape(terms->question, view, agreement); !fits) return fits;
  auto price = priced(pending.order.feed, *terms, agreed->view);
  if (!price) return std::move(price).error();
  pending.priced = std::move(*price);
  if (due_at(pending.priced->price, view, terms->ticks - 1) >= agreement.expires) {
    return make_error(
        ErrorCode::shape_refused,
        "the feed would outlast the agreement, which ends at " + to_text(agreement.expires),
        "ask for a shorter horizon");
  }
  FeedRecord& record = pending.record;
  record.id = pending.order.feed;
  record.partner = envelope.origin;
  record.agreement = envelope.agreement;
  record.purpose = envelope.purpose;
  record.terms = pending.order.terms;
  record.domain = view.domain;
  record.ticks = terms->ticks;
  record.started = pending.now;
  ReleaseInquiry& inquiry = pending.inquiry;
  inquiry = inquiry_about(site, pending.opened, *agreed);
  inquiry.question_hash = feed_terms_hash(record.terms);
  inquiry.release_key = hash_parts("entente feed key v1", {record.partner.view(), record.id.view(),
                                                           inquiry.question_hash.view()});
  inquiry.charges = pending.priced->price.charges;
  record.reserved = charges_hash(inquiry.charges);
  // A receipt that this log does not hold closes the ledger, also when it comes with a start.
  return parts_.feeds.whole(inquiry);
}

// Whether the feed still stands.
entente::Outcome FeedGate::prepare_agreed(Pending& pending) const {
  const Envelope envelope = envelope_of(pending.record, pending.opened.envelope);
  auto terms = feed_terms_from_bytes(pending.record.terms);
  if (!terms) return std::move(terms).error();
  if (is_suspended(*pending.site, pending.record.agreement, pending.record.partner)) {
    pending.retry_after = limits::kFeedSuspended;
    return suspended();
  }
  auto agreed = agreed_export(*pending.site, envelope, terms->question, pending.now);
  if (!agreed) {
    pending.over = agreed.error().code == ErrorCode::agreement_missing;
    return std::move(agreed).error();
  }
  pending.inquiry = inquiry_about(*pending.site, pending.opened, *agreed);
  pending.terms = std::move(*terms);
  pending.view = agreed->view;
  return {};
}

entente::Outcome FeedGate::prepare_running(Pending& pending) const {
  if (auto agreed = prepare_agreed(pending); !agreed) return agreed;
  auto price = priced(pending.record.id, pending.terms, pending.view);
  if (!price) return std::move(price).error();
  pending.priced = std::move(*price);
  // Another calendar of the zone or another way to price: what would be released is not what was
  // reserved.
  if (charges_hash(pending.priced->price.charges) != pending.record.reserved) {
    pending.over = true;
    return make_error(ErrorCode::shape_refused, "the feed's price is no longer what was reserved",
                      "start it anew");
  }
  return {};
}

entente::Outcome FeedGate::prepare_pull(Pending& pending) const {
  const FeedRecord& record = pending.record;
  const std::uint32_t sequence = pending.order.sequence;
  if (sequence >= record.ticks) {
    return make_error(ErrorCode::shape_refused,
                      "the feed has " + std::to_string(record.ticks) + " ticks");
  }
  if (sequence < record.next) {
    pending.stored = parts_.feeds.tick(record.id, sequence);
    if (!pending.stored) return make_error(ErrorCode::store_failed, "a released tick is gone");
    return {};
  }
  if (record.ended) return make_error(*record.ended, "the feed has ended");
  if (sequence > record.next) {
    return make_error(ErrorCode::conflict, "tick " + std::to_string(record.next) + " comes before",
                      "pull the ticks in their order");
  }
  const Instant due = due_at(pending.priced->price, *pending.priced->view, sequence);
  if (pending.now < due) {
    pending.retry_after = due - pending.now;
    return make_error(ErrorCode::window_open, "the tick is closed at " + to_text(due));
  }
  return fold(pending);
}

entente::Outcome FeedGate::fold(Pending& pending) const {
  const Priced& priced = *pending.priced;
  const std::uint32_t sequence = pending.order.sequence;
  if (priced.terms.mechanism == FeedMechanism::buckets) {
    pending.question = tick_question(priced.terms, priced.price, sequence);
    auto price = price_of(pending.question, *priced.view);
    if (!price) return std::move(price).error();
    pending.price = std::move(*price);
  } else {
    pending.question = priced.terms.question;
    pending.question.window = priced.price.ticks.at(sequence);
    pending.price = priced.price.tick;
  }
  if (parts_.grid.ns > 0) {
    pending.slot = answer_slot(pending.question, *priced.view, parts_.grid);
  }
  auto folded = parts_.twins.fold(fold_request(pending.question, priced.view));
  if (!folded) return std::move(folded).error();
  bound_contributions(pending.question, *priced.view, choice_, *folded);
  if (auto fits = check_sums(priced.terms, priced.price, folded->units.size()); !fits) return fits;
  auto exact = aggregate(pending.question, *priced.view, pending.price, *folded);
  if (!exact) return std::move(exact).error();
  pending.exact = std::move(*exact);
  return {};
}

kj::Promise<FeedGate::Outcome> FeedGate::handle(const security::PeerIdentity& peer, FeedVerb verb,
                                                ByteView signed_envelope) {
  const Duration began = parts_.clock.steady();
  auto pending = std::make_shared<Pending>();
  pending->site = parts_.site();
  pending->now = parts_.clock.now();
  pending->slot = parts_.grid;
  const auto leave = [this, pending, began](Outcome outcome) -> kj::Promise<Outcome> {
    if (pending->slot.ns <= 0) return kj::mv(outcome);
    const Duration elapsed = parts_.clock.steady() - began;
    return parts_.loop.after(slot_after(pending->slot, elapsed) - elapsed)
        .then([outcome = std::move(outcome)]() mutable { return kj::mv(outcome); });
  };
  auto opened =
      open_envelope(*pending->site, peer, signed_envelope, kFeedOrderContext, pending->now);
  if (!opened) return leave(refuse(opened.error(), *pending));
  pending->opened = std::move(*opened);
  auto order = feed_order_from_bytes(pending->opened.envelope.question);
  if (!order) return leave(refuse(order.error(), *pending));
  pending->order = std::move(*order);
  const bool starts = verb == FeedVerb::start;
  if (pending->order.verb != verb ||
      (starts && pending->order.feed != pending->opened.envelope.query_id)) {
    return leave(refuse(
        make_error(ErrorCode::verification_failed, "the order is for another method"), *pending));
  }
  auto work = [this, pending, starts]() -> std::optional<Error> {
    entente::Outcome ready;
    if (starts) {
      ready = prepare_start(*pending);
    } else if (auto record = parts_.feeds.find(pending->order.feed);
               !record || record->partner != pending->opened.envelope.origin) {
      ready = make_error(ErrorCode::not_found, "this partner has no such feed");
    } else {
      pending->record = std::move(*record);
      ready = prepare_running(*pending);
      if (ready) ready = parts_.feeds.whole(pending->inquiry);
      if (ready && pending->order.verb == FeedVerb::pull) ready = prepare_pull(*pending);
    }
    return ready ? std::nullopt : std::optional(std::move(ready).error());
  };
  return off_loop<std::optional<Error>>(parts_.loop, parts_.workers, std::move(work))
      .then([this, pending, verb](std::optional<Error> refusal) -> kj::Promise<Outcome> {
        const FeedRecord& record = pending->record;
        if (refusal && pending->over && !record.ended && record.next < record.ticks) {
          return end(record.id, refusal->code)
              .then([this, pending, error = *refusal](Result<FeedEnd>) -> Outcome {
                return refuse(error, *pending);
              });
        }
        if (refusal) return refuse(*refusal, *pending);
        if (verb == FeedVerb::start) return start(pending);
        return verb == FeedVerb::pull ? pull(pending) : cancel(pending);
      })
      .catch_([this, pending](kj::Exception&& fault) -> Outcome {
        const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
        return refuse(make_error(busy ? ErrorCode::overloaded : ErrorCode::store_failed,
                                 fault.getDescription().cStr()),
                      *pending);
      })
      .then(kj::cp(leave));  // by value: KJ would keep a reference to a name
}

kj::Promise<FeedGate::Outcome> FeedGate::start(std::shared_ptr<Pending> pending) {
  // It may have waited: what nobody waits for any more reserves nothing.
  const Envelope& envelope = pending->opened.envelope;
  if (parts_.clock.now() >= envelope.deadline) {
    return refuse(make_error(ErrorCode::deadline_exceeded, "the start came too late"), *pending);
  }
  const auto site = parts_.site();
  if (auto agreed = still_agreed(*site, envelope.agreement, envelope.origin); !agreed) {
    return refuse(agreed.error(), *pending);
  }
  if (const auto wait = parts_.rates->take(*site, envelope.agreement, parts_.clock.now())) {
    pending->retry_after = *wait;
    return refuse(make_error(ErrorCode::overloaded,
                             "the agreement's rate of questions is used up for " + to_text(*wait)),
                  *pending);
  }
  auto pair = kj::newPromiseAndFulfiller<Result<CommittedRelease>>();
  auto done = std::make_shared<kj::Own<kj::PromiseFulfiller<Result<CommittedRelease>>>>(
      kj::mv(pair.fulfiller));
  parts_.feeds.start(
      pending->inquiry, pending->record, standing_bytes(pending->record, {}),
      [done](Result<CommittedRelease> committed) { (*done)->fulfill(kj::mv(committed)); });
  return pair.promise.then(
      [this, pending](Result<CommittedRelease> committed) -> kj::Promise<Outcome> {
        if (committed) {
          Answer answer;
          answer.release = committed->release;
          answer.reused = committed->reused;
          answer.charged = committed->charged;
          answer.left = committed->left;
          answer.caps = caps_of(pending->inquiry);
          answer.delta_left = committed->delta_left;
          pending->stored = FeedTick{committed->release, committed->audit_head};
          return finish(*pending, std::move(answer));
        }
        const Error error = committed.error();
        if (error.code != ErrorCode::budget_exhausted) return refuse(error, *pending);
        auto work = [this, pending] { return parts_.feeds.left(pending->inquiry); };
        return off_loop<std::vector<BlockAmount>>(parts_.loop, parts_.workers, std::move(work))
            .then([this, pending, error](std::vector<BlockAmount> left) -> Outcome {
              pending->left = std::move(left);
              return refuse(error, *pending);
            });
      });
}

kj::Promise<Result<FeedTick>> FeedGate::draw(std::shared_ptr<Pending> pending) {
  // The sums took their time: what has ended meanwhile releases nothing more.
  const auto site = parts_.site();
  if (is_suspended(*site, pending->record.agreement, pending->record.partner)) {
    pending->retry_after = limits::kFeedSuspended;
    return Result<FeedTick>(suspended());
  }
  if (auto agreed = still_agreed(*site, pending->record.agreement, pending->record.partner);
      !agreed) {
    return Result<FeedTick>(std::move(agreed).error());
  }
  const Priced& priced = *pending->priced;
  FeedDraft draft;
  draft.id = pending->record.id;
  draft.sequence = pending->order.sequence;
  draft.reached = pending->question.window.to;
  draft.keeps = priced.terms.mechanism != FeedMechanism::buckets;
  draft.exact = std::move(pending->exact);
  // It may run after this gate is gone.
  auto draw = [pending, &noise = parts_.noise](const std::vector<ExactVectors>& frozen) {
    const Priced& by = *pending->priced;
    const bool buckets = by.terms.mechanism == FeedMechanism::buckets;
    Release release;
    release.organisation = pending->site->self;
    release.site = pending->site->site;
    release.question_hash = tick_hash(pending->record.terms, pending->order.sequence);
    release.domain = by.view->domain;
    release.unit = by.view->unit;
    if (buckets) release.charges = pending->price.charges;
    release.statistics = pending->price.statistics;
    release.cells = buckets ? add_noise(pending->question, pending->price, frozen.back(), noise)
                            : release_tick(by.terms, by.price, frozen, noise);
    release.released = pending->now;
    return canonical_bytes(release);
  };
  auto pair = kj::newPromiseAndFulfiller<Result<FeedTick>>();
  auto done =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<FeedTick>>>>(kj::mv(pair.fulfiller));
  parts_.feeds.release(std::move(draft), std::move(draw),
                       [done](Result<FeedTick> tick) { (*done)->fulfill(kj::mv(tick)); });
  return kj::mv(pair.promise);
}

kj::Promise<FeedGate::Outcome> FeedGate::pull(std::shared_ptr<Pending> pending) {
  if (pending->stored) {
    Answer answer;
    answer.release = pending->stored->release;
    answer.reused = true;
    return finish(*pending, std::move(answer));
  }
  return draw(pending).then([this, pending](Result<FeedTick> tick) -> Outcome {
    if (!tick) return refuse(tick.error(), *pending);
    pending->stored = std::move(*tick);
    Answer answer;
    answer.release = pending->stored->release;
    return finish(*pending, std::move(answer));
  });
}

kj::Promise<FeedGate::Outcome> FeedGate::cancel(std::shared_ptr<Pending> pending) {
  return end(pending->record.id, ErrorCode::conflict)
      .then([this, pending](Result<FeedEnd> ended) -> Outcome {
        if (!ended) return refuse(ended.error(), *pending);
        Answer answer;
        answer.release = standing_bytes(ended->record, std::move(ended->returned));
        pending->stored = FeedTick{answer.release, ended->audit_head};
        return finish(*pending, std::move(answer));
      });
}

kj::Promise<Result<FeedEnd>> FeedGate::end(const QueryId& id, ErrorCode why) {
  auto pair = kj::newPromiseAndFulfiller<Result<FeedEnd>>();
  auto done =
      std::make_shared<kj::Own<kj::PromiseFulfiller<Result<FeedEnd>>>>(kj::mv(pair.fulfiller));
  parts_.feeds.end(id, why, [done](Result<FeedEnd> ended) { (*done)->fulfill(kj::mv(ended)); });
  return kj::mv(pair.promise);
}

kj::Promise<void> FeedGate::tend() {
  if (tending_) return kj::READY_NOW;
  tending_ = true;
  auto work = [this] { return std::make_shared<std::vector<FeedRecord>>(parts_.feeds.running()); };
  return off_loop<std::shared_ptr<std::vector<FeedRecord>>>(parts_.loop, parts_.workers,
                                                            std::move(work))
      .then([this](std::shared_ptr<std::vector<FeedRecord>> records) {
        std::map<QueryId, Instant> waits;
        for (const FeedRecord& record : *records) {
          const auto known = waits_.find(record.id);
          if (known != waits_.end()) waits.insert(*known);
        }
        waits_ = std::move(waits);
        return tend_one(std::move(records), 0);
      })
      .catch_([](kj::Exception&& fault) {
        log::warn("feed", "feeds wait for their next turn",
                  {{"reason", fault.getDescription().cStr()}});
      })
      .then([this] { tending_ = false; });
}

void FeedGate::tend_in_background() {
  if (!tending_) background_ = tend().eagerlyEvaluate(nullptr);
}

void FeedGate::stop() {
  tending_ = true;
  background_ = nullptr;
}

kj::Promise<void> FeedGate::tend_one(std::shared_ptr<std::vector<FeedRecord>> records,
                                     std::size_t at) {
  if (at >= records->size()) return kj::READY_NOW;
  auto pending = std::make_shared<Pending>();
  pending->site = parts_.site();
  pending->now = parts_.clock.now();
  pending->record = (*records)[at];
  pending->order = {FeedVerb::pull, pending->record.id, pending->record.next, {}};
  const auto wait = waits_.find(pending->record.id);
  const bool waits = wait != waits_.end() && pending->now < wait->second;
  auto work = [this, pending, waits]() -> std::optional<Error> {
    entente::Outcome ready = waits ? prepare_agreed(*pending) : prepare_running(*pending);
    if (ready && waits) ready = make_error(ErrorCode::window_open, "the tick is not closed yet");
    if (ready) ready = prepare_pull(*pending);
    return ready ? std::nullopt : std::optional(std::move(ready).error());
  };
  return off_loop<std::optional<Error>>(parts_.loop, parts_.workers, std::move(work))
      .then([this, pending, waits](std::optional<Error> refusal) -> kj::Promise<void> {
        if (refusal && refusal->code == ErrorCode::window_open) {
          if (!waits) waits_[pending->record.id] = pending->now + pending->retry_after;
          return kj::READY_NOW;
        }
        if (!refusal) {
          return draw(pending).then([pending](Result<FeedTick> tick) {
            if (tick) return;
            if (tick.error().code == ErrorCode::window_open) return;
            log::warn("feed", "a tick was not released",
                      {{"feed", pending->record.id.hex()}, {"reason", tick.error().what}});
          });
        }
        // What a later turn might mend, faults of the store and of the policy, ends nothing.
        const bool lasting = pending->over || refusal->code == ErrorCode::query_unknown_name ||
                             refusal->code == ErrorCode::shape_refused;
        log::warn("feed", lasting ? "a feed ends" : "a tick waits",
                  {{"feed", pending->record.id.hex()}, {"reason", refusal->what}});
        if (!lasting) return kj::READY_NOW;
        return end(pending->record.id, refusal->code).then([](Result<FeedEnd>) {});
      })
      // One that faults keeps none of the others waiting.
      .catch_([pending](kj::Exception&& fault) {
        log::warn("feed", "a tick waits",
                  {{"feed", pending->record.id.hex()}, {"reason", fault.getDescription().cStr()}});
      })
      .then([this, records, at] { return tend_one(records, at + 1); });
}

FeedGate::Outcome FeedGate::finish(const Pending& pending, Answer answer) {
  auto sealed = seal_answer(std::move(answer),
                            {pending.opened.envelope.seal_key, pending.opened.envelope.origin},
                            pending.opened.hash, pending.stored->audit_head, *pending.site,
                            parts_.answer_key, parts_.clock.now());
  if (!sealed) return refuse(sealed.error(), pending);
  return std::move(*sealed);
}

FeedGate::Outcome FeedGate::refuse(const Error& error, const Pending& pending) {
  log::info("feed", "an order was refused",
            {{"code", code_text(error.code)}, {"reason", error.what}});
  Refusal refusal;
  refusal.code = error.code;
  if (pending.priced) refusal.subject = pending.priced->view->name;
  refusal.left = pending.left;
  refusal.retry_after = pending.retry_after;
  return refusal;
}

}  // namespace entente::federation
