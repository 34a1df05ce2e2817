// What the link asks of the rest of the node. An unset hook refuses.
#pragma once

#include <kj/async.h>

#include <functional>
#include <string>
#include <vector>

#include "federation/link/caller.h"
#include "federation/link/method_table.h"
#include "federation/link/tls_context.h"
#include "schemas/charter.h"
#include "schemas/wire/gate.capnp.h"
#include "security/audit/witness.h"

namespace entente::federation {

// For the audit log and the metrics.
struct LinkEvent {
  enum class Kind { connected, closed, violation, refused };
  Kind kind;
  OrgId organisation;  // zero when the handshake proved none
  Direction direction;
  std::string reason;  // ours, fixed words; a peer's own text is cut and never trusted
  std::string address;
};

// What a partner is told about the checkpoint that it showed.
struct WitnessReply {
  std::string cosigned;  // a signature line; empty: see `seen`
  std::string seen;      // the newest note seen of its log; empty: none
};

// What one side shows of its organisation's charters, and what it knows of the other's.
struct CharterOffer {
  std::uint32_t pinned = 0;         // the newest version of the receiver's that the sender has
  std::vector<SignedCharter> mine;  // from the version that the receiver is known to have on
};

// All are called on the loop thread and must not block.
struct LinkHooks {
  // May this peer have a session? Asked at every opening and renewal, and at every look of the
  // watchdog over standing connections of either direction, so that revocation bites within a
  // second. Cheap: it runs twice a second for each connection.
  std::function<Outcome(const security::PeerIdentity&)> admit;
  // The policy's word on one call.
  std::function<Outcome(const Caller&, const MethodRow&)> decide;
  // Records the intent of an `ask` or `admin` call; the call goes on once this is durable and is
  // refused (store_failed) when it breaks.
  std::function<kj::Promise<void>(const Caller&, const MethodRow&)> audit_intent;
  // Make one desk for one session. The object must be a Governed<…> held by the client directly
  // (a promise would be refused by the caller's firewall).
  std::function<wire::Questions::Client(const Caller&)> questions;
  std::function<wire::Agreements::Client(const Caller&)> agreements;
  std::function<wire::Feeds::Client(const Caller&)> feeds;
  // Judges the caller's checkpoint (security/audit/witness.h), and keeps it before it answers.
  std::function<kj::Promise<Result<WitnessReply>>(const Caller&, security::WitnessOffer)> witness;
  // Takes what a partner shows of its charters, durably, and answers in kind: this site's from the
  // version on that the partner has, and the version of the partner's that is pinned now.
  std::function<kj::Promise<Result<CharterOffer>>(const Caller&, CharterOffer)> charters;
  // Optional. What is said first over a session that was just opened or renewed, before any call of
  // this node uses it; a fault of it ends the opening.
  std::function<kj::Promise<void>(const OrgId&, wire::Session::Client)> greet;
  // Optional.
  std::function<void(const LinkEvent&)> on_event;
};

}  // namespace entente::federation
