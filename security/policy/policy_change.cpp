#include "security/policy/policy_change.h"

#include <algorithm>

namespace entente::security {
namespace {

Outcome holds_all(const Policy& policy, const PolicyActor& actor, Role role) {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    if (!role_allows(role, verb)) continue;
    const auto held = decide(policy, actor.user, verb, {}, {actor.now, false, {}});
    if (held.allowed) continue;
    return make_error(ErrorCode::denied,
                      "the role " + std::string(to_text(role)) + " allows " +
                          std::string(to_text(verb)) + ", which '" + actor.user.name +
                          "' may not do themselves",
                      "ask an owner");
  }
  return {};
}

Outcome holds(const Policy& policy, const PolicyActor& actor, const Grant& grant) {
  const auto held = decide(policy, actor.user, grant.verb, grant.resource, {actor.now, false, {}});
  if (held.allowed) return {};
  return make_error(ErrorCode::denied,
                    "'" + actor.user.name + "' may not grant what they may not do: " +
                        std::string(to_text(grant.verb)) + " on " + grant.resource.text(),
                    "ask an owner");
}

}  // namespace

Result<Policy> give_role(const Policy& policy, const PolicyActor& actor, const std::string& user,
                         Role role) {
  if (auto held = holds_all(policy, actor, role); !held) return std::move(held).error();
  Users users = policy.users();
  if (!users[user].insert(role).second) {
    return make_error(ErrorCode::conflict,
                      "'" + user + "' has the role " + std::string(to_text(role)) + " already");
  }
  return policy.with(std::move(users), policy.grants());
}

Result<Policy> take_role(const Policy& policy, const PolicyActor& actor, const std::string& user,
                         Role role) {
  if (auto held = holds_all(policy, actor, role); !held) return std::move(held).error();
  Users users = policy.users();
  const auto found = users.find(user);
  if (found == users.end()) {
    return make_error(ErrorCode::not_found, "there is no user '" + user + "'",
                      "see 'entente role list'");
  }
  if (found->second.erase(role) == 0) {
    return make_error(ErrorCode::conflict,
                      "'" + user + "' does not have the role " + std::string(to_text(role)));
  }
  std::vector<Grant> grants = policy.grants();
  if (found->second.empty()) {
    users.erase(found);
    std::erase_if(grants, [&](const Grant& grant) {
      const auto* to = std::get_if<std::string>(&grant.to);
      return to != nullptr && *to == user;
    });
  }
  return policy.with(std::move(users), std::move(grants));
}

Result<Policy> add_grant(const Policy& policy, const PolicyActor& actor, Grant grant) {
  if (is_partner_verb(grant.verb)) {
    return make_error(
        ErrorCode::invalid_argument,
        std::string(to_text(grant.verb)) + " comes from links and agreements, not from grants");
  }
  if (grant.expires && *grant.expires <= actor.now) {
    return make_error(ErrorCode::invalid_argument, "the grant would have expired already");
  }
  if (auto held = holds(policy, actor, grant); !held) return std::move(held).error();
  std::vector<Grant> grants = policy.grants();
  if (std::find(grants.begin(), grants.end(), grant) != grants.end()) {
    return make_error(ErrorCode::conflict, "this grant is there already: " + grant.text());
  }
  // A new end replaces the old one.
  std::erase_if(grants, [&](const Grant& one) { return one.text() == grant.text(); });
  grants.push_back(std::move(grant));
  return policy.with(policy.users(), std::move(grants));
}

Result<Policy> remove_grant(const Policy& policy, const PolicyActor& actor,
                            const std::string& text) {
  std::vector<Grant> grants = policy.grants();
  const auto found = std::find_if(grants.begin(), grants.end(),
                                  [&](const Grant& grant) { return grant.text() == text; });
  if (found == grants.end()) {
    return make_error(ErrorCode::not_found, "there is no grant '" + text + "'",
                      "see 'entente access list'");
  }
  if (auto held = holds(policy, actor, *found); !held) return std::move(held).error();
  std::erase_if(grants, [&](const Grant& grant) { return grant.text() == text; });
  return policy.with(policy.users(), std::move(grants));
}

std::vector<Permitted> who_can(const Policy& policy, Verb verb, const Resource& resource,
                               Instant now) {
  std::vector<Permitted> found;
  for (const auto& [name, roles] : policy.users()) {
    const auto decision = decide(policy, LocalUser{name, roles}, verb, resource, {now, false, {}});
    if (decision.allowed) found.push_back({name, decision.reason});
  }
  return found;
}

Result<Resource> resource_from_text(std::string_view text) {
  const auto colon = text.find(':');
  const auto kind = resource_kind_from_text(text.substr(0, colon));
  const std::string name(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (!kind || name.empty()) {
    std::string kinds;
    for (std::size_t i = 0; i < kResourceKinds; ++i) {
      kinds += (i == 0 ? "" : ", ") + std::string(to_text(static_cast<ResourceKind>(i)));
    }
    return make_error(ErrorCode::invalid_argument, "'" + std::string(text) + "' is no resource",
                      "write KIND:NAME or KIND:*, with one of the kinds " + kinds);
  }
  return Resource{*kind, name == "*" ? std::string() : name};
}

}  // namespace entente::security
