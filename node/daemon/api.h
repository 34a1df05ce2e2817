// The handlers of /api/v1, each a coroutine over the assembled node.
#pragma once

#include "node/daemon/core.h"
#include "node/service/route_table.h"

namespace entente::node {

// `core` outlives the table.
void add_twin_routes(RouteTable& table, Core& core);        // types, twins, readings
void add_collector_routes(RouteTable& table, Core& core);
void add_federation_routes(RouteTable& table, Core& core);  // links, agreements
void add_question_routes(RouteTable& table,
                         Core& core);  // ask, budget, systems, exports, audit, status

}  // namespace entente::node
