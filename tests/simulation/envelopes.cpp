#include "tests/simulation/envelopes.h"

#include "security/identity/keys.h"

namespace entente::simulation {

Bytes signed_by(const Organisation& origin, const Envelope& envelope) {
  return to_wire_bytes(security::sign_body(origin.keys.envelope, security::contexts::kEnvelope,
                                           canonical_bytes(envelope)));
}

std::optional<Envelope> read_envelope(ByteView signed_envelope) {
  auto outer = signed_from_bytes(signed_envelope);
  if (!outer) return {};
  auto envelope = envelope_from_bytes(outer->body);
  if (!envelope) return {};
  return std::move(*envelope);
}

Bytes bent_envelope(Mutation mutation, const Organisation& self,
                    const federation::SiteSnapshot& site, security::PeerIdentity& peer,
                    const Bytes& request, Instant now) {
  auto envelope = read_envelope(request);
  const Organisation* origin = envelope ? organisation_of(envelope->origin) : nullptr;
  if (origin == nullptr) return request;
  const bool genuine = security::verify(origin->keys.envelope.public_key(),
                                        security::contexts::kEnvelope, *signed_from_bytes(request));
  if (!genuine && mutation != Mutation::signature_not_checked) return request;
  switch (mutation) {
    case Mutation::stale_accepted:
      if (envelope->deadline > now) return request;
      envelope->issued = now;
      envelope->deadline = now + seconds(10);
      break;
    case Mutation::audience_not_checked:
      envelope->audience = self.id();
      envelope->audience_site = kSite;
      break;
    case Mutation::signature_not_checked:
      break;
    case Mutation::peer_not_compared:
      peer.organisation = envelope->origin;
      return request;
    case Mutation::purpose_ignored: {
      const auto agreement = site.agreements.find(envelope->agreement);
      if (agreement == site.agreements.end()) return request;
      const auto& purposes = agreement->second.value.purposes;
      if (!purposes.empty()) envelope->purpose = purposes.front();
      break;
    }
    default:
      return request;
  }
  return signed_by(*origin, *envelope);
}

}  // namespace entente::simulation
