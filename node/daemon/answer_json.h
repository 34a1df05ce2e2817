// Answers and previews as the JSON of POST /api/v1/ask.
#pragma once

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "federation/ask/asker.h"
#include "federation/query/exact.h"

namespace entente::node {

boost::json::value answer_json(const std::string& question,
                               const federation::FederatedAnswer& answer);
boost::json::value exact_json(const std::string& question, const federation::Plan& plan,
                              const std::vector<federation::ExactRow>& rows);
// Refuses what price_of refuses.
[[nodiscard]] Result<boost::json::value> preview_json(
    const federation::Plan& plan, const std::vector<federation::AskTarget>& targets);
boost::json::value exact_preview_json(const federation::Plan& plan);

}  // namespace entente::node
