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
  std::string path;  // in its document, whose place() says where that is
};

// Everything that one definition can tell by itself: keys, ids, property values against the type.
// Refuses (config_invalid) with file, line and the word.
[[nodiscard]] Result<std::vector<TwinDefinition>> read_definitions(const Document& document,
                                                                   const TypeRegistry& types);
// One twin out of such text as to_json makes. Refuses (config_invalid), saying that it is
// `place`'s.
[[nodiscard]] Result<Twin> read_twin(std::string_view text, std::string_view place,
                                     const TypeRegistry& types);
// The reverse: one twin as the JSON that read_definitions takes, for the database and for export.
std::string to_json(const Twin& twin);

// What needs the other twins: targets, their types, multiplicity. Refuses (config_invalid) without
// saying where: the caller knows the twin's place.
[[nodiscard]] Outcome check_relationships(const Twin& twin, const TwinGraph& graph);

}  // namespace entente::node
