// Parts of an answer's JSON that others show too; answer_json.h has the whole.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "federation/ask/asker.h"

namespace entente::node {

// What became of each member of an answer, with what it charged.
boost::json::array coverage_json(const std::vector<federation::MemberCoverage>& members);
// "value", "standard_error", "lower", "upper"; what is no number is null.
boost::json::object estimate_json(const federation::Estimate& estimate);

}  // namespace entente::node
