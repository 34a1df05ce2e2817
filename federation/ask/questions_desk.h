// The desk at which a linked partner asks, and the way to a partner's desk.
#pragma once

#include "federation/ask/asker.h"
#include "federation/ask/disclosure_gate.h"
#include "federation/link/caller.h"
#include "schemas/wire/gate.capnp.h"

namespace entente::federation {

class LinkManager;

// Whoever judges and answers a partner's signed envelope: the gate, or what sends it on.
using AnswerQuestion =
    std::function<kj::Promise<MemberReply>(const security::PeerIdentity&, ByteView)>;
// A desk for one session; every question goes through `answer`. Threads: loop.
wire::Questions::Client make_questions_desk(const Caller& caller, AnswerQuestion answer);

// Sends over the links of `links`, which outlives the function.
SendQuestion send_over(LinkManager& links);

// What a gate says, on the wire and back; total.
void write_outcome(const DisclosureGate::Outcome& outcome, wire::AskOutcome::Builder out);
MemberReply read_outcome(wire::AskOutcome::Reader in);

void write_refusal(const Refusal& refusal, wire::Refusal::Builder out);
// Total: an unknown code reads as internal, too long a list is cut.
Refusal read_refusal(wire::Refusal::Reader in);

}  // namespace entente::federation
