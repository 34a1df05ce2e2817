#include "node/store/writer_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace entente::node {

Result<WriterLock> WriterLock::take(const std::string& path) {
  const std::string name = path + ".lock";
  const int file = ::open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) {
    return make_error(ErrorCode::store_failed,
                      "the lock " + name + " cannot be opened: " + std::strerror(errno));
  }
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    ::close(file);
    return make_error(ErrorCode::conflict, "another process writes " + path,
                      "stop the other process, or talk to it");
  }
  return WriterLock(file);
}

WriterLock::~WriterLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace entente::node
