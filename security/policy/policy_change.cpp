#include "security/policy/policy_change.h"

#include <algorithm>

namespace entente::security {
namespace {

// How long somebody may do something: not at all, until an instant, or for ever.
struct Held {
  bool allowed = false;
  std::optional<Instant> until = {};
  // Also so, until `end`.
  void add(std::optional<Instant> end, Instant now) {
    if (end && *end <= now) return;
    if (!allowed) until = end;
    if (allowed && until) until = end ? std::optional(std::max(*until, *end)) : std::nullopt;
    allowed = true;
  }
  bool lasts(std::optional<Instant> end) const {
    return allowed && (!until || (end && *end <= *until));
  }
};

// By roles, which allow everywhere.
Held held_by_roles(const Policy& policy, const PolicyActor& actor, Verb verb) {
  const LocalUser& user = actor.user;
  Held held;
  if (user.disabled || (user.only && !user.only->contains(verb))) return held;
  for (const AnyRole& role : user.roles) {
    if (!policy.allows(role, verb)) continue;
    const auto end = user.role_ends.find(role);
    held.add(end == user.role_ends.end() ? std::nullopt : std::optional(end->second), actor.now);
  }
  return held;
}

Held held(const Policy& policy, const PolicyActor& actor, Verb verb, const Resource& resource) {
  const LocalUser& user = actor.user;
  Held best = held_by_roles(policy, actor, verb);
  if (user.disabled || (user.only && !user.only->contains(verb))) return best;
  for (const Grant& grant : policy.grants()) {
    if (covers(grant, user, verb, resource, actor.now)) best.add(grant.expires, actor.now);
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
    if (!live || !covers(grant, user, grant.verb, grant.resource, actor.now)) continue;
    if (auto own = holds(policy, actor, grant); !own) return own;
  }
  return {};
}

// Verbs allowed everywhere until `until`: that is held by roles alone.
Outcome holds_verbs(const Policy& policy, const PolicyActor& actor, const std::set<Verb>& verbs,
                    std::optional<Instant> until) {
  for (const Verb verb : verbs) {
    const Held own = held_by_roles(policy, actor, verb);
    if (own.lasts(until)) continue;
    return less(actor, std::string(to_text(verb)) + " everywhere" +
                           (own.allowed ? " after " + to_text(*own.until) : ""));
  }
  return {};
}

std::set<Verb> verbs_of(const Policy& policy, const AnyRole& role) {
  std::set<Verb> verbs;
  for (std::size_t i = 0; i < kVerbs; ++i) {
    if (policy.allows(role, static_cast<Verb>(i))) verbs.insert(static_cast<Verb>(i));
  }
  return verbs;
}

// The role with what is granted to it besides.
Outcome holds_all(const Policy& policy, const PolicyActor& actor, const AnyRole& role,
                  std::optional<Instant> until) {
  if (auto own = holds_verbs(policy, actor, verbs_of(policy, role), until); !own) return own;
  return holds_grants(policy, actor, LocalUser{"", {role}});
}

Outcome holds(const Policy& policy, const PolicyActor& actor, const Grant& grant) {
  const Held own = held(policy, actor, grant.verb, grant.resource);
  if (own.lasts(grant.expires)) return {};
  return less(actor, std::string(to_text(grant.verb)) + " on " + grant.resource.text() +
                         (own.allowed ? " after " + to_text(*own.until) : ""));
}

Error no_user(const std::string& name) {
  return make_error(ErrorCode::not_found, "there is no user '" + name + "'",
                    "see 'entente role list'");
}

}  // namespace

Result<AnyRole> role_named(const Policy& policy, const std::string& name) {
  if (const auto role = role_from_text(name)) return AnyRole(*role);
  if (policy.parts().own_roles.contains(name)) return AnyRole(OwnRole{name});
  std::string names = role_words();
  for (const auto& [own, verbs] : policy.parts().own_roles) names += ", " + own;
  return make_error(ErrorCode::invalid_argument, "there is no role '" + name + "'",
                    "use one of " + names + ", or define it: 'entente role define'");
}

Result<Policy> give_role(const Policy& policy, const PolicyActor& actor, const std::string& user,
                         const AnyRole& role, std::optional<Instant> until) {
  if (until && *until <= actor.now) {
    return make_error(ErrorCode::invalid_argument, "the role would have ended already");
  }
  if (auto held = holds_all(policy, actor, role, until); !held) return std::move(held).error();
  Users users = policy.users();
  User& changed = users[user];
  const auto end = changed.role_ends.find(role);
  const bool fresh = changed.roles.insert(role).second;
  const auto former =
      end == changed.role_ends.end() ? std::nullopt : std::optional<Instant>(end->second);
  if (!fresh && former == until) {
    return make_error(ErrorCode::conflict,
                      "'" + user + "' has the role " + role_text(role) + " already");
  }
  changed.role_ends.erase(role);
  if (until) changed.role_ends.emplace(role, *until);
  return policy.with(std::move(users), policy.grants());
}

Result<Policy> take_role(const Policy& policy, const PolicyActor& actor, const std::string& user,
                         const AnyRole& role) {
  if (auto held = holds_all(policy, actor, role, {}); !held) return std::move(held).error();
  PolicyParts parts = policy.parts();
  const auto found = parts.users.find(user);
  if (found == parts.users.end()) return no_user(user);
  if (found->second.roles.erase(role) == 0) {
    return make_error(ErrorCode::conflict,
                      "'" + user + "' does not have the role " + role_text(role));
  }
  found->second.role_ends.erase(role);
  if (found->second.roles.empty()) {
    parts.users.erase(found);
    std::erase_if(parts.grants, [&](const Grant& grant) {
      const auto* to = std::get_if<std::string>(&grant.to);
      return to != nullptr && *to == user;
    });
    if (parts.oidc) {
      std::erase_if(parts.oidc->users, [&](const auto& one) { return one.second == user; });
    }
  }
  return Policy::of(std::move(parts));
}

Result<Policy> define_role(const Policy& policy, const PolicyActor& actor, const std::string& name,
                           std::set<Verb> verbs) {
  if (!is_local_id(name) || role_from_text(name)) {
    return make_error(ErrorCode::invalid_argument,
                      "'" + name + "' is no name for a role of your own",
                      "use a local id that is none of " + role_words());
  }
  if (verbs.empty() || std::any_of(verbs.begin(), verbs.end(), is_partner_verb)) {
    return make_error(ErrorCode::invalid_argument,
                      "a role allows at least one verb, and none of partners'",
                      "use some of " + verb_words());
  }
  PolicyParts parts = policy.parts();
  std::set<Verb>& kept = parts.own_roles[name];
  if (kept == verbs) return make_error(ErrorCode::conflict, "the role " + name + " is so already");
  if (auto held = holds_verbs(policy, actor, kept, {}); !held) return std::move(held).error();
  if (auto held = holds_verbs(policy, actor, verbs, {}); !held) return std::move(held).error();
  kept = std::move(verbs);
  return Policy::of(std::move(parts));
}

Result<Policy> remove_role(const Policy& policy, const PolicyActor& actor,
                           const std::string& name) {
  PolicyParts parts = policy.parts();
  const auto found = parts.own_roles.find(name);
  if (found == parts.own_roles.end()) {
    return make_error(ErrorCode::not_found, "the policy defines no role '" + name + "'",
                      "see 'entente role list'");
  }
  const AnyRole role = OwnRole{name};
  if (auto held = holds_all(policy, actor, role, {}); !held) return std::move(held).error();
  for (const auto& [user, entry] : parts.users) {
    if (!entry.roles.contains(role)) continue;
    return make_error(ErrorCode::conflict, "'" + user + "' has the role " + name,
                      "take it away first: 'entente role revoke " + user + " " + name + "'");
  }
  for (const Grant& grant : parts.grants) {
    const auto* to = std::get_if<AnyRole>(&grant.to);
    if (to == nullptr || *to != role) continue;
    return make_error(ErrorCode::conflict, "this is granted to it: " + grant.text(),
                      "take it away first: 'entente access revoke'");
  }
  parts.own_roles.erase(found);
  return Policy::of(std::move(parts));
}

Result<Policy> set_standing(const Policy& policy, const PolicyActor& actor, const std::string& user,
                            Standing standing) {
  Users users = policy.users();
  const auto found = users.find(user);
  if (found == users.end()) return no_user(user);
  const bool disabled = standing == Standing::disabled;
  if (actor.user.break_glass && !disabled) return less(actor, "a user's standing");
  for (const AnyRole& role : found->second.roles) {
    if (actor.user.break_glass) break;
    if (auto held = holds_all(policy, actor, role, {}); !held) return std::move(held).error();
  }
  if (found->second.disabled == disabled) {
    return make_error(ErrorCode::conflict,
                      "'" + user + "' is " + (disabled ? "disabled" : "enabled") + " already");
  }
  found->second.disabled = disabled;
  return policy.with(std::move(users), policy.grants());
}

Result<Policy> require_two(const Policy& policy, const PolicyActor& actor, Step step) {
  PolicyParts parts = policy.parts();
  if (!parts.two_persons.steps.insert(step).second) {
    return make_error(ErrorCode::conflict, std::string(to_text(step)) + " needs two already");
  }
  for (const Verb verb : {verb_of(step), Verb::manage_roles}) {
    if (who_can(policy, verb, {}, actor.now).size() >= 2) continue;
    return make_error(
        ErrorCode::conflict,
        "fewer than two users may " + std::string(to_text(verb)) + ", so nobody could approve",
        "give a second one a role that allows it");
  }
  return Policy::of(std::move(parts));
}

Result<Policy> waive_two(const Policy& policy, Step step) {
  PolicyParts parts = policy.parts();
  if (parts.two_persons.steps.erase(step) == 0) {
    return make_error(ErrorCode::conflict, std::string(to_text(step)) + " needs one person anyway");
  }
  return Policy::of(std::move(parts));
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
  if (actor.user.name == target.name) return {};  // decide() ends it with the maker's own roles
  PolicyActor whole = actor;
  whole.user.only.reset();
  for (const AnyRole& role : target.roles) {
    if (auto held = holds_verbs(policy, whole, verbs_of(policy, role), target.until); !held) {
      return less(actor, "what '" + target.name + "' may do: " + held.error().what);
    }
  }
  return holds_grants(policy, actor, target);
}

std::vector<Permitted> who_can(const Policy& policy, Verb verb, const Resource& resource,
                               Instant now) {
  std::vector<Permitted> found;
  for (const auto& [name, entry] : policy.users()) {
    const auto decision = decide(policy, *policy.user(name), verb, resource, {now, false, {}});
    if (decision.allowed) found.push_back({name, decision.reason});
  }
  return found;
}

std::vector<std::string> who_could_grant(const Policy& policy, Verb verb, const Resource& resource,
                                         Instant now) {
  std::vector<std::string> names;
  for (const Permitted& one : who_can(policy, verb, resource, now)) {
    const LocalUser user = *policy.user(one.user);
    if (decide(policy, user, Verb::manage_roles, {}, {now, false, {}}).allowed) {
      names.push_back(one.user);
    }
  }
  return names;
}

}  // namespace entente::security
