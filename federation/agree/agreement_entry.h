// One agreement as one side keeps it, from the first offer to the end, and every way it changes.
//
// Each function takes an entry and gives the next one; whoever keeps entries makes it durable
// before it counts (node/daemon/agreement_register.h). What the partner must learn stands in
// `outbox` until it has answered; a later step takes the place of an earlier one that has not
// arrived, since each says all that its receiver needs. Messages bear ascending numbers of their
// sender: the newest is answered again as it was, an older one is refused. Threads: any; pure.
#pragma once

#include "federation/agree/agreement_exchange.h"
#include "schemas/answer.h"

namespace entente::federation {

struct AgreementEntry {
  AgreementId id;         // of the first offer: the negotiation's name for ever
  AgreementId terms;      // of the offer on the table or in force: what questions name
  Agreement value;        // these terms
  Bytes signed_bytes;     // SignedAgreement as it stands
  Bytes previous;         // the same of the offer that these terms answer; empty: none
  bool provides = false;  // this organisation is the provider
  Standing standing;
  Instant since;
  std::string last_error;
  std::string reason;                      // of the last suspension or the end
  std::optional<AgreementMessage> outbox;  // what the partner has to be told yet
  std::uint64_t sent = 0;                  // the highest number of a message from here
  std::uint64_t heard = 0;  // the same of the partner's, with its hash and what it was answered
  Hash256 heard_hash;
  std::optional<Refusal> heard_refusal;
  const OrgId& partner() const { return provides ? value.consumer : value.provider; }
  bool operator==(const AgreementEntry&) const = default;
};

// When time ends the entry by itself: unanswered offers sooner than signed terms. Nothing when it
// is over.
std::optional<Instant> lapses_at(const AgreementEntry& entry);

// Who acts, with what, when. References outlive the call.
struct AgreementParty {
  const SiteSnapshot& site;
  const security::SigningKey& key;
  Instant now;
};

// Steps of this side. Refuse: conflict (it does not fit), agreement_invalid (the terms).
[[nodiscard]] Result<AgreementEntry> propose(const AgreementParty& party, Agreement terms);
// `terms` in answer to those on the table: round and answers are set here. Refuses besides: other
// parties or another name.
[[nodiscard]] Result<AgreementEntry> counter(const AgreementParty& party,
                                             const AgreementEntry& entry, Agreement terms);
struct TakenStep {
  AgreementEntry entry;
  // The terms cannot be signed here: the entry tells the partner why, and this is for the person
  // who wanted to.
  std::optional<Error> failed;
};
// settle, withdraw, suspend, resume, terminate.
[[nodiscard]] Result<TakenStep> take(const AgreementParty& party, const AgreementEntry& entry,
                                     AgreementStep step, std::string reason);

// A step of the partner. `entry` is that of the message's thread, or null.
struct Heard {
  std::optional<Refusal> refusal;         // what the partner is answered; nothing: accepted
  std::string why;                        // of a refusal, for this side's log
  std::optional<AgreementEntry> changed;  // to be made durable before the partner is answered
};
Heard hear(const AgreementParty& party, const OrgId& peer, const OpenedMessage& opened,
           const AgreementEntry* entry);

// What came of telling the partner what stands in the outbox.
struct Told {
  Outcome outcome;
  std::string subject;  // of the partner's refusal: "test 2"
};
// Whether another attempt may succeed; otherwise the refusal is for good.
bool worth_retrying(const Error& error);
// Nothing: the message is not what stands in the outbox any more.
std::optional<AgreementEntry> answered(const AgreementEntry& entry, std::uint64_t number,
                                       const Told& told, Instant now);

// Nothing while its time has not come.
std::optional<AgreementEntry> lapse(const AgreementEntry& entry, Instant now);

}  // namespace entente::federation
