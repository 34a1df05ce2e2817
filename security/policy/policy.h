// Who may do what: an immutable set of grants and one pure function over it.
//
// Grants only allow. What nothing allows is refused, and the one negation is the emergency list of
// organisations that are cut off. The command line's explanations call the same `decide`.
#pragma once

#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"
#include "security/policy/verb.h"

namespace entente::security {

enum class ResourceKind : std::uint8_t {
  node,
  twin,
  export_,
  system,
  link,
  agreement,
  budget,
  type,
  collector
};
inline constexpr std::size_t kResourceKinds = 9;
std::string_view to_text(ResourceKind kind);
std::optional<ResourceKind> resource_kind_from_text(std::string_view text);
// Of one thing: 1 to 128 letters, digits and . _ : ; - (ids of twins, DTMIs, local ids,
// hexadecimal); "ID/PROPERTY" is one property or signal of a twin or type, "NAME@PARTNER" a
// partner's export.
bool is_resource_name(ResourceKind kind, std::string_view text);

struct Resource {
  ResourceKind kind = ResourceKind::node;
  std::string name;          // empty: the kind as a whole
  std::string text() const;  // "export:air"
  auto operator<=>(const Resource&) const = default;
};
// "twin:press-7", "twin:press-7/vibration", "twin:*", "node:*". Refuses (invalid_argument) with the
// kinds that there are.
[[nodiscard]] Result<Resource> resource_from_text(std::string_view text);

// A role that the policy defines: its name, a local id that is no built-in role's.
struct OwnRole {
  std::string name;
  auto operator<=>(const OwnRole&) const = default;
};
using AnyRole = std::variant<Role, OwnRole>;
std::string role_text(const AnyRole& role);

struct LocalUser {
  std::string name;
  std::set<AnyRole> roles;
  // What the token that they came with is for; nothing: whatever they may do themselves.
  std::optional<std::set<Verb>> only = {};
  // When that token ends; nothing: the administrator's own, which does not.
  std::optional<Instant> until = {};
  std::map<AnyRole, Instant> role_ends = {};  // of those roles that end
  bool disabled = false;                      // may nothing
  bool break_glass = false;  // whoever holds the emergency secret: break_glass_allows alone counts
};

// What an agreement grants a partner, as far as a decision needs it.
struct AgreementGrant {
  AgreementId id;
  OrgId consumer;
  std::vector<std::string> exports;
  Instant expires;
};
AgreementGrant grant_of(const Agreement& agreement, const AgreementId& id);

// An organisation at the other end of a link, with the active agreements whose provider this node
// is.
struct Partner {
  OrgId organisation;
  std::vector<AgreementGrant> agreements;
};

using Subject = std::variant<LocalUser, Partner>;

struct DecisionContext {
  Instant now;
  bool link_active = false;              // partners: the link is active, not merely connected
  std::optional<AgreementId> agreement;  // partner_ask: the one the question names
};

struct Decision {
  bool allowed = false;
  ErrorCode code = ErrorCode::denied;  // when refused: denied, agreement_missing, link_not_active
  std::string reason;                  // for this site's own people and log, never for a partner
};

// A grant beyond the built-in roles. An empty `name` in the resource covers its kind.
struct Grant {
  std::variant<AnyRole, std::string> to;  // a role, or a user's name
  Verb verb = Verb::read_status;
  Resource resource;
  std::optional<Instant> expires = {};  // from then on it allows nothing; nothing: for ever
  std::string text() const;             // "user ann: write_twins on twin:press-7"
  bool operator==(const Grant&) const = default;
};

struct User {
  std::set<AnyRole> roles;
  std::map<AnyRole, Instant> role_ends = {};  // of those roles that end
  bool disabled = false;
  bool operator==(const User&) const = default;
};
using Users = std::map<std::string, User, std::less<>>;
using OwnRoles = std::map<std::string, std::set<Verb>, std::less<>>;

// Which steps need two persons, and how long a request waits for the second.
struct TwoPersons {
  std::set<Step> steps;
  Duration life = days(3);
  bool operator==(const TwoPersons&) const = default;
};

// Whose signed tokens (OpenID Connect) count here, and as whom. security/policy/bearer_token.h
// verifies them.
struct OidcRules {
  std::string issuer;
  std::string audience;
  std::set<std::string> algorithms;                       // of bearer_algorithms()
  std::string claim = "sub";                              // a text in the token
  Duration skew = seconds(60);                            // between the issuer's clock and ours
  std::map<std::string, std::string, std::less<>> users;  // claim -> user
  bool operator==(const OidcRules&) const = default;
};

// What a policy says, as values.
struct PolicyParts {
  Users users;
  std::vector<Grant> grants;
  OwnRoles own_roles = {};
  TwoPersons two_persons = {};
  std::optional<OidcRules> oidc = {};
  std::set<OrgId> cut_off = {};
};

// Immutable once loaded; share it as std::shared_ptr<const Policy>. Threads: any.
class Policy {
 public:
  // One owner, the built-in roles, nothing else: what a new node starts with.
  static Policy initial(std::string owner);
  // Reads
  //   [user.ann]       roles = ["analyst", "gate-keeper"]   disabled = false
  //                    until = { analyst = "2026-12-31T00:00:00Z" }
  //   [role.gate-keeper]  verbs = ["read_twins", "write_readings"]
  //   [[grant]]        user = "ann"  verb = "write_twins"  resource = "twin:press-7"
  //                    expires = "2026-12-31T00:00:00Z"
  //   [two_person]     steps = ["sign_agreement"]  life = "3d"
  //   [oidc]           issuer, audience, algorithms = ["ES256"], claim = "email", skew = "60s"
  //   [oidc.users]     "ann@works.example" = "ann"
  //   [cut_off]        organisations = ["<id in hexadecimal>"]
  // A grant names a user or a role; a resource is KIND:NAME or KIND:*.
  // Refuses (config_invalid), naming line, word and the words allowed there: TOML errors, any
  // unknown key, role, verb, kind, step, algorithm or user, a partner's verb granted to a user,
  // duties that exclude each other in one person, and no owner who is enabled and stays one.
  [[nodiscard]] static Result<Policy> from_toml(std::string_view text);
  // The text that from_toml reads back as this policy; comments of a former text are gone.
  std::string to_toml() const;
  // A policy of these parts. Refuses (conflict): duties that exclude each other, no owner who
  // stays; not_found: a grant or mapping to somebody unknown.
  [[nodiscard]] static Result<Policy> of(PolicyParts parts);
  // The same with other users and grants.
  [[nodiscard]] Result<Policy> with(Users users, std::vector<Grant> grants) const;

  // The user with their roles; empty when there is none of that name.
  std::optional<LocalUser> user(std::string_view name) const;
  const PolicyParts& parts() const { return parts_; }
  const Users& users() const { return parts_.users; }
  const std::vector<Grant>& grants() const { return parts_.grants; }
  bool is_cut_off(const OrgId& organisation) const { return parts_.cut_off.contains(organisation); }
  bool allows(const AnyRole& role, Verb verb) const;
  bool needs_two(Step step) const;

 private:
  PolicyParts parts_;
};

// Why these parts unite duties in one person that exclude each other; nothing when they do not.
// Whatever ends counts until it is taken away. The owner stands outside.
[[nodiscard]] std::optional<std::string> united_duties(const PolicyParts& parts);
// Whether somebody enabled has the role owner without an end.
[[nodiscard]] bool has_lasting_owner(const PolicyParts& parts);

// Whether a grant covers the user with the roles that they have now, the verb and the resource,
// whenever it expires. A grant on a twin or type covers each of its properties.
[[nodiscard]] bool covers(const Grant& grant, const LocalUser& user, Verb verb,
                          const Resource& resource, Instant now);

// Pure and total: the same arguments, the same decision; every combination has one.
[[nodiscard]] Decision decide(const Policy& policy, const Subject& subject, Verb verb,
                              const Resource& resource, const DecisionContext& context);

}  // namespace entente::security
