// The routes of derived signals: apart from api.h, since they are no part of Core.
#pragma once

#include "node/daemon/api.h"
#include "node/derived/derived_history.h"

namespace entente::node {

// Defined, listed, removed; values with what they are computed from. All of it outlives the table.
void add_signal_routes(RouteTable& table, Core& core, DerivedHistory& history);

}  // namespace entente::node
