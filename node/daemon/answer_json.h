// Answers as the JSON of POST /api/v1/ask; what it previews is in preview.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "federation/ask/asker.h"
#include "federation/query/exact.h"

namespace entente::node {

// An amount as people are shown it: its epsilon, to a millionth.
double shown_epsilon(RhoUnits rho, DeltaUnits delta);
// Likewise its delta, without the last digits, which come from counting in 2^-60.
double shown_delta(DeltaUnits delta);
// Whose contribution an answer protects.
std::string protected_words(std::string_view unit);
// Said of every question by private keys, since nobody sees what is not named.
std::string naming_words(const ExportView& view);
// A moment of the node's own life, to the second.
std::string shown_time(Instant instant);

// What was asked: the question, its window, items and keys.
boost::json::object question_head(const std::string& question, const federation::Plan& plan);
// The public description of an export: what `entente export list` and a partner's `agreement show`
// print.
boost::json::object export_json(const ExportView& view);

boost::json::value answer_json(const std::string& question,
                               const federation::FederatedAnswer& answer);
boost::json::value exact_json(const std::string& question, const federation::Plan& plan,
                              const std::vector<federation::ExactRow>& rows);

}  // namespace entente::node
