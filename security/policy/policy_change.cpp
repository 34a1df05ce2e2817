#include "security/policy/policy_change.h"

#include <algorithm>

namespace entente::security {
namespace {

// How long somebody may do something: not at all, until an instant, or for ever.
struct Held {
  bool allowed = false;
  std::optional<Instant> until;
};

Held held(const Policy& policy, const PolicyActor& actor, Verb verb, const Resource& resource) {
  const LocalUser& user = actor.user;
  if (user.only && !user.only->contains(verb)) return {};
  for (const Role role : user.roles) {
    if (role_allows(role, verb)) return {true, {}};
  }
  Held best;
  for (const Grant& grant : policy.grants()) {
    if (!covers(grant, user, verb, resource)) continue;
    if (!grant.expires) return {true, {}};
    if (*grant.expires <= actor.now) continue;
    best.until = best.allowed ? std::max(*best.until, *grant.expires) : *grant.expires;
    best.allowed = true;
  }
  return best;
}

Outcome holds(const Policy& policy, const PolicyActor& actor, const Grant& grant);

Error less(const PolicyActor& actor, const std::string& what) {
  return make_error(ErrorCode::denied,
                    "'" + actor.user.name + "' may not give what they do not hold: " + what,
                    "ask an owner");
}

// Every live grant to this user or to one of their roles.
Outcome holds_grants(const Policy& policy, const PolicyActor& actor, const LocalUser& user) {
  for (const Grant& grant : policy.grants()) {
    const bool live = !grant.expires || *grant.expires > actor.now;
    if (!live || !covers(grant, user, grant.verb, grant.resource)) continue;
    if (auto own = holds(policy, actor, grant); !own) return own;
  }
  return {};
}

// A role allows its verbs everywhere and for ever: that is held by roles alone. What is granted to
// the role besides goes with it.
Outcome holds_all(const Policy& policy, const PolicyActor& actor, Role role) {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    if (!role_allows(role, verb)) continue;
    const bool by_role = std::any_of(actor.user.roles.begin(), actor.user.roles.end(),
                                     [verb](Role own) { return role_allows(own, verb); }) &&
                         (!actor.user.only || actor.user.only->contains(verb));
    if (!by_role) {
      return less(actor, std::string(to_text(verb)) + ", which the role " +
                             std::string(to_text(role)) + " allows");
    }
  }
  return holds_grants(policy, actor, LocalUser{"", {role}});
}

Outcome holds(const Policy& policy, const PolicyActor& actor, const Grant& grant) {
  const Held own = held(policy, actor, grant.verb, grant.resource);
  const bool longer = own.until && (!grant.expires || *grant.expires > *own.until);
  if (!own.allowed || longer) {
    return less(actor, std::string(to_text(grant.verb)) + " on " + grant.resource.text() +
                           (longer && own.allowed ? " after " + to_text(*own.until) : ""));
  }
  return {};
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

Outcome may_lend(const Policy& policy, const PolicyActor& actor, const LocalUser& target) {
  const auto& narrow = actor.user.only;
  const bool wider =
      narrow && (!target.only || !std::includes(narrow->begin(), narrow->end(),
                                                target.only->begin(), target.only->end()));
  if (wider) return less(actor, "more verbs than their own token is for");
  if (actor.user.until && (!target.until || *target.until > *actor.user.until)) {
    return less(actor, "a token that outlives their own");
  }
  if (actor.user.name == target.name) return {};
  for (std::size_t i = 0; i < kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    const auto allows = [verb](Role role) { return role_allows(role, verb); };
    const auto& theirs = target.roles;
    const auto& own = actor.user.roles;
    if (std::any_of(theirs.begin(), theirs.end(), allows) &&
        std::none_of(own.begin(), own.end(), allows)) {
      return less(actor, std::string(to_text(verb)) + ", which '" + target.name + "' may do");
    }
  }
  return holds_grants(policy, actor, target);
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
  if (!kind || (name != "*" && !is_resource_name(name))) {
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
