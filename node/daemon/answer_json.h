// Answers as the JSON of POST /api/v1/ask; what it previews is in preview.h.
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

// What was asked: the question, its window, items and keys.
boost::json::object question_head(const std::string& question, const federation::Plan& plan);

boost::json::value answer_json(const std::string& question,
                               const federation::FederatedAnswer& answer);
boost::json::value exact_json(const std::string& question, const federation::Plan& plan,
                              const std::vector<federation::ExactRow>& rows);

}  // namespace entente::node
