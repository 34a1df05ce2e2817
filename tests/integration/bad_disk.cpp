// Preloaded (LD_PRELOAD) into a node under test: while the file that ENTENTE_BAD_DISK_SIGN names
// exists, writes to databases fail with the error number that stands in it (28: full, 5: broken). A
// path behind the number is a file without which the disk is well: what fills it.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

// 0 while the disk is well.
int fault_of(int file) {
  static const char* const sign = std::getenv("ENTENTE_BAD_DISK_SIGN");
  if (sign == nullptr) return 0;
  const int told = ::open(sign, O_RDONLY | O_CLOEXEC);
  if (told < 0) return 0;
  char text[4096] = {};
  const ssize_t got = ::read(told, text, sizeof text - 1);
  ::close(told);
  if (const char* filler = std::strchr(text, ' '); filler != nullptr) {
    if (::access(filler + 1, F_OK) != 0) return 0;
  }
  char link[64];
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  char path[4096] = {};
  if (::readlink(link, path, sizeof path - 1) <= 0 || std::strstr(path, ".db") == nullptr) return 0;
  return got > 0 ? std::atoi(text) : 0;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

ssize_t write_at(const char* name, int file, const void* data, size_t size, off64_t at) {
  using Call = ssize_t (*)(int, const void*, size_t, off64_t);
  if (const int fault = fault_of(file); fault != 0) {
    errno = fault;
    return -1;
  }
  return next<Call>(name)(file, data, size, at);
}

}  // namespace

extern "C" {

ssize_t pwrite(int file, const void* data, size_t size, off_t at) {
  return write_at("pwrite", file, data, size, at);
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t at) {
  return write_at("pwrite64", file, data, size, at);
}

ssize_t write(int file, const void* data, size_t size) {
  using Call = ssize_t (*)(int, const void*, size_t);
  if (const int fault = fault_of(file); fault != 0) {
    errno = fault;
    return -1;
  }
  return next<Call>("write")(file, data, size);
}

}  // extern "C"
