// The advisory lock that says "one writer" of a database file. Two writers, each checkpointing,
// would meet the WAL-reset fault of this SQLite.
#pragma once

#include <string>
#include <utility>

#include "schemas/base/result.h"

namespace entente::node {

class WriterLock {
 public:
  // On `path`.lock. Refuses: conflict (another process writes this file), store_failed.
  static Result<WriterLock> take(const std::string& path);
  WriterLock(WriterLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  WriterLock& operator=(WriterLock&&) = delete;
  ~WriterLock();

 private:
  explicit WriterLock(int file) : file_(file) {}
  int file_;
};

}  // namespace entente::node
