// The serving side of a system twin that partners may ask: judges a question like any other, sends
// it on to the members, and answers with what came.
//
// In this order: session -> freshness, agreement, decide, shape, the way it came, price, as at the
// gate (admission.h) -> the quota that the partner has here is charged, in the ledger's own
// transaction, under the domain "system.NAME" -> one question a member (composite.h), signed by
// this site, with the partner's envelope inside -> each member judges and charges for itself.
// Nothing of this site's own twins is read: an own export that is a member is asked through the
// gate, like anybody's.
//
// Routed: each site's answer is passed on as it came. Where the site knows the asker it is sealed
// to the asker, and this site cannot read it; else this site opens it, verifies it and vouches for
// it. Own: this site adds the releases up and signs the sum (merge.h), naming whose they are.
//
// The same envelope again (the asker's connection was lost) is sent on with the same envelopes, so
// that members answer what they answered before; another envelope with the same query id is refused
// as replayed. Dropping the promise cancels what is under way below. Threads: loop.
#pragma once

#include <kj/async.h>

#include <map>
#include <memory>

#include "federation/ask/answer_reader.h"
#include "federation/ask/disclosure_gate.h"
#include "federation/ask/member_call.h"
#include "federation/compose/composite.h"

namespace entente::federation {

class Relay {
 public:
  struct Parts {
    Loop& loop;
    Workers& workers;
    const Clock& clock;
    Random& random;
    ReleaseStore& releases;
    const security::SigningKey& answer_key;
    const security::SigningKey& envelope_key;
    SnapshotSource site;
    SendQuestion send;  // also to this site itself, by its own id
    ReceiptBook& receipts;
    GateObserver& observer;
    std::shared_ptr<QuestionRates> rates;  // the gate's; never null
  };
  using Outcome = DisclosureGate::Outcome;

  explicit Relay(Parts parts);

  // Whether a question is about a system twin of this site, as far as its bytes can be read.
  bool concerns(ByteView signed_envelope) const;
  kj::Promise<Outcome> answer(const security::PeerIdentity& peer, ByteView signed_envelope);

 private:
  struct Round;
  struct Assembled;

  std::shared_ptr<Round> open_round(Admitted admitted, const std::shared_ptr<const SiteSnapshot>&,
                                    ByteView signed_envelope);
  kj::Promise<Outcome> charge(std::shared_ptr<Round> round);
  kj::Promise<Outcome> send_on(std::shared_ptr<Round> round);
  Outcome finish(const Round& round) const;
  LeafOutcome routed_site(const Round& round, std::size_t member) const;
  std::vector<LeafOutcome> routed_below(const Round& round, std::size_t member) const;
  void add_merged(const Round& round, std::size_t member, Assembled& into) const;
  Outcome sealed(const Round& round, Assembled all) const;
  Outcome refuse(const Error& error, const ReleaseInquiry* inquiry) const;
  void forget_old();

  Parts parts_;
  MemberCaller caller_;
  AnswerReader reader_;
  // By the hash of the envelope, until its deadline.
  std::map<Hash256, std::shared_ptr<Round>> rounds_;
};

}  // namespace entente::federation
