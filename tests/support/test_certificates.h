// Certificates for tests: Ed25519 authorities, leaves with a URI name, and a verifier that pins
// one authority key per organisation. Small on purpose; the real rules are security/identity's.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "schemas/base/guarded.h"
#include "security/identity/peer.h"

namespace entente::test {

// An organisation's certificate authority. Equal names give equal ids and different keys.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name);
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  struct LeafOptions {
    std::optional<OrgId> claims;         // another organisation in the name: an impostor
    Duration life = hours(24);
    std::vector<std::string> extra_uris;  // a second name makes the leaf invalid
    std::vector<std::string> extra_dns;   // for comparisons with software that needs a host name
  };
  std::shared_ptr<const security::LeafCredential> leaf(const std::string& site,
                                                       LeafOptions options) const;
  std::shared_ptr<const security::LeafCredential> leaf(const std::string& site) const {
    return leaf(site, LeafOptions());
  }
  OrgId organisation() const;
  const Bytes& certificate_der() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Believes a leaf signed by the authority pinned for the one organisation its one URI names.
class PinnedVerifier final : public security::PeerVerifier {
 public:
  void pin(const TestAuthority& authority);
  void refuse_all(bool on) { refuse_all_ = on; }
  Result<security::PeerIdentity> verify(const std::vector<Bytes>& chain_der, Instant now,
                                        const OrgId* dialled) const override;

 private:
  std::map<OrgId, Bytes> authorities_;
  std::atomic<bool> refuse_all_{false};
};

// A credential that a test may swap at any time.
class SwappableCredentials final : public security::CredentialSource {
 public:
  explicit SwappableCredentials(std::shared_ptr<const security::LeafCredential> leaf)
      : leaf_(std::move(leaf)) {}
  std::shared_ptr<const security::LeafCredential> current() const override {
    return leaf_.with([](const auto& leaf) { return leaf; });
  }
  void swap(std::shared_ptr<const security::LeafCredential> leaf) {
    leaf_.with([&](auto& held) { held = std::move(leaf); });
  }

 private:
  Guarded<std::shared_ptr<const security::LeafCredential>> leaf_;
};

}  // namespace entente::test
