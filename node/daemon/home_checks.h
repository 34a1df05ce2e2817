// What can be said of a node's home while no node answers for it.
#pragma once

#include <string>
#include <vector>

#include "node/service/health.h"
#include "schemas/base/time.h"

namespace entente::node {

// Reads files and changes none of them.
std::vector<HealthCheck> home_checks(const std::string& home, Instant now);

}  // namespace entente::node
