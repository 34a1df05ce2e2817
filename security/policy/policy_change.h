// Changing who may do what: one step at a time, judged against who makes it.
//
// Nobody gives more than they hold, nor for longer: who gives a grant must be allowed it until its
// end; who gives a role must have its verbs by roles of their own, and hold what is granted to it.
// The last owner stays. A step that changes nothing is refused (conflict), so that nobody
// believes in a change that was none. Pure.
#pragma once

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
[[nodiscard]] Result<Policy> give_role(const Policy& policy, const PolicyActor& actor,
                                       const std::string& user, Role role);
// The user goes with their last role, and their own grants with them.
[[nodiscard]] Result<Policy> take_role(const Policy& policy, const PolicyActor& actor,
                                       const std::string& user, Role role);
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

// "twin:press-7", "twin:*", "node:*". Refuses (invalid_argument) with the kinds that there are.
[[nodiscard]] Result<Resource> resource_from_text(std::string_view text);

}  // namespace entente::security
