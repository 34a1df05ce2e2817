#include "node/daemon/policy_authenticator.h"

#include <sodium.h>

namespace entente::node {
namespace {

// With an audit log that cannot be trusted: health, unlinking and status.
bool stays_open(Verb verb) {
  using enum Verb;
  return verb == read_status || verb == read_links || verb == manage_links || verb == read_audit ||
         verb == read_policy || verb == read_agreements || verb == read_budgets;
}

}  // namespace

std::optional<Subject> PolicyAuthenticator::authenticate(std::string_view token) const {
  const Hash256 hash = token_hash(token);
  // Both are looked at whichever matches.
  const auto owner = core_.access->owner_of(hash, core_.clock.now());
  if (sodium_memcmp(admin_token_.bytes.data(), hash.bytes.data(), hash.bytes.size()) == 0) {
    return core_.policy.user("admin");
  }
  return owner;
}

Outcome PolicyAuthenticator::authorise(const Subject& subject, Verb verb,
                                       const security::Resource& resource) const {
  const auto decision =
      security::decide(core_.policy, subject, verb, resource, {core_.clock.now(), false, {}});
  if (!decision.allowed) {
    std::string could;
    for (const auto& one :
         security::who_can(core_.policy, Verb::manage_roles, {}, core_.clock.now())) {
      could += (could.empty() ? "" : ", ") + one.user;
    }
    return make_error(decision.code, decision.reason, "these could grant it: " + could);
  }
  if (const auto& why = core_.audit->fault(); why && !stays_open(verb)) {
    return make_error(ErrorCode::store_failed, why->what, why->remedy);
  }
  return {};
}

}  // namespace entente::node
