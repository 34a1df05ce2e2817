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

struct Resource {
  ResourceKind kind = ResourceKind::node;
  std::string name;          // empty: the kind as a whole
  std::string text() const;  // "export:air"
  auto operator<=>(const Resource&) const = default;
};

struct LocalUser {
  std::string name;
  std::set<Role> roles;
  // What the token that they came with is for; nothing: whatever they may do themselves.
  std::optional<std::set<Verb>> only = {};
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
  std::variant<Role, std::string> to;  // a role, or a user's name
  Verb verb = Verb::read_status;
  Resource resource;
  std::optional<Instant> expires = {};  // from then on it allows nothing; nothing: for ever
  std::string text() const;             // "user ann: write_twins on twin:press-7"
  bool operator==(const Grant&) const = default;
};

using Users = std::map<std::string, std::set<Role>, std::less<>>;

// Immutable once loaded; share it as std::shared_ptr<const Policy>. Threads: any.
class Policy {
 public:
  // One owner, the built-in roles, nothing else: what a new node starts with.
  static Policy initial(std::string owner);
  // Reads
  //   [user.ann]       roles = ["analyst"]
  //   [[grant]]        user = "ann"  verb = "write_twins"  resource = "twin:press-7"
  //                    expires = "2026-12-31T00:00:00Z"
  //   [cut_off]        organisations = ["<id in hexadecimal>"]
  // A grant names a user or a role; a resource is KIND:NAME or KIND:*.
  // Refuses (config_invalid), naming the place: TOML errors, any unknown key, role, verb, kind or
  // user, a partner's verb granted to a user, roles that exclude each other, no owner.
  [[nodiscard]] static Result<Policy> from_toml(std::string_view text);
  // The text that from_toml reads back as this policy; comments of a former text are gone.
  std::string to_toml() const;
  // The same with other users and grants. Refuses (conflict): roles that exclude each other, no
  // owner, a grant to somebody unknown.
  [[nodiscard]] Result<Policy> with(Users users, std::vector<Grant> grants) const;

  // The user with their roles; empty when there is none of that name.
  std::optional<LocalUser> user(std::string_view name) const;
  const Users& users() const { return users_; }
  const std::vector<Grant>& grants() const { return grants_; }
  bool is_cut_off(const OrgId& organisation) const { return cut_off_.contains(organisation); }

 private:
  Users users_;
  std::vector<Grant> grants_;
  std::set<OrgId> cut_off_;
};

// Pure and total: the same arguments, the same decision; every combination has one.
[[nodiscard]] Decision decide(const Policy& policy, const Subject& subject, Verb verb,
                              const Resource& resource, const DecisionContext& context);

}  // namespace entente::security
