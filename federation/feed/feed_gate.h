// The disclosure gate of feeds: the second and last way by which anything about this site's twins
// leaves for another organisation, in the order of the first (federation/ask/disclosure_gate.h).
//
// start: session, freshness, agreement, decide, shape, price of the whole horizon, room; then one
// transaction reserves it. Nothing private is read.
// pull: the same up to decide; then the stored tick, or, when it is the next one and due, its exact
// sums on a worker and one transaction of frozen sums, noise, bytes and audit. A tick is due when
// its window is closed and lateness has passed; before that: window_open with the time to wait.
// cancel: what has not begun is given back.
// `tend` releases due ticks without being asked, so that a tick is frozen when it closes and not
// when somebody pulls, and ends feeds whose agreement is over or whose export was withdrawn or
// changed: with agreement_missing, which the partner's next pull is told. It prices what is due
// alone; of the rest it only looks whether it still holds. While an agreement is suspended no tick
// is released; those that were due are when it is resumed. Threads: loop.
#pragma once

#include <kj/async.h>

#include <map>
#include <memory>

#include "federation/ask/disclosure_gate.h"
#include "federation/feed/feed_price.h"
#include "federation/feed/feed_store.h"
#include "federation/feed/limits.h"
#include "schemas/base/guarded.h"

namespace entente::federation {

class FeedGate {
 public:
  struct Parts {
    Loop& loop;
    Workers& workers;
    const Clock& clock;
    const TwinSource& twins;
    FeedStore& feeds;
    const security::SigningKey& answer_key;
    security::NoiseSource& noise;  // used on the store's thread alone
    SnapshotSource site;
    Duration grid;  // as in DisclosureGate
    std::size_t prices_kept = limits::kFeedsPriced;
    // Of which a start takes as much as a question. Never null.
    std::shared_ptr<QuestionRates> rates = std::make_shared<QuestionRates>();
  };
  using Outcome = DisclosureGate::Outcome;

  explicit FeedGate(Parts parts) : parts_(std::move(parts)), choice_(parts_.answer_key) {}

  // `verb` is the method that was called; the signed order must say the same.
  kj::Promise<Outcome> handle(const security::PeerIdentity& peer, FeedVerb verb,
                              ByteView signed_envelope);

  // Releases at most one due tick of each running feed, one after the other. Never rejects.
  kj::Promise<void> tend();
  // The same in the background, unless it is under way; it ends with the gate.
  void tend_in_background();
  // Lets go of that; workers may still be at it until they are stopped.
  void stop();
  // Any thread. Feeds' prices that were computed since this was made: each takes milliseconds.
  std::uint64_t prices_made() const;

 private:
  struct Priced {
    FeedTerms terms;
    FeedPrice price;
    std::shared_ptr<const ExportView> view;
  };
  struct Pending;
  // On a worker; what they find stands in `pending`.
  Result<std::shared_ptr<const Priced>> priced(const QueryId& id, const FeedTerms& terms,
                                               const std::shared_ptr<const ExportView>& view) const;
  entente::Outcome prepare_start(Pending& pending) const;
  entente::Outcome prepare_agreed(Pending& pending) const;
  entente::Outcome prepare_running(Pending& pending) const;
  entente::Outcome prepare_pull(Pending& pending) const;
  entente::Outcome fold(Pending& pending) const;

  kj::Promise<Outcome> start(std::shared_ptr<Pending> pending);
  kj::Promise<Outcome> pull(std::shared_ptr<Pending> pending);
  kj::Promise<Outcome> cancel(std::shared_ptr<Pending> pending);
  kj::Promise<Result<FeedTick>> draw(std::shared_ptr<Pending> pending);
  kj::Promise<Result<FeedEnd>> end(const QueryId& id, ErrorCode why);
  kj::Promise<void> tend_one(std::shared_ptr<std::vector<FeedRecord>> records, std::size_t at);

  Outcome finish(const Pending& pending, Answer answer);
  Outcome refuse(const Error& error, const Pending& pending);

  Parts parts_;
  const security::ChoiceKey choice_;
  struct Prices {
    struct Known {
      std::shared_ptr<const Priced> priced;
      std::uint64_t used = 0;  // when, by `uses`
    };
    std::map<QueryId, Known> known;
    std::uint64_t uses = 0;
    std::uint64_t made = 0;
  };
  mutable Guarded<Prices> prices_;
  // When the next tick of a running feed is due, as tend() has found.
  std::map<QueryId, Instant> waits_;
  bool tending_ = false;
  kj::Promise<void> background_ = nullptr;
};

}  // namespace entente::federation
