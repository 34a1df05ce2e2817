// What the daemon does between calls: keeps the snapshot of the site true, tells partners what they
// must learn, renews certificates, closes what is over. Threads: loop.
#pragma once

#include "node/daemon/core.h"

namespace entente::node {

// Rebuilds the snapshot from links, agreements and exports, and gives links and verifier what
// changed.
void refresh_site(Core& core);

// Judges and answers a signed envelope of a partner, or of this site itself: at the gate, or, about
// a system twin, by sending it on.
kj::Promise<federation::MemberReply> answer_partner(Core& core, const security::PeerIdentity& peer,
                                                    ByteView envelope);
// The way to a partner's desk, and to this site's own.
federation::SendQuestion question_sender(Core& core);

// What links ask of the rest of the node.
federation::LinkHooks link_hooks(Core& core);

// The inviting side has enrolled a partner: stores it under the name the invitation was made for.
void store_enrolment(Core& core, security::Enrolled enrolled, std::function<void(Outcome)> stored);

// After a start: the enrolment port of invitations that are still open, where their tokens say.
void reopen_enrolment(Core& core);

// Any thread but the loop's, one at a time; at stop the loop's too. Writes the audit log's head to
// its file; a failure is logged and tried again.
void keep_head(Core& core);

// Runs for ever: each second the outboxes, the enrolment port, expiries; each minute certificates.
kj::Promise<void> upkeep(Core& core);

}  // namespace entente::node
