// A site with two tanks in line and a plant that contains them, and derived signals over it.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>

#include "node/derived/derived_history.h"
#include "node/store/audit_log.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

inline constexpr const char* kTankTypes = R"json([{
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Tank;1", "@type": "Interface",
  "contents": [
    {"@type": ["Telemetry", "VolumeFlowRate"], "name": "flow_in", "schema": "double",
     "unit": "litrePerSecond"},
    {"@type": ["Telemetry", "VolumeFlowRate"], "name": "flow_out", "schema": "double",
     "unit": "litrePerHour"},
    {"@type": ["Telemetry", "Power"], "name": "power", "schema": "double", "unit": "kilowatt"},
    {"@type": ["Telemetry", "Temperature"], "name": "inlet", "schema": "double",
     "unit": "degreeCelsius"},
    {"@type": ["Telemetry", "Temperature"], "name": "outlet", "schema": "double",
     "unit": "degreeFahrenheit"},
    {"@type": "Telemetry", "name": "note", "schema": "string"},
    {"@type": ["Property", "Volume"], "name": "volume", "schema": "double", "unit": "litre"},
    {"@type": "Relationship", "name": "feeds", "target": "dtmi:test:Tank;1"}]},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Plant;1", "@type": "Interface",
  "contents": [
    {"@type": "Relationship", "name": "contains", "target": "dtmi:test:Tank;1"}]}])json";

inline constexpr const char* kTankTwins = R"toml(
[[twin]]
id = "tank-1"
type = "dtmi:test:Tank;1"
properties.volume = 2000.0
relationships.feeds = ["tank-2"]
[[twin]]
id = "tank-2"
type = "dtmi:test:Tank;1"
[[twin]]
id = "plant"
type = "dtmi:test:Plant;1"
relationships.contains = ["tank-1", "tank-2"]
)toml";

inline constexpr Instant kTankFirst{1'577'836'800'000'000'000};  // 2020-01-01

struct DerivedSite {
  TemporaryFolder folder;
  ManualClock clock{kTankFirst + days(1)};
  std::unique_ptr<Store> store, ledger;
  std::unique_ptr<TwinRegistry> registry;
  std::unique_ptr<DerivedHistory> history;
  History* measured = nullptr;        // the history's
  DerivedSignals* signals = nullptr;  // the history's
  std::string exported;

  DerivedSite() {
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    store = std::move(*Store::open(std::move(options)));
    registry = std::move(*TwinRegistry::load(*store));
    auto types = registry->plan_types({{"types.json", kTankTypes}}, TwinRegistry::Missing::refuse);
    INFO((types ? std::string() : types.error().what));
    REQUIRE(types.has_value());
    REQUIRE(registry->commit_now(std::move(*types)).has_value());
    twins(kTankTwins);
    Store::Options audited;
    audited.path = folder / "e.db";
    audited.migrations = {audit_migration(), audit_tree_migration(), DerivedSignals::migration()};
    ledger = std::move(*Store::open(std::move(audited)));
    open();
  }
  void twins(const char* text) {
    auto change = registry->plan_twins(text, "twins.toml");
    INFO((change ? std::string() : change.error().what));
    REQUIRE(change.has_value());
    REQUIRE(registry->commit_now(std::move(*change)).has_value());
  }
  // As a restart does.
  void open() {
    history.reset();
    auto beneath = std::move(*open_history(*store, clock));
    auto definitions = std::make_unique<DerivedSignals>(
        DerivedSignals::Parts{*ledger, clock, [this] { return registry->state(); },
                              [this](const std::string& signal) {
                                return signal == exported ? std::string("air") : std::string();
                              }});
    REQUIRE(definitions->load().has_value());
    measured = beneath.get();
    signals = definitions.get();
    history = std::make_unique<DerivedHistory>(std::move(beneath), std::move(definitions));
  }
  void put(const std::string& twin, const std::string& signal, int minute, double value,
           Quality quality = Quality::good) {
    Batch batch;
    batch.add(*measured->open_series(twin, signal), {kTankFirst + minutes(minute), value, quality});
    REQUIRE(measured->append_now(std::move(batch)).has_value());
  }
  Outcome define(const std::string& owner, const std::string& name, const std::string& value,
                 const std::string& unit, const std::string& hold = "15m") {
    auto read = read_derived("[[signal]]\nname = \"" + name + "\"\n" + owner + "\nvalue = \"" +
                                 value + "\"\nunit = \"" + unit + "\"\nhold = \"" + hold + "\"\n",
                             "derived.toml");
    if (!read) return std::move(read).error();
    return signals->apply("user:operator", std::move(*read), false);
  }
  Outcome tank(const std::string& name, const std::string& value, const std::string& unit,
               const std::string& hold = "15m") {
    return define("type = \"dtmi:test:Tank;1\"", name, value, unit, hold);
  }
  std::vector<Reading> readings(const std::string& twin, const std::string& signal,
                                std::size_t limit = 100) const {
    const auto id = history->find(twin, signal);
    return id ? history->page(*id, kAllTime, limit, Keep::good) : std::vector<Reading>{};
  }
  DerivedValue value(const std::string& twin, const std::string& name) const {
    for (auto& one : history->values(twin, clock.now())) {
      if (one.name == name) return one;
    }
    FAIL("no derived signal of that name");
    return {};
  }
};

}  // namespace entente::node::test
