#include "security/policy/policy.h"

#include <algorithm>

namespace entente::security {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames = {
#define X(name) #name,
    ENTENTE_VERBS(X)
#undef X
};
constexpr std::array<std::string_view, kRoles> kRoleNames = {
    "owner", "admin", "privacy-officer", "operator", "analyst", "auditor", "service"};
constexpr std::array<std::string_view, kResourceKinds> kKindNames = {
    "node", "twin", "export", "system", "link", "agreement", "budget", "type", "collector"};

// The table is indexed by verb, so its rows must stand in the enum's order.
constexpr bool rows_in_order() {
  for (std::size_t i = 0; i < kVerbs; ++i) {
    if (kRoleTable[i].verb != static_cast<Verb>(i)) return false;
  }
  return true;
}
static_assert(rows_in_order());

template <class Enum, std::size_t N>
std::optional<Enum> from_text(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto found = std::find(names.begin(), names.end(), text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

Decision allow(std::string reason) {
  return {true, ErrorCode::denied, std::move(reason)};
}
Decision refuse(ErrorCode code, std::string reason) {
  return {false, code, std::move(reason)};
}

bool covers(const Resource& granted, const Resource& wanted) {
  return granted.kind == wanted.kind && (granted.name.empty() || granted.name == wanted.name);
}

bool is_to(const Grant& grant, const LocalUser& user) {
  if (const auto* role = std::get_if<Role>(&grant.to)) return user.roles.contains(*role);
  return std::get<std::string>(grant.to) == user.name;
}

Decision decide_user(const Policy& policy, const LocalUser& user, Verb verb,
                     const Resource& resource, Instant now) {
  const std::string wanted = std::string(to_text(verb)) + " on " + resource.text();
  if (is_partner_verb(verb)) {
    return refuse(ErrorCode::denied, wanted + " is for partner organisations");
  }
  if (user.only && !user.only->contains(verb)) {
    return refuse(ErrorCode::denied,
                  "the token of '" + user.name + "' is not for " + std::string(to_text(verb)));
  }
  for (const Role role : user.roles) {
    if (role_allows(role, verb)) {
      return allow("role " + std::string(to_text(role)) + " allows " + std::string(to_text(verb)));
    }
  }
  const Grant* expired = nullptr;
  for (const Grant& grant : policy.grants()) {
    if (grant.verb != verb || !is_to(grant, user) || !covers(grant.resource, resource)) continue;
    if (grant.expires && *grant.expires <= now) {
      expired = &grant;
      continue;
    }
    return allow("a grant allows " + grant.text());
  }
  if (expired != nullptr) {
    return refuse(ErrorCode::denied,
                  "the grant " + expired->text() + " expired at " + to_text(*expired->expires));
  }
  return refuse(ErrorCode::denied,
                "neither a role nor a grant of '" + user.name + "' allows " + wanted);
}

Decision decide_ask(const Partner& partner, const Resource& resource,
                    const DecisionContext& context) {
  if (resource.kind != ResourceKind::export_ || resource.name.empty()) {
    return refuse(ErrorCode::denied, "partners ask exports by name");
  }
  if (!context.agreement) {
    return refuse(ErrorCode::agreement_missing, "the question names no agreement");
  }
  for (const AgreementGrant& grant : partner.agreements) {
    if (grant.id != *context.agreement) continue;
    if (grant.consumer != partner.organisation) {
      return refuse(ErrorCode::agreement_missing, "the agreement is with another organisation");
    }
    if (context.now >= grant.expires) {
      return refuse(ErrorCode::agreement_missing,
                    "the agreement expired at " + to_text(grant.expires));
    }
    const auto& names = grant.exports;
    if (std::find(names.begin(), names.end(), resource.name) == names.end()) {
      return refuse(ErrorCode::agreement_missing,
                    "the agreement does not grant " + resource.text());
    }
    return allow("agreement " + grant.id.short_hex() + " grants " + resource.text());
  }
  return refuse(ErrorCode::agreement_missing, "the agreement named is not active here");
}

Decision decide_partner(const Policy& policy, const Partner& partner, Verb verb,
                        const Resource& resource, const DecisionContext& context) {
  if (!is_partner_verb(verb)) {
    return refuse(ErrorCode::denied, std::string(to_text(verb)) + " is for this site's own users");
  }
  if (policy.is_cut_off(partner.organisation)) {
    return refuse(ErrorCode::denied,
                  "organisation " + partner.organisation.short_hex() + " is cut off");
  }
  if (!context.link_active) return refuse(ErrorCode::link_not_active, "the link is not active");
  if (verb == Verb::partner_ask) return decide_ask(partner, resource, context);
  // A session and the exchange of agreements need an active link and nothing else: a new link
  // grants no data, and without them no agreement could ever come about.
  return allow("the link is active");
}

}  // namespace

std::string_view to_text(Verb verb) {
  return kVerbNames.at(static_cast<std::size_t>(verb));
}
std::string_view to_text(Role role) {
  return kRoleNames.at(static_cast<std::size_t>(role));
}
std::string_view to_text(ResourceKind kind) {
  return kKindNames.at(static_cast<std::size_t>(kind));
}
std::optional<Verb> verb_from_text(std::string_view text) {
  return from_text<Verb>(kVerbNames, text);
}
std::optional<Role> role_from_text(std::string_view text) {
  return from_text<Role>(kRoleNames, text);
}
std::optional<ResourceKind> resource_kind_from_text(std::string_view text) {
  return from_text<ResourceKind>(kKindNames, text);
}

std::string Grant::text() const {
  const auto* role = std::get_if<Role>(&to);
  return (role == nullptr ? "user " + std::get<std::string>(to)
                          : "role " + std::string(to_text(*role))) +
         ": " + std::string(to_text(verb)) + " on " + resource.text();
}

std::string Resource::text() const {
  return std::string(to_text(kind)) + ":" + (name.empty() ? "*" : name);
}

AgreementGrant grant_of(const Agreement& agreement, const AgreementId& id) {
  AgreementGrant out{id, agreement.consumer, {}, agreement.expires};
  for (const ExportView& view : agreement.exports) out.exports.push_back(view.name);
  return out;
}

Policy Policy::initial(std::string owner) {
  Policy out;
  out.users_[std::move(owner)] = {Role::owner};
  return out;
}

std::optional<LocalUser> Policy::user(std::string_view name) const {
  const auto found = users_.find(name);
  if (found == users_.end()) return std::nullopt;
  return LocalUser{found->first, found->second};
}

Decision decide(const Policy& policy, const Subject& subject, Verb verb, const Resource& resource,
                const DecisionContext& context) {
  if (const auto* user = std::get_if<LocalUser>(&subject)) {
    return decide_user(policy, *user, verb, resource, context.now);
  }
  return decide_partner(policy, std::get<Partner>(subject), verb, resource, context);
}

}  // namespace entente::security
