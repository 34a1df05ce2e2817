#include "federation/ask/disclosure_gate.h"

#include "federation/ask/answer_slot.h"
#include "federation/ask/composition.h"
#include "federation/ask/sealed_answer.h"
#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "federation/query/contribution.h"
#include "federation/query/release.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {

// One question on its way through the gate.
struct DisclosureGate::Pending {
  std::shared_ptr<const SiteSnapshot> site;
  Admitted admitted;
  ReleaseStanding standing;
  ExactVectors exact;                   // private until noise is added; never leaves this object
  std::optional<Composition> composed;  // of what has left before; then there is nothing exact
  Duration slot;                        // after the question came, at which the answer leaves
};

namespace {

// What the worker brings back. An outcome refuses; a fault is an exception.
struct WorkerResult {
  ReleaseStanding standing;
  ExactVectors exact;
  std::optional<Composition> composed;
  std::optional<Error> refusal;
  std::vector<BlockAmount> left;
};

// On a worker: has the ledger room, and if this is new, the exact aggregate.
WorkerResult inquire_and_aggregate(const Admitted& admitted, const ReleaseStore& releases,
                                   const TwinSource& twins, const security::ChoiceKey& choice) {
  WorkerResult result;
  auto standing = releases.inquire(admitted.inquiry);
  const bool unpaid = standing ? !standing->release || !standing->paid
                               : standing.error().code == ErrorCode::budget_exhausted;
  // What was paid for is free also when nothing is left, and when others have bought the whole.
  if (unpaid && admitted.inquiry.cells && !admitted.inquiry.cells->fresh) {
    result.composed = compose(admitted.question, *admitted.view, admitted.price,
                              releases.cells(admitted.inquiry));
    const bool free = result.composed && result.composed->charges.empty();
    if (standing && standing->release && !free) result.composed.reset();
    if (result.composed) return result;
  }
  if (!standing) {
    result.refusal = std::move(standing).error();
    if (result.refusal->code == ErrorCode::budget_exhausted) {
      result.left = releases.left(admitted.inquiry);
    }
    return result;
  }
  result.standing = std::move(*standing);
  if (result.standing.release) return result;
  auto folded = twins.fold(fold_request(admitted.question, admitted.view));
  if (!folded) {
    result.refusal = std::move(folded).error();
    return result;
  }
  if (folded->left_out > 0) {
    log::info("gate", "twins without a unit were left out",
              {{"export", admitted.view->name}, {"twins", std::to_string(folded->left_out)}});
  }
  bound_contributions(admitted.question, *admitted.view, choice, *folded);
  auto exact = aggregate(admitted.question, *admitted.view, admitted.price, *folded);
  if (!exact) {
    result.refusal = std::move(exact).error();
    return result;
  }
  result.exact = std::move(*exact);
  crash_point("release.aggregated");
  return result;
}

}  // namespace

DisclosureGate::DisclosureGate(Parts parts)
    : parts_(std::move(parts)), choice_(parts_.answer_key) {}

kj::Promise<DisclosureGate::Outcome> DisclosureGate::answer(const security::PeerIdentity& peer,
                                                            ByteView signed_envelope) {
  const Duration started = parts_.clock.steady();
  auto site = parts_.site();
  auto admitted = admit(*site, peer, signed_envelope, parts_.clock.now());
  if (admitted && admitted->view->composite) {
    // Sent on by whoever composes (federation/compose/relay.h); here are this site's own twins.
    admitted =
        make_error(ErrorCode::query_unsupported, "'" + admitted->view->name + "' is a system twin");
  }
  if (!admitted) return leave(refuse(admitted.error(), nullptr), parts_.grid, started);
  auto pending = std::make_shared<Pending>();
  pending->site = std::move(site);
  pending->admitted = std::move(*admitted);
  if (const auto wait = parts_.rates->take(*pending->site, pending->admitted.envelope.agreement,
                                           parts_.clock.now())) {
    Outcome refusal =
        refuse(make_error(ErrorCode::overloaded,
                          "the agreement's rate of questions is used up for " + to_text(*wait)),
               pending.get());
    std::get<Refusal>(refusal).retry_after = *wait;
    return leave(std::move(refusal), parts_.grid, started);
  }
  if (!pending->admitted.envelope.receipt.empty() && !pending->admitted.inquiry.shown) {
    log::warn("gate", "a receipt was shown that this site has not signed",
              {{"partner", peer.organisation.short_hex()}});
  }
  if (parts_.grid.ns > 0) {
    pending->slot = answer_slot(pending->admitted.question, *pending->admitted.view, parts_.grid);
    if (parts_.clock.now() + pending->slot >= pending->admitted.envelope.deadline) {
      const Error late = make_error(ErrorCode::deadline_exceeded,
                                    "by the declared sizes the answer takes " +
                                        to_text(pending->slot) + ", longer than it is waited for",
                                    "ask with a longer timeout, or for a shorter window");
      return leave(refuse(late, pending.get()), parts_.grid, started);
    }
  }
  return aggregate_and_commit(pending)
      .catch_([this, pending](kj::Exception&& fault) -> Outcome {
        // A fault keeps to the time grid as well, and tells the partner no more than to come back.
        const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
        return refuse(make_error(busy ? ErrorCode::overloaded : ErrorCode::store_failed,
                                 fault.getDescription().cStr()),
                      pending.get());
      })
      .then([this, pending, started](Outcome outcome) {
        return leave(std::move(outcome), pending->slot, started);
      });
}

kj::Promise<DisclosureGate::Outcome> DisclosureGate::aggregate_and_commit(
    std::shared_ptr<Pending> pending) {
  auto work = [this, pending] {
    return inquire_and_aggregate(pending->admitted, parts_.releases, parts_.twins, choice_);
  };
  return off_loop<WorkerResult>(parts_.loop, parts_.workers, std::move(work))
      .then([this, pending](WorkerResult result) -> kj::Promise<Outcome> {
        if (result.refusal) {
          Outcome outcome = refuse(*result.refusal, pending.get());
          std::get<Refusal>(outcome).left = std::move(result.left);
          return outcome;
        }
        pending->standing = std::move(result.standing);
        pending->exact = std::move(result.exact);
        pending->composed = std::move(result.composed);
        // That a release is sent again, or made of such, is said in the answer; it need not wait
        // for a scan.
        if (pending->standing.release || pending->composed) pending->slot = parts_.grid;
        // A repeat as well: its query id is used up before its bytes leave again, so that a
        // question that comes by two ways is answered on one of them, whatever was paid for before.
        return commit(pending);
      });
}

kj::Promise<DisclosureGate::Outcome> DisclosureGate::commit(std::shared_ptr<Pending> pending) {
  // The aggregate took its time: what has ended meanwhile ends this question too, at no cost.
  const auto site = parts_.site();
  const Envelope& envelope = pending->admitted.envelope;
  if (site->partner(envelope.origin) == nullptr) {
    return refuse(make_error(ErrorCode::agreement_missing, "the link ended meanwhile"),
                  pending.get());
  }
  if (auto agreed = still_agreed(*site, envelope.agreement, envelope.origin); !agreed) {
    return refuse(agreed.error(), pending.get());
  }
  if (envelope.deadline <= parts_.clock.now()) {
    return refuse(make_error(ErrorCode::deadline_exceeded, "the deadline passed meanwhile"),
                  pending.get());
  }
  using Committed = Result<CommittedRelease>;
  auto pair = kj::newPromiseAndFulfiller<Committed>();
  auto done = std::make_shared<kj::Own<kj::PromiseFulfiller<Committed>>>(kj::mv(pair.fulfiller));
  const Instant now = parts_.clock.now();
  auto draw = [this, pending, now] {
    const Admitted& admitted = pending->admitted;
    Release release;
    release.organisation = pending->site->self;
    release.site = pending->site->site;
    release.question_hash = admitted.inquiry.question_hash;
    release.domain = admitted.view->domain;
    release.unit = admitted.view->unit;
    release.revision = admitted.revision;
    release.released = now;
    if (pending->composed) {
      release.statistics = pending->composed->statistics;
      release.cells = pending->composed->cells;
      release.composed_of = pending->composed->composed_of;
      return canonical_bytes(release);
    }
    release.charges = admitted.price.charges;
    release.statistics = admitted.price.statistics;
    release.cells = add_noise(admitted.question, admitted.price, pending->exact, parts_.noise);
    return canonical_bytes(release);
  };
  ReleaseInquiry inquiry = pending->admitted.inquiry;
  if (pending->composed) inquiry.composed = pending->composed->charges;
  parts_.releases.commit(std::move(inquiry), std::move(draw),
                         [done](Committed committed) { (*done)->fulfill(kj::mv(committed)); });
  return pair.promise.then([this, pending](Committed committed) -> kj::Promise<Outcome> {
    if (!committed) return refuse_late(std::move(committed).error(), pending);
    return finish(*pending, *committed);
  });
}

// Decided in the store, when others were charged since the room was looked at: it says what is left
// as every other refusal of a budget does.
kj::Promise<DisclosureGate::Outcome> DisclosureGate::refuse_late(Error error,
                                                                 std::shared_ptr<Pending> pending) {
  if (error.code != ErrorCode::budget_exhausted) return refuse(error, pending.get());
  auto work = [this, pending] { return parts_.releases.left(pending->admitted.inquiry); };
  return off_loop<std::vector<BlockAmount>>(parts_.loop, parts_.workers, std::move(work))
      .then([this, pending, error = std::move(error)](std::vector<BlockAmount> left) -> Outcome {
        Outcome outcome = refuse(error, pending.get());
        std::get<Refusal>(outcome).left = std::move(left);
        return outcome;
      });
}

DisclosureGate::Outcome DisclosureGate::finish(const Pending& pending,
                                               const CommittedRelease& committed) {
  const Admitted& admitted = pending.admitted;
  Answer answer;
  answer.release = committed.release;
  answer.reused = committed.reused;
  answer.charged = committed.charged;
  answer.left = committed.left;
  answer.caps = caps_of(admitted.inquiry);
  answer.delta_charged = committed.delta_charged;
  answer.delta_left = committed.delta_left;
  if (!admitted.path.hops.empty()) {
    // What is left is the account of whoever asked here, not of those it asked for.
    answer.left.clear();
    answer.caps.clear();
    answer.delta_left = {};
  }
  auto sealed =
      seal_answer(std::move(answer), admitted.path.answer_to, admitted.inquiry.envelope_hash,
                  committed.audit_head, *pending.site, parts_.answer_key, parts_.clock.now());
  if (!sealed) return refuse(sealed.error(), &pending);
  crash_point("release.signed");
  parts_.observer.answered(committed.reused);
  return std::move(*sealed);
}

DisclosureGate::Outcome DisclosureGate::refuse(const Error& error, const Pending* pending) {
  log::info("gate", "question refused", {{"code", code_text(error.code)}, {"reason", error.what}});
  if (pending != nullptr) parts_.releases.note(pending->admitted.inquiry, code_name(error.code));
  parts_.observer.refused(error.code);
  Refusal refusal;
  refusal.code = error.code;
  if (pending != nullptr) refusal.subject = pending->admitted.question.export_name;
  return refusal;
}

kj::Promise<DisclosureGate::Outcome> DisclosureGate::leave(Outcome outcome, Duration slot,
                                                           Duration started) {
  if (slot.ns <= 0) return kj::mv(outcome);
  const Duration elapsed = parts_.clock.steady() - started;
  return parts_.loop.after(slot_after(slot, elapsed) - elapsed)
      .then([outcome = std::move(outcome)]() mutable { return kj::mv(outcome); });
}

}  // namespace entente::federation
