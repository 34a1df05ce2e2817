// The routes of models: apart from api.h, since the models are no part of Core.
#pragma once

#include <memory>

#include "node/daemon/api.h"
#include "node/daemon/model_service.h"

namespace entente::node {

// Models, forecasts, anomalies, what-if. `models` is filled before the first call, and outlives the
// table as `core` does.
void add_model_routes(RouteTable& table, Core& core, const std::unique_ptr<ModelService>& models);

// Refits and set-points that are proposed, and what is decided on them.
void add_proposal_routes(RouteTable& table, Core& core,
                         const std::unique_ptr<ModelService>& models);

}  // namespace entente::node
