// Answers and previews as the JSON of POST /api/v1/ask.
#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "federation/ask/asker.h"
#include "federation/query/exact.h"

namespace entente::node {

// An amount as people are shown it: its epsilon, to a millionth.
double shown_epsilon(RhoUnits rho, DeltaUnits delta);
// A moment of the node's own life, to the second.
std::string shown_time(Instant instant);

// The public description of an export: what `entente export list` and a partner's `agreement show`
// print.
boost::json::object export_json(const ExportView& view);

boost::json::value answer_json(const std::string& question,
                               const federation::FederatedAnswer& answer);
boost::json::value exact_json(const std::string& question, const federation::Plan& plan,
                              const std::vector<federation::ExactRow>& rows);
// Refuses what price_of refuses.
[[nodiscard]] Result<boost::json::value> preview_json(
    const federation::Plan& plan, const std::vector<federation::AskTarget>& targets);
boost::json::value exact_preview_json(const federation::Plan& plan);

}  // namespace entente::node
