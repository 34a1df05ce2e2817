#include "node/daemon/home_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

namespace entente::node {

Result<HomeLock> HomeLock::take(const std::string& home) {
  std::error_code failure;
  std::filesystem::create_directories(home + "/run", failure);
  const std::string path = home + "/run/lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return make_error(ErrorCode::store_failed, "cannot write " + path);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    return make_error(ErrorCode::conflict, "another process serves " + home,
                      "stop it first, or use another --home");
  }
  return HomeLock(file);
}

HomeLock::HomeLock(HomeLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

HomeLock::~HomeLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace entente::node
