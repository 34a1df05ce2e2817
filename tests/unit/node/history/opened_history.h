// A history over a file, as tests open, close and erase it.
#pragma once

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "node/history/history.h"

namespace entente::node::test {

struct OpenedHistory {
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
  void close() { history.reset(), store.reset(); }
};

inline OpenedHistory opened_history(const std::string& path, const std::string& crash = {}) {
  static const SystemClock clock;
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  options.crash_prefix = crash;
  auto store = Store::open(std::move(options));
  REQUIRE(store.has_value());
  auto history = open_history(**store, clock);
  INFO((history ? std::string() : history.error().what));
  REQUIRE(history.has_value());
  return {std::move(*store), std::move(*history)};
}

// Waits; how many readings of each series are gone.
inline std::vector<std::uint64_t> erase_now(History& history, std::vector<SeriesId> series,
                                            TimeWindow window) {
  std::promise<Erased> erased;
  history.erase({std::move(series), window, {}}, [&](Result<Erased> done) {
    CHECK(done.has_value());
    erased.set_value(done ? *done : Erased{});
  });
  return erased.get_future().get().readings;
}

// Waits; how many were forgotten.
inline std::uint64_t forget_now(History& history, std::vector<SeriesId> series) {
  std::promise<std::uint64_t> forgotten;
  history.forget(std::move(series), [&](Result<std::uint64_t> done) {
    CHECK(done.has_value());
    forgotten.set_value(done ? *done : 0);
  });
  return forgotten.get_future().get();
}

}  // namespace entente::node::test
