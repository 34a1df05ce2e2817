// A site's own certificates: the organisation's CA certificate and leaves that renew themselves.
//
// A leaf is X.509 v3, Ed25519, lives 24 h (5 min backdated) and carries exactly one name: the URI
// SAN spiffe://<organisation id in hexadecimal>/site/<site>. The CA certificate is self-signed by
// the CA key that the charter names; partners believe the key, never the certificate.
// A collector, an edge process that sends readings to its own organisation's node, has a leaf named
// spiffe://<organisation>/collector/<name> with the usage clientAuth alone: it can serve nobody,
// and no verifier of sites takes it for one.
#pragma once

#include <memory>
#include <string>

#include "schemas/base/guarded.h"
#include "security/identity/keys.h"
#include "security/identity/peer.h"

namespace entente::security {

// spiffe://<org id>/site/<site>.
std::string site_uri(const OrgId& organisation, std::string_view site);
// spiffe://<org id>/collector/<name>.
std::string collector_uri(const OrgId& organisation, std::string_view name);

// A CA certificate for `ca`, self-signed, DER.
[[nodiscard]] Result<Bytes> make_ca_certificate(const SigningKey& ca, const OrgId& organisation,
                                                TimeWindow validity, Random& random);

// What the holder of a leaf is.
enum class LeafKind { site, collector };

struct LeafTerms {
  OrgId organisation;
  std::string site;  // or the collector's name
  TimeWindow validity;
  LeafKind kind = LeafKind::site;
};
// A leaf with a fresh key, and its chain. Refuses (invalid_argument): a site that is no local id,
// or an empty validity. Fails (internal) only when OpenSSL cannot allocate.
[[nodiscard]] Result<LeafCredential> issue_leaf(const SigningKey& ca, const Bytes& ca_certificate,
                                                const LeafTerms& terms, Random& random);

struct IssuerTerms {
  OrgId organisation;
  std::string site;
  TimeWindow charter_validity;  // no leaf outlives it
};

// Issues this site's leaves and hands out the one in force. It has no thread: whoever owns it calls
// `renew_if_due` now and then (a timer each minute will do); a renewal swaps one immutable
// snapshot, so running handshakes keep theirs. Threads: current() any; the others one at a time.
class CertificateIssuer final : public CredentialSource {
 public:
  // Issues the first leaf at once. `random` must outlive the issuer.
  [[nodiscard]] static Result<std::unique_ptr<CertificateIssuer>> create(SigningKey ca,
                                                                        IssuerTerms terms,
                                                                        Random& random,
                                                                        Instant now);

  std::shared_ptr<const LeafCredential> current() const override;
  // From now on issues under this CA key, within this charter's life, beginning at once with a new
  // leaf. Refuses (charter_invalid, internal) and goes on as before when none can be issued.
  [[nodiscard]] Outcome adopt(SigningKey ca, TimeWindow charter_validity, Instant now);
  // A new leaf now, whatever is left of the one in force. Refuses as renew_if_due.
  [[nodiscard]] Outcome renew(Instant now);
  // A leaf for a collector of this organisation, with a fresh key, from `now` for `life`, cut at
  // the charter's end. Refuses: invalid_argument (the name, or a life that is not within
  // limits::kCollectorLifeMax), charter_invalid.
  [[nodiscard]] Result<LeafCredential> issue_collector(const std::string& name, Instant now,
                                                       Duration life) const;
  // Issues a new leaf when half of the current one's life is over, or when the clock was set to
  // before its begin; true when it did. Refuses (charter_invalid) when the charter has expired; the
  // old leaf then stays.
  [[nodiscard]] Result<bool> renew_if_due(Instant now);

 private:
  CertificateIssuer(SigningKey ca, IssuerTerms terms, Random& random, Bytes ca_certificate);

  SigningKey ca_;
  IssuerTerms terms_;
  Random& random_;
  Bytes ca_certificate_;
  Guarded<std::shared_ptr<const LeafCredential>> current_;
};

}  // namespace entente::security
