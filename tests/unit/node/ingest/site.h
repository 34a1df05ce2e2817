// A history with a type and some twins, and a store whose thread can be held.
#pragma once

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "node/ingest/ingest.h"
#include "node/twin/twin_registry.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

inline constexpr const char* kTypes = R"json({
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Station;1", "@type": "Interface",
  "contents": [
    {"@type": ["Telemetry", "Ranged"], "name": "pm25", "schema": "double",
     "minimum": 0, "maximum": 1000},
    {"@type": "Telemetry", "name": "note", "schema": "string"}]})json";

struct Site {
  TemporaryFolder folder;
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
  std::unique_ptr<TwinRegistry> registry;
  ManualClock clock{*parse_instant("2020-01-01")};

  explicit Site(const std::vector<std::string>& ids, std::size_t queue_max = 4'096) {
    Store::Options options;
    options.queue_max = queue_max;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    store = std::move(*Store::open(std::move(options)));
    history = std::move(*open_history(*store, clock));
    registry = std::move(*TwinRegistry::load(*store));
    auto types = registry->plan_types({{"types.json", kTypes}}, TwinRegistry::Missing::refuse);
    REQUIRE(types.has_value());
    REQUIRE(registry->commit_now(std::move(*types)).has_value());
    std::string twins;
    for (const auto& id : ids) {
      twins += "[[twin]]\nid = \"" + id + "\"\ntype = \"dtmi:test:Station;1\"\n";
    }
    auto change = registry->plan_twins(twins, "twins.toml");
    INFO((change ? std::string() : change.error().what));
    REQUIRE(change.has_value());
    REQUIRE(registry->commit_now(std::move(*change)).has_value());
  }

  SeriesId series(const std::string& twin) const { return *history->find(twin, "pm25"); }
  std::uint64_t readings(const std::string& twin) const {
    std::uint64_t count = 0;
    history->scan(series(twin), kAllTime, [&](const auto& block) { count += block.times.size(); });
    return count;
  }
  Result<IngestReport> take(RowReader& reader, const IngestOptions& options = {}) {
    return ingest(reader, registry->state()->graph, *history, clock, options);
  }
};

// Holds the store's thread until it is let go.
class HeldStore {
 public:
  explicit HeldStore(Store& store) {
    std::promise<void> held;
    auto begun = held.get_future();
    auto shared = std::make_shared<std::promise<void>>(std::move(held));
    store.post<int>(
        [shared, go = go_.get_future().share()](Database&) -> Result<int> {
          shared->set_value();
          go.wait();
          return 0;
        },
        [](const Result<int>&) {});
    begun.wait();
  }
  ~HeldStore() { let_go(); }
  void let_go() {
    if (!gone_) go_.set_value();
    gone_ = true;
  }

 private:
  std::promise<void> go_;
  bool gone_ = false;
};

}  // namespace entente::node::test
