// What a policy must keep, however it came about: an owner who stays, and duties kept apart.
#include "security/policy/policy.h"

namespace entente::security {
namespace {

constexpr Verb kAll[] = {
#define X(name) Verb::name,
    ENTENTE_VERBS(X)
#undef X
};

std::set<Verb> verbs_of(const PolicyParts& parts, const AnyRole& role) {
  std::set<Verb> verbs;
  if (const auto* built_in = std::get_if<Role>(&role)) {
    for (const Verb verb : kAll) {
      if (role_allows(*built_in, verb)) verbs.insert(verb);
    }
    return verbs;
  }
  const auto own = parts.own_roles.find(std::get<OwnRole>(role).name);
  return own == parts.own_roles.end() ? verbs : own->second;
}

bool any_exclude(const std::set<Verb>& some, const std::set<Verb>& others) {
  for (const Verb one : some) {
    for (const Verb other : others) {
      if (verbs_exclude(one, other)) return true;
    }
  }
  return false;
}

// Between built-in roles the list of verb.h decides, with a role of one's own the verbs.
bool exclude(const PolicyParts& parts, const AnyRole& one, const AnyRole& other) {
  const auto* first = std::get_if<Role>(&one);
  const auto* second = std::get_if<Role>(&other);
  if (first != nullptr && second != nullptr) return roles_exclude(*first, *second);
  return any_exclude(verbs_of(parts, one), verbs_of(parts, other));
}

std::string person(const std::string& user, const std::string& one, const std::string& other) {
  return "one person cannot be " + one + " and " + other + ", as '" + user + "' would";
}

std::optional<std::string> united_in(const PolicyParts& parts, const std::string& name,
                                     const User& user) {
  for (const AnyRole& one : user.roles) {
    for (const AnyRole& other : user.roles) {
      if (one < other && exclude(parts, one, other)) {
        return person(name, role_text(one), role_text(other));
      }
    }
  }
  if (user.roles.contains(Role::owner)) return std::nullopt;
  for (const Grant& grant : parts.grants) {
    const auto* role = std::get_if<AnyRole>(&grant.to);
    const bool theirs =
        role == nullptr ? std::get<std::string>(grant.to) == name : user.roles.contains(*role);
    if (!theirs) continue;
    for (const AnyRole& held : user.roles) {
      if (any_exclude(verbs_of(parts, held), {grant.verb})) {
        return person(name, role_text(held), "have a grant of " + std::string(to_text(grant.verb)));
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> united_duties(const PolicyParts& parts) {
  for (const auto& [name, verbs] : parts.own_roles) {
    if (any_exclude(verbs, verbs)) {
      return "the role " + name +
             " would unite duties of two persons: auditing with administering, or budgets with "
             "asking";
    }
  }
  for (const auto& [name, user] : parts.users) {
    if (auto why = united_in(parts, name, user)) return why;
  }
  return std::nullopt;
}

bool has_lasting_owner(const PolicyParts& parts) {
  for (const auto& [name, user] : parts.users) {
    if (user.roles.contains(Role::owner) && !user.role_ends.contains(Role::owner) &&
        !user.disabled) {
      return true;
    }
  }
  return false;
}

Result<Policy> Policy::of(PolicyParts parts) {
  for (const auto& [name, user] : parts.users) {
    if (!is_local_id(name)) {
      return make_error(ErrorCode::invalid_argument, "a user's name must be a local id");
    }
  }
  if (!has_lasting_owner(parts)) {
    return make_error(ErrorCode::conflict,
                      "this would leave the node without an owner who is enabled and stays one",
                      "give the role to somebody else first");
  }
  for (const Grant& grant : parts.grants) {
    const std::string& name = grant.resource.name;
    if (!name.empty() && !is_resource_name(grant.resource.kind, name)) {
      return make_error(ErrorCode::invalid_argument, "'" + name + "' is no name of a resource");
    }
    const auto* user = std::get_if<std::string>(&grant.to);
    if (user != nullptr && !parts.users.contains(*user)) {
      return make_error(ErrorCode::not_found, "there is no user '" + *user + "'",
                        "see 'entente role list'");
    }
  }
  if (auto why = united_duties(parts)) {
    return make_error(ErrorCode::conflict, *std::move(why), "choose another person");
  }
  Policy out;
  out.parts_ = std::move(parts);
  // What could not be read back would stop the next start.
  return from_toml(out.to_toml());
}

Result<Policy> Policy::with(Users users, std::vector<Grant> grants) const {
  PolicyParts parts = parts_;
  parts.users = std::move(users);
  parts.grants = std::move(grants);
  return of(std::move(parts));
}

}  // namespace entente::security
