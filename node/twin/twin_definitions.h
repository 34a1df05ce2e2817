// Definitions of twins out of TOML or JSON, checked against types.
//
//   [[twin]]
//   id = "seattle-10th"                       # [a-z0-9][a-z0-9._-]{0,62}
//   type = "dtmi:air:Monitor;1"
//   properties = { state = "WA", elevation = 56 }   # or properties.state = "WA"
//   relationships.partOf = ["airshed-nw"]
//   components.logger = { firmware = "2.1" }
#pragma once

#include "node/twin/document.h"
#include "node/twin/twin_graph.h"

namespace entente::node {

struct TwinDefinition {
  Twin twin;
  std::string place;  // "file:line", for complaints
};

// Everything that one definition can tell by itself: keys, ids, property values against the type.
// Refuses (config_invalid) with file, line and the word.
[[nodiscard]] Result<std::vector<TwinDefinition>> read_definitions(const Document& document,
                                                                   const TypeRegistry& types);
// The reverse: one twin as the JSON that read_definitions takes, for the database and for export.
std::string to_json(const Twin& twin);

// What needs the other twins: targets, their types, multiplicity. `place` names the definition.
// Refuses (config_invalid).
[[nodiscard]] Outcome check_relationships(const Twin& twin, const TwinGraph& graph,
                                          const std::string& place);

}  // namespace entente::node
