// Models, forecasts, anomalies and simulations as JSON.
#pragma once

#include <boost/json/object.hpp>

#include "node/modelling/model_register.h"

namespace entente::node {

boost::json::object model_json(const ModelRow& row);
boost::json::object model_json(const ModelView& view);
// The running score of the kept forecasts; `scale` is that of the validation.
boost::json::object score_json(const KeptScore& kept, double scale);
boost::json::array path_json(const std::vector<PredictedPoint>& path);
boost::json::object identified_json(const Identified& found);
boost::json::object forecast_json(const ModelForecast& forecast);
boost::json::object simulated_json(const ModelDefinition& definition, const Simulated& done,
                                   const SimulationPlan& plan);
boost::json::object proposal_json(const Proposal& proposal);
boost::json::object alarm_json(const StoredAlarm& stored);

}  // namespace entente::node
