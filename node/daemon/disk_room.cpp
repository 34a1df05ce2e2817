#include "node/daemon/disk_room.h"

#include <cstdint>
#include <filesystem>

#include "node/daemon/limits.h"

namespace entente::node {

CheckResult disk_check(const std::string& home) {
  std::error_code failure;
  const auto space = std::filesystem::space(home, failure);
  if (failure || space.capacity == 0) {
    return {CheckState::fail, "the disk of " + home + " does not say what it has left",
            "see whether it is mounted"};
  }
  const double share = static_cast<double>(space.available) / static_cast<double>(space.capacity);
  const std::string text = std::to_string(static_cast<int>(share * 100)) + " % free, " +
                           std::to_string(space.available >> 20) + " MiB";
  if (share < limits::kDiskAlarm) return {CheckState::fail, text, "free space now"};
  if (share < limits::kDiskWarning) return {CheckState::warn, text, "free space"};
  return {CheckState::ok, text, ""};
}

}  // namespace entente::node
