#include "node/store/ballast.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>

namespace entente::node {

bool Ballast::keep() {
  std::lock_guard guard(mutex_);
  struct stat there {};
  if (::stat(path_.c_str(), &there) == 0 && static_cast<std::size_t>(there.st_size) == bytes_) {
    return true;
  }
  struct statvfs disk {};
  const auto folder = std::filesystem::path(path_).parent_path();
  if (::statvfs(folder.c_str(), &disk) != 0) return false;
  if (std::uint64_t{disk.f_bavail} * disk.f_frsize < 2 * std::uint64_t{bytes_}) return false;
  const int file = ::open(path_.c_str(), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return false;
  // Blocks, not a hole: a hole gives nothing back.
  const bool made = ::posix_fallocate(file, 0, static_cast<off_t>(bytes_)) == 0;
  ::close(file);
  if (!made) ::unlink(path_.c_str());
  return made;
}

bool Ballast::release() {
  std::lock_guard guard(mutex_);
  return ::unlink(path_.c_str()) == 0;
}

}  // namespace entente::node
