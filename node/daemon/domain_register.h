// Keeps privacy domains what they are for ever: every reading belongs to one unit of one domain,
// and a budget cannot be had twice by declaring it anew.
//
// At each start the declared exports are compared with what was ever declared. A domain's unit,
// block, zone and delta never change; a signal of a type belongs to the first domain that offered
// it, whatever the file says now. Caps may change: they are not part of what a domain is.
#pragma once

#include "node/config/declarations.h"
#include "node/store/store.h"
#include "node/twin/type_registry.h"

namespace entente::node {

const char* domain_migration();

// Blocks; at start. Refuses (config_invalid), nothing recorded: a domain that was declared
// otherwise before or in another file, a signal that belongs to another domain, also by
// inheritance.
[[nodiscard]] Outcome bind_domains(Store& store, const Declarations& declarations,
                                   const TypeRegistry& types);

// Any thread but the loop's: every domain that was ever declared here.
std::vector<std::string> known_domains(const Store& store);

}  // namespace entente::node
