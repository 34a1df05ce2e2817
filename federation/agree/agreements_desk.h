// The desk at which a linked partner tells its steps about agreements, and the way to a partner's.
#pragma once

#include "federation/agree/agreement_entry.h"
#include "federation/link/caller.h"
#include "schemas/wire/gate.capnp.h"

namespace entente::federation {

class LinkManager;

// Where a desk's messages go. Loop thread; answers once, on the loop, when what the message changed
// is durable: the state reached, or what the partner may learn of the refusal.
class AgreementBook {
 public:
  struct Reply {
    std::optional<Refusal> refusal;
    AgreementState state = AgreementState::draft;
  };
  using Done = std::function<void(Reply)>;
  virtual ~AgreementBook() = default;
  virtual void on_message(const OrgId& peer, Bytes signed_message, Done done) = 0;
};

// A desk for one session; `book` outlives it. Threads: loop.
wire::Agreements::Client make_agreements_desk(const Caller& caller, AgreementBook& book);

// Tells the partner one step. Fulfils with what came of it; peer_unreachable when there is no link.
kj::Promise<Told> tell_partner(LinkManager& links, OrgId partner, Bytes signed_message);

}  // namespace entente::federation
