// Envelopes as honest and dishonest hands make them.
#pragma once

#include "federation/ask/site.h"
#include "schemas/envelope.h"
#include "security/identity/peer.h"
#include "tests/simulation/mutations.h"
#include "tests/simulation/organisation.h"

namespace entente::simulation {

Bytes signed_by(const Organisation& origin, const Envelope& envelope);
std::optional<Envelope> read_envelope(ByteView signed_envelope);

// What the gate of `self` is given instead of what came, under a mutation of admission: the field
// that is not checked is put right and signed again, since all keys are here. Everything else of
// the gate stays as it is.
Bytes bent_envelope(Mutation mutation, const Organisation& self,
                    const federation::SiteSnapshot& site, security::PeerIdentity& peer,
                    const Bytes& request, Instant now);

}  // namespace entente::simulation
