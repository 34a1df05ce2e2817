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

constexpr std::array<std::string_view, kSteps> kStepNames = {
#define X(name) #name,
    ENTENTE_STEPS(X)
#undef X
};

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
  if (granted.kind != wanted.kind) return false;
  if (granted.name.empty() || granted.name == wanted.name) return true;
  return wanted.name.size() > granted.name.size() && wanted.name.starts_with(granted.name) &&
         wanted.name[granted.name.size()] == '/';
}

// Nothing: without an end.
std::optional<Instant> end_of(const LocalUser& user, const AnyRole& role) {
  const auto end = user.role_ends.find(role);
  return end == user.role_ends.end() ? std::nullopt : std::optional(end->second);
}

bool has_now(const LocalUser& user, const AnyRole& role, Instant now) {
  const auto end = end_of(user, role);
  return user.roles.contains(role) && (!end || *end > now);
}

bool is_for(const Grant& grant, const LocalUser& user, Instant now) {
  if (const auto* role = std::get_if<AnyRole>(&grant.to)) return has_now(user, *role, now);
  return std::get<std::string>(grant.to) == user.name;
}

// "; the roles owner, admin would": what to look for when nothing allows.
std::string roles_that_would(const Policy& policy, Verb verb) {
  std::string names;
  const auto add = [&](const std::string& name) { names += (names.empty() ? "" : ", ") + name; };
  for (std::size_t i = 0; i < kRoles; ++i) {
    if (role_allows(static_cast<Role>(i), verb)) add(std::string(kRoleNames[i]));
  }
  for (const auto& [name, verbs] : policy.parts().own_roles) {
    if (verbs.contains(verb)) add(name);
  }
  return names.empty() ? "" : "; these roles would: " + names;
}

// The reason when neither a role nor a grant allows.
std::string refusal_of(const Policy& policy, const LocalUser& user, Verb verb,
                       const Resource& resource, Instant now) {
  for (const AnyRole& role : user.roles) {
    if (!has_now(user, role, now) && policy.allows(role, verb)) {
      return "the role " + role_text(role) + " of '" + user.name + "' ended at " +
             to_text(*end_of(user, role));
    }
  }
  for (const Grant& grant : policy.grants()) {
    if (covers(grant, user, verb, resource, now)) {
      return "the grant " + grant.text() + " expired at " + to_text(*grant.expires);
    }
  }
  std::string held;
  for (const AnyRole& role : user.roles) held += (held.empty() ? "" : ", ") + role_text(role);
  return "neither a role (" + (held.empty() ? "none" : held) + ") nor a grant of '" + user.name +
         "' allows " + std::string(to_text(verb)) + " on " + resource.text() +
         roles_that_would(policy, verb);
}

Decision decide_user(const Policy& policy, const LocalUser& user, Verb verb,
                     const Resource& resource, Instant now) {
  const std::string word(to_text(verb));
  if (is_partner_verb(verb)) {
    return refuse(ErrorCode::denied,
                  word + " on " + resource.text() + " is for partner organisations");
  }
  if (user.disabled) {
    return refuse(ErrorCode::denied, "the user '" + user.name + "' is disabled");
  }
  if (user.only && !user.only->contains(verb)) {
    return refuse(ErrorCode::denied, "the token of '" + user.name + "' is not for " + word);
  }
  if (user.break_glass) {
    return break_glass_allows(verb) ? allow("break-glass allows " + word)
                                    : refuse(ErrorCode::denied, "break-glass never allows " + word);
  }
  for (const AnyRole& role : user.roles) {
    if (has_now(user, role, now) && policy.allows(role, verb)) {
      return allow("role " + role_text(role) + " allows " + word);
    }
  }
  for (const Grant& grant : policy.grants()) {
    const bool live = !grant.expires || *grant.expires > now;
    if (live && covers(grant, user, verb, resource, now)) {
      return allow("a grant allows " + grant.text());
    }
  }
  return refuse(ErrorCode::denied, refusal_of(policy, user, verb, resource, now));
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

std::string_view to_text(Step step) {
  return kStepNames.at(static_cast<std::size_t>(step));
}
std::optional<Step> step_from_text(std::string_view text) {
  const auto step = from_text<Step>(kStepNames, text);
  return step == Step::waive_step ? std::nullopt : step;
}

Verb verb_of(Step step) {
  switch (step) {
    case Step::activate_link:
      return Verb::manage_links;
    case Step::raise_budget:
      return Verb::manage_budgets;
    case Step::sign_agreement:
      return Verb::manage_agreements;
    case Step::rotate_charter:
      return Verb::manage_keys;
    case Step::restore_policy:
      return Verb::restore_policy;
    case Step::change_roles:
    case Step::waive_step:
      break;
  }
  return Verb::manage_roles;
}

std::string role_text(const AnyRole& role) {
  const auto* built_in = std::get_if<Role>(&role);
  return built_in == nullptr ? std::get<OwnRole>(role).name : std::string(to_text(*built_in));
}

namespace {

// The first `count` names, with commas between.
template <std::size_t N>
std::string words_of(const std::array<std::string_view, N>& names, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) {
    out += (i == 0 ? "" : ", ") + std::string(names[i]);
  }
  return out;
}

}  // namespace

std::string verb_words() {
  return words_of(kVerbNames, static_cast<std::size_t>(Verb::partner_session));
}
std::string role_words() {
  return words_of(kRoleNames, kRoles);
}
std::string step_words() {
  return words_of(kStepNames, static_cast<std::size_t>(Step::waive_step));
}

bool is_resource_name(ResourceKind kind, std::string_view text) {
  constexpr std::size_t kMost = 128;
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:;-").find(c) != std::string_view::npos;
  };
  if (text.size() > kMost) return false;
  const bool paths = kind == ResourceKind::twin || kind == ResourceKind::type;
  const char mark = paths ? '/' : kind == ResourceKind::export_ ? '@' : '\0';
  const std::size_t at = mark == '\0' ? std::string_view::npos : text.find(mark);
  if (at != std::string_view::npos) {
    const std::string_view rest = text.substr(at + 1);
    if (rest.empty() || !std::all_of(rest.begin(), rest.end(), plain)) return false;
    text = text.substr(0, at);
  }
  return !text.empty() && std::all_of(text.begin(), text.end(), plain);
}

Result<Resource> resource_from_text(std::string_view text) {
  const auto colon = text.find(':');
  const auto kind = resource_kind_from_text(text.substr(0, colon));
  const std::string name(colon == std::string_view::npos ? "" : text.substr(colon + 1));
  if (!kind || colon == std::string_view::npos) {
    return make_error(
        ErrorCode::invalid_argument, "'" + std::string(text) + "' is no resource",
        "write KIND:NAME or KIND:*, with one of the kinds " + words_of(kKindNames, kResourceKinds));
  }
  if (name != "*" && !is_resource_name(*kind, name)) {
    return make_error(ErrorCode::invalid_argument, "'" + name + "' is no name of a resource",
                      "write KIND:NAME or KIND:*");
  }
  return Resource{*kind, name == "*" ? std::string() : name};
}

bool covers(const Grant& grant, const LocalUser& user, Verb verb, const Resource& resource,
            Instant now) {
  return grant.verb == verb && is_for(grant, user, now) && covers(grant.resource, resource);
}

std::string Grant::text() const {
  const auto* role = std::get_if<AnyRole>(&to);
  return (role == nullptr ? "user " + std::get<std::string>(to) : "role " + role_text(*role)) +
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
  out.parts_.users[std::move(owner)].roles = {Role::owner};
  return out;
}

std::optional<LocalUser> Policy::user(std::string_view name) const {
  const auto found = parts_.users.find(name);
  if (found == parts_.users.end()) return std::nullopt;
  LocalUser user{found->first, found->second.roles};
  user.role_ends = found->second.role_ends;
  user.disabled = found->second.disabled;
  return user;
}

bool Policy::allows(const AnyRole& role, Verb verb) const {
  if (const auto* built_in = std::get_if<Role>(&role)) return role_allows(*built_in, verb);
  const auto own = parts_.own_roles.find(std::get<OwnRole>(role).name);
  return own != parts_.own_roles.end() && own->second.contains(verb);
}

bool Policy::needs_two(Step step) const {
  const auto& steps = parts_.two_persons.steps;
  return step == Step::waive_step ? !steps.empty() : steps.contains(step);
}

Decision decide(const Policy& policy, const Subject& subject, Verb verb, const Resource& resource,
                const DecisionContext& context) {
  if (const auto* user = std::get_if<LocalUser>(&subject)) {
    return decide_user(policy, *user, verb, resource, context.now);
  }
  return decide_partner(policy, std::get<Partner>(subject), verb, resource, context);
}

}  // namespace entente::security
