#include "node/daemon/policy_authenticator.h"

#include <sodium.h>

#include <algorithm>

#include "schemas/base/log.h"
#include "security/policy/policy_change.h"

namespace entente::node {
namespace {

// With an audit log that cannot be trusted: health, status, and what ends something.
bool stays_open(Verb verb) {
  using enum Verb;
  return verb == read_status || verb == read_links || verb == read_audit || verb == read_policy ||
         verb == read_agreements || verb == read_budgets || verb == cut_links;
}

bool same(const Hash256& one, const Hash256& other) {
  return sodium_memcmp(one.bytes.data(), other.bytes.data(), one.bytes.size()) == 0;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "nobody" : out;
}

}  // namespace

security::Resource canonical(const Core& core, security::Resource resource) {
  if (resource.kind != security::ResourceKind::agreement || resource.name.empty()) return resource;
  if (const auto entry = core.agreements->find(resource.name)) resource.name = entry->id.hex();
  return resource;
}

std::optional<Subject> PolicyAuthenticator::authenticate(std::string_view token,
                                                         Origin from) const {
  const Hash256 hash = token_hash(token);
  const Instant now = core_.clock.now();
  // All are looked at whichever matches.
  const auto owner = core_.access->owner_of(hash, now);
  const bool admin = same(secrets_.admin_token, hash);
  const bool emergency = secrets_.break_glass && same(*secrets_.break_glass, hash);
  if (admin) return core_.policy.user("admin");
  if (emergency) {
    if (from != Origin::loopback) return std::nullopt;
    Subject subject{"break-glass", {}};
    subject.break_glass = true;
    return subject;
  }
  if (owner) return owner;
  const auto& rules = core_.policy.parts().oidc;
  if (!rules || std::count(token.begin(), token.end(), '.') != 2) return std::nullopt;
  auto bearer = security::verify_bearer(*rules, secrets_.provider, token, now);
  if (!bearer) {
    log::info("http", "a signed token was refused", {{"reason", bearer.error().what}});
    return std::nullopt;
  }
  auto user = core_.policy.user(bearer->user);
  if (user) user->until = bearer->expires;
  return user;
}

Outcome PolicyAuthenticator::authorise(const Subject& subject, Verb verb,
                                       const security::Resource& named) const {
  const security::Resource resource = canonical(core_, named);
  const Instant now = core_.clock.now();
  const auto decision = security::decide(core_.policy, subject, verb, resource, {now, false, {}});
  if (!decision.allowed) {
    return make_error(decision.code, decision.reason,
                      "these could grant it: " +
                          joined(security::who_could_grant(core_.policy, verb, resource, now)));
  }
  if (const auto& why = core_.audit->fault(); why && !stays_open(verb)) {
    return make_error(ErrorCode::store_failed, why->what, why->remedy);
  }
  return {};
}

}  // namespace entente::node
