// One query-only connection that workers use in turn: a read is some 20 microseconds.
#pragma once

#include <mutex>
#include <utility>

#include "node/store/sqlite.h"
#include "node/store/store.h"

namespace entente::node {

// Threads: any; they wait for each other.
class SharedReader {
 public:
  // Throws StoreFault when the file cannot be read.
  explicit SharedReader(const Store& store) : database_(open(store)) {}

  // Runs `use(Database&)` under the lock and returns what it returns.
  template <class Use>
  auto with(Use&& use) const {
    std::lock_guard lock(mutex_);
    return std::forward<Use>(use)(database_);
  }

 private:
  static Database open(const Store& store) {
    auto opened = store.reader();
    if (!opened) throw StoreFault(opened.error().what, 0);
    return std::move(*opened);
  }

  mutable std::mutex mutex_;
  mutable Database database_;
};

}  // namespace entente::node
