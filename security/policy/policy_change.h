// Changing who may do what: one step at a time, judged against who makes it.
//
// Nobody gives more than they hold, nor for longer: who gives a grant must be allowed it until its
// end; who gives or defines a role must have its verbs by roles of their own, and hold what is
// granted to it. The last owner stays, enabled and without an end. A step that changes nothing is
// refused (conflict), so that nobody believes in a change that was none. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "security/policy/policy.h"

namespace entente::security {

// Who makes the change, and when.
struct PolicyActor {
  LocalUser user;
  Instant now;
};

// Refuse: denied (the actor holds less), conflict (no change, no owner left, roles that exclude
// each other), not_found (no such user or grant), invalid_argument (a name that is no local id, a
// partner's verb). Giving a role makes the user when there is none of that name.
// With an end the role ends by itself; a new end replaces the former one.
[[nodiscard]] Result<Policy> give_role(const Policy& policy, const PolicyActor& actor,
                                       const std::string& user, const AnyRole& role,
                                       std::optional<Instant> until = {});
// The user goes with their last role, and their own grants with them.
[[nodiscard]] Result<Policy> take_role(const Policy& policy, const PolicyActor& actor,
                                       const std::string& user, const AnyRole& role);
// Makes a role of the policy's own, or gives it other verbs.
[[nodiscard]] Result<Policy> define_role(const Policy& policy, const PolicyActor& actor,
                                         const std::string& name, std::set<Verb> verbs);
// Refuses (conflict) while anybody has it or a grant names it.
[[nodiscard]] Result<Policy> remove_role(const Policy& policy, const PolicyActor& actor,
                                         const std::string& name);
// The role of this name, built in or the policy's own. Refuses (invalid_argument) with those that
// there are.
[[nodiscard]] Result<AnyRole> role_named(const Policy& policy, const std::string& name);

enum class Standing { enabled, disabled };
// Break-glass disables whomever but the last owner, and enables nobody.
[[nodiscard]] Result<Policy> set_standing(const Policy& policy, const PolicyActor& actor,
                                          const std::string& user, Standing standing);

// From now on the step needs two persons. Refuses (conflict) when fewer than two users may do it.
[[nodiscard]] Result<Policy> require_two(const Policy& policy, const PolicyActor& actor, Step step);
[[nodiscard]] Result<Policy> waive_two(const Policy& policy, Step step);

[[nodiscard]] Result<Policy> add_grant(const Policy& policy, const PolicyActor& actor, Grant grant);
// Takes away every grant of this text, whenever it expires.
[[nodiscard]] Result<Policy> remove_grant(const Policy& policy, const PolicyActor& actor,
                                          const std::string& text);

// Whether the actor may make a token of `target`: the user with the token's verbs (`only`) and its
// end (`until`). Not beyond the actor's own token, and not of somebody who may more than the actor.
// Refuses: denied.
[[nodiscard]] Outcome may_lend(const Policy& policy, const PolicyActor& actor,
                               const LocalUser& target);

// A user and why they may.
struct Permitted {
  std::string user;
  std::string reason;
};
// Every local user who may use the verb on the resource.
std::vector<Permitted> who_can(const Policy& policy, Verb verb, const Resource& resource,
                               Instant now);
// Who could grant it: those who manage roles and may it themselves.
std::vector<std::string> who_could_grant(const Policy& policy, Verb verb, const Resource& resource,
                                         Instant now);

}  // namespace entente::security
