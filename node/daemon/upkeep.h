// What the daemon does between calls: keeps the snapshot of the site true, tells partners what they
// must learn, renews certificates, closes what is over. Threads: loop.
#pragma once

#include "node/daemon/core.h"
#include "node/service/authenticator.h"

namespace entente::node {

// Rebuilds the snapshot from links, agreements and exports, and gives links and verifier what
// changed.
void refresh_site(Core& core);

// What links ask of the rest of the node.
federation::LinkHooks link_hooks(Core& core);

// The inviting side has enrolled a partner: stores it under the name the invitation was made for.
void store_enrolment(Core& core, security::Enrolled enrolled, std::function<void(Outcome)> stored);

// Any thread but the loop's, one at a time; at stop the loop's too. Writes the audit log's head to
// its file; a failure is logged and tried again.
void keep_head(Core& core);

// Runs for ever: each second the outboxes, the enrolment port, expiries; each minute certificates.
kj::Promise<void> upkeep(Core& core);

// Local users by the policy's roles, with their bearer tokens' hashes. Threads: loop.
class PolicyAuthenticator final : public Authenticator {
 public:
  struct Entry {
    Hash256 hash;
    std::string user;
  };
  // `distrusted` says why the audit log cannot be trusted, when it cannot: then only what reads the
  // node's own state and what cuts links is allowed.
  PolicyAuthenticator(const security::Policy& policy, std::vector<Entry> entries,
                      std::function<std::optional<Error>()> distrusted)
      : policy_(policy), entries_(std::move(entries)), distrusted_(std::move(distrusted)) {}
  std::optional<Subject> authenticate(std::string_view token) const override;
  [[nodiscard]] Outcome authorise(const Subject& subject, Verb verb,
                                  const Parameters& path) const override;

 private:
  const security::Policy& policy_;
  std::vector<Entry> entries_;
  std::function<std::optional<Error>()> distrusted_;
};

}  // namespace entente::node
