// Changing who may do what: one step at a time, judged against who makes it.
//
// Nobody grants more than they hold: who gives a role or a grant must be allowed everything that it
// allows. The last owner stays. A step that changes nothing is refused (conflict), so that nobody
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
