// Local users at the HTTP edge: whose token it is, and what the policy lets them do.
#pragma once

#include "node/daemon/core.h"
#include "node/service/authenticator.h"

namespace entente::node {

// Two kinds of tokens: the administrator's, which init wrote, of the user "admin"; and those that
// `entente access token` made. While the audit log cannot be trusted only what reads the node's
// own state and what cuts links is allowed. Threads: loop. `core` outlives it.
class PolicyAuthenticator final : public Authenticator {
 public:
  PolicyAuthenticator(const Core& core, const Hash256& admin_token)
      : core_(core), admin_token_(admin_token) {}
  std::optional<Subject> authenticate(std::string_view token) const override;
  [[nodiscard]] Outcome authorise(const Subject& subject, Verb verb,
                                  const security::Resource& resource) const override;

 private:
  const Core& core_;
  Hash256 admin_token_;
};

}  // namespace entente::node
