// Witnessing partners' audit logs: what this site makes of the checkpoints they show.
//
// A log that went back or forked is evidence against its owner: both notes are kept, the audit log
// records it, and the link freezes (suspended, with the reason) until an administrator resumes it,
// which begins anew with that log. Threads: loop.
#pragma once

#include <kj/async.h>

#include "federation/link/link_hooks.h"
#include "node/daemon/core.h"

namespace entente::node {

// The hook of LinkHooks::witness. Judges and keeps in one transaction, then answers.
// Refuses: denied (no active link), verification_failed (not the caller's checkpoint).
kj::Promise<Result<federation::WitnessReply>> witness_partner(Core& core,
                                                              const federation::Caller& caller,
                                                              security::WitnessOffer offer);

// Suspends the link while something that the partner's log showed is not settled; one that is not
// active stays as it is. A freeze that a crash prevented is made up for by the audit keeper's next
// turn.
void freeze_link(Core& core, const OrgId& organisation);

}  // namespace entente::node
