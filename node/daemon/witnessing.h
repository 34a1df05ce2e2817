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

}  // namespace entente::node
