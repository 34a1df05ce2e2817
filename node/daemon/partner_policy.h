// What the policy says of a method that a partner calls.
//
// This is the choke point's decision, before a method runs. What a question asks for is decided
// once more by the disclosure gate, on the export under the agreement that the question names
// (federation/ask/admission.h). Pure. Threads: any.
#pragma once

#include <optional>

#include "federation/link/method_table.h"
#include "security/policy/policy.h"

namespace entente::node {

// By the word before the dot of the row's verb; nothing for a word that no rule covers.
std::optional<security::Verb> choke_verb(const federation::MethodRow& row);

enum class LinkStanding { active, not_active };
// Refuses: denied (no rule covers the method, the organisation is cut off), link_not_active.
[[nodiscard]] Outcome partner_may(const security::Policy& policy, const OrgId& organisation,
                                  LinkStanding link, const federation::MethodRow& row, Instant now);

}  // namespace entente::node
