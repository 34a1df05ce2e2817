// Local users at the HTTP edge: whose token it is, and what the policy lets them do.
#pragma once

#include "node/daemon/core.h"
#include "node/service/authenticator.h"
#include "security/policy/bearer_token.h"

namespace entente::node {

// Four kinds of tokens: the administrator's, which init wrote, of the user "admin"; those that
// `entente access token` or a login made; signed ones of an identity provider, when the policy
// names one and its keys lie in `oidc.jwks.json`; and the secret of break-glass, over loopback
// only. A grant on an agreement counts for it however a path names it: its id is looked up. While
// the audit log cannot be trusted only what reads the node's own state and what cuts links is
// allowed. Threads: loop. `core` outlives it.
class PolicyAuthenticator final : public Authenticator {
 public:
  struct Secrets {
    Hash256 admin_token;
    std::optional<Hash256> break_glass = {};
    security::BearerKeys provider = {};
  };
  PolicyAuthenticator(const Core& core, Secrets secrets)
      : core_(core), secrets_(std::move(secrets)) {}
  std::optional<Subject> authenticate(std::string_view token, Origin from) const override;
  [[nodiscard]] Outcome authorise(const Subject& subject, Verb verb,
                                  const security::Resource& resource) const override;

 private:
  const Core& core_;
  Secrets secrets_;
};

// The resource under the name that grants know: of an agreement its id, however it was named.
security::Resource canonical(const Core& core, security::Resource resource);

}  // namespace entente::node
