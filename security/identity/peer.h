// What a verified TLS peer is, and the two seams through which the link asks identity for it.
//
// The link (federation/link) owns sockets and OpenSSL's SSL objects; identity owns who is believed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente::security {

// The outcome of a verified handshake. Every field was proved; nothing is the peer's mere claim.
struct PeerIdentity {
  OrgId organisation;
  std::string site;
  Instant certificate_expires;
  Hash256 leaf_key;    // hash_public_key of the leaf's key
  Hash256 issuer_key;  // hash_public_key of the CA key that the pinned charter names
};

// Decides whether a presented chain (DER, leaf first) is a partner's. Threads: any.
class PeerVerifier {
 public:
  virtual ~PeerVerifier() = default;
  // Refuses (certificate_refused) with the reason; `dialled`, when set, is the only organisation
  // that may answer.
  virtual Result<PeerIdentity> verify(const std::vector<Bytes>& chain_der, Instant now,
                                      const OrgId* dialled) const = 0;
};

// A leaf certificate with its chain and key, immutable once made.
struct LeafCredential {
  std::vector<Bytes> chain_der;  // leaf, then CA
  Bytes private_key_der;         // PKCS #8; wiped by its owner at the end of its life
  Instant not_before;
  Instant not_after;
  ~LeafCredential();
};

// Hands out the leaf in force; renewal swaps it between handshakes, so that no call is dropped.
// Threads: any.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  virtual std::shared_ptr<const LeafCredential> current() const = 0;
};

}  // namespace entente::security
