// The disclosure gate: the only way by which anything about this site's twins leaves for another
// organisation. Design section 8 fixes the order:
//
//   session -> freshness and replay -> agreement -> decide -> shape -> price -> ledger has room ->
//   exact aggregate on a worker -> one transaction {debit, noise, final bytes, audit intent} ->
//   sign, seal to the asker -> send on the time grid
//
// Before the aggregate each unit is held to the groups that were priced (contribution.h).
//
// A sum whose window is covered by cells that were released before is answered from them, without
// noise, charge to the site or private read (composition.h), unless the asker wants it fresh. What
// is released of a window again after a scheduled revision is charged like any other question.
//
// A refusal costs nothing, changes nothing and precedes every private read, but for one that only
// the transaction can decide, when others were charged meanwhile. A crash before the
// commit: nothing left. After it: the same bytes are sent again when asked again.
// The partner learns a code and public names of its own question; the full reason stays in the log.
// Threads: loop.
#pragma once

#include <kj/async.h>

#include <memory>
#include <variant>

#include "federation/ask/admission.h"
#include "federation/ask/question_rates.h"
#include "federation/ask/release_store.h"
#include "federation/ask/site.h"
#include "federation/query/twin_source.h"
#include "schemas/answer.h"
#include "schemas/base/clock.h"
#include "security/identity/keys.h"
#include "security/privacy/choice_key.h"
#include "security/privacy/noise.h"

namespace entente::federation {

class Loop;
class Workers;

// What the gate tells metrics and tests. Loop thread.
class GateObserver {
 public:
  virtual ~GateObserver() = default;
  virtual void answered(bool /*reused*/) {}
  virtual void refused(ErrorCode /*code*/) {}
};

class DisclosureGate {
 public:
  struct Parts {
    Loop& loop;
    Workers& workers;
    const Clock& clock;
    const TwinSource& twins;
    ReleaseStore& releases;
    const security::SigningKey& answer_key;
    security::NoiseSource& noise;  // used on the store's thread alone
    SnapshotSource site;
    GateObserver& observer;
    // Answers leave at times that follow from declared sizes, in multiples of this, so that their
    // timing says nothing about noise or data (answer_slot.h). Zero sends at once.
    Duration grid;
    // Shared with the gate of feeds. Never null.
    std::shared_ptr<QuestionRates> rates = std::make_shared<QuestionRates>();
  };
  // A sealed, signed answer; or what the partner may learn of the refusal.
  using Outcome = std::variant<Refusal, Bytes>;

  explicit DisclosureGate(Parts parts);

  kj::Promise<Outcome> answer(const security::PeerIdentity& peer, ByteView signed_envelope);

 private:
  struct Pending;
  kj::Promise<Outcome> aggregate_and_commit(std::shared_ptr<Pending> pending);
  kj::Promise<Outcome> commit(std::shared_ptr<Pending> pending);
  Outcome finish(const Pending& pending, const CommittedRelease& committed);
  Outcome refuse(const Error& error, const Pending* pending);
  kj::Promise<Outcome> refuse_late(Error error, std::shared_ptr<Pending> pending);
  kj::Promise<Outcome> leave(Outcome outcome, Duration slot, Duration started);

  Parts parts_;
  security::ChoiceKey choice_;  // which groups a unit is counted in
};

}  // namespace entente::federation
