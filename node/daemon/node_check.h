// `entente node check`: a stopped node's databases, and the chain of its audit log.
#pragma once

#include <string>

#include "node/history/check.h"

namespace entente::node {

// Refuses: conflict (a process writes one of the files), not_found (no node there), store_failed (a
// repair could not be written).
[[nodiscard]] Result<CheckReport> check_home(const std::string& home, bool repair);

}  // namespace entente::node
