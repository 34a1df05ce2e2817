// Who is believed at a handshake: exactly the sites of pinned organisations.
//
// A certificate counts for the one organisation that its only SAN names, and only when a CA key of
// that organisation's own charter signed it; so no partner's CA can name another partner. There is
// no store of trusted roots and no name matching besides.
#pragma once

#include <map>
#include <memory>

#include "schemas/base/guarded.h"
#include "security/identity/certificate.h"
#include "security/identity/charter.h"
#include "security/identity/peer.h"

namespace entente::security {

// The organisations believed, immutable once shared.
using PinnedOrganisations = std::map<OrgId, PinnedOrganisation>;

// Threads: any.
class PinnedVerifier final : public PeerVerifier {
 public:
  explicit PinnedVerifier(PinnedOrganisations pinned = {});

  // Swaps the whole snapshot; handshakes under way finish with the one they began with.
  void replace(PinnedOrganisations pinned);
  std::shared_ptr<const PinnedOrganisations> snapshot() const;

  // Expects leaf and CA certificate, nothing else. Refuses (certificate_refused): other lengths of
  // chain, anything but Ed25519, not exactly one SAN of the form above, an organisation that is not
  // pinned or not the one dialled, an expired charter, an issuer that this charter does not name as
  // CA, a revoked leaf or issuer key, a leaf that may act as CA or lacks its usages, a life over
  // 25 h, a signature or validity that X509_verify_cert refuses at `now`.
  Result<PeerIdentity> verify(const std::vector<Bytes>& chain_der, Instant now,
                              const OrgId* dialled) const override;

  // Whether an identity verified earlier still stands, for live sessions: pinned, in force, not
  // revoked, issuer still named, certificate not expired.
  [[nodiscard]] Outcome still_valid(const PeerIdentity& peer, Instant now) const;

 private:
  Guarded<std::shared_ptr<const PinnedOrganisations>> pinned_;
};

// Believes the collectors of one organisation, its own, and nobody else: every rule of
// PinnedVerifier but that the name is spiffe://<org>/collector/<name>, the only extended usage is
// clientAuth, and the life at most limits::kCollectorLifeMax. A site's leaf is refused here as a
// collector's is there. A collector's certificate outlives rotations of the CA key: its issuer may
// be a CA key of an earlier charter that is not revoked, since the register names the one leaf key
// that counts. Whether the collector was revoked is its to say as well. Threads: any.
class CollectorVerifier final : public PeerVerifier {
 public:
  explicit CollectorVerifier(PinnedOrganisation own);
  // The organisation's charter went on.
  void replace(PinnedOrganisation own);
  // `site` of the identity is the collector's name.
  Result<PeerIdentity> verify(const std::vector<Bytes>& chain_der, Instant now,
                              const OrgId* dialled) const override;

 private:
  Guarded<std::shared_ptr<const PinnedOrganisation>> own_;
};

}  // namespace entente::security
