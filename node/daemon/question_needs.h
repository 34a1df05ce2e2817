// Which grants a question needs: those on what it names, not on the node.
//
// An export of this site is `export:NAME`, a partner's `export:NAME@PARTNER`, a system twin
// `system:NAME`. `twins OF type` is the type, or else each signal and property that the question
// names (`type:DTMI/signal`), or else each of its twins, as far as the user has grants on such.
// Pure. Threads: any.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "node/service/route_table.h"
#include "node/twin/twin_graph.h"

namespace entente::node {

struct QuestionScene {
  const security::Policy& policy;
  const Subject& subject;
  Instant now;
  std::string self_name;          // of this organisation
  std::set<std::string> systems;  // system twins by name
  const TwinGraph& graph;
};

// What asking needs; for a preview `preview` where `ask` is not allowed, since who may ask may also
// look at the price. Refuses: what parse_question refuses.
enum class Asking { answer, preview };
[[nodiscard]] Result<std::vector<Need>> question_needs(const QuestionScene& scene,
                                                       const std::string& question, Asking asking);

}  // namespace entente::node
