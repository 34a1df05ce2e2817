// How much room the disk below a home has left. Threads: any.
#pragma once

#include <string>

#include "node/service/health.h"

namespace entente::node {

// Warns below limits::kDiskWarning of the disk, fails below limits::kDiskAlarm or when it cannot be
// told.
CheckResult disk_check(const std::string& home);

}  // namespace entente::node
