// The desk at which a linked partner proposes, settles and terminates agreements.
#pragma once

#include "federation/agree/agreement_exchange.h"
#include "federation/link/caller.h"
#include "schemas/wire/gate.capnp.h"

namespace entente::federation {

class LinkManager;

// A desk for one session; `book` outlives it. Threads: loop.
wire::Agreements::Client make_agreements_desk(const Caller& caller, AgreementBook& book);

// Tells the partner one thing: "propose" or "settle" with the signed agreement, "terminate" with
// its id and reason. Fulfils with the outcome; peer_unreachable when there is no link.
kj::Promise<Outcome> tell_partner(LinkManager& links, OrgId partner, std::string message,
                                  Bytes body, std::string reason);

}  // namespace entente::federation
