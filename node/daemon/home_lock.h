// Held while a process serves a home, or changes what protects it, so that no second one does.
#pragma once

#include <string>

#include "schemas/base/result.h"

namespace entente::node {

class HomeLock {
 public:
  // Refuses: conflict (another process holds it), store_failed.
  [[nodiscard]] static Result<HomeLock> take(const std::string& home);
  HomeLock(HomeLock&& other) noexcept;
  HomeLock& operator=(HomeLock&&) = delete;
  ~HomeLock();

 private:
  explicit HomeLock(int file) : file_(file) {}
  int file_;
};

}  // namespace entente::node
