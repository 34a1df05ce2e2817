#include "node/history/fold_source.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "schemas/base/random.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::TemporaryFolder;

constexpr const char* kTypes = R"json([
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Station;1", "@type": "Interface",
   "contents": [
     {"@type": "Property", "name": "state", "schema": "string"},
     {"@type": "Property", "name": "owner", "schema": "string"},
     {"@type": "Telemetry", "name": "pm25", "schema": "double"},
     {"@type": "Telemetry", "name": "note", "schema": "string"}]},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Mobile;1", "@type": "Interface",
   "extends": "dtmi:test:Station;1"},
  {"@context": "dtmi:dtdl:context;2", "@id": "dtmi:test:Other;1", "@type": "Interface",
   "contents": [{"@type": "Telemetry", "name": "pm25", "schema": "double"}]}])json";

struct Site {
  TemporaryFolder folder;
  SystemClock clock;
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
  std::unique_ptr<TwinRegistry> registry;
  std::unique_ptr<FoldSource> source;

  explicit Site(const std::string& twins) {
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    store = std::move(*Store::open(std::move(options)));
    history = std::move(*open_history(*store, clock));
    registry = std::move(*TwinRegistry::load(*store));
    auto types = registry->plan_types({{"types.json", kTypes}}, TwinRegistry::Missing::refuse);
    REQUIRE(types.has_value());
    REQUIRE(registry->commit_now(std::move(*types)).has_value());
    auto change = registry->plan_twins(twins, "twins.toml");
    REQUIRE(change.has_value());
    REQUIRE(registry->commit_now(std::move(*change)).has_value());
    source = std::make_unique<FoldSource>([this] { return registry->state(); }, *history);
  }

  void put(const std::string& twin, std::vector<Reading> readings) {
    Batch batch;
    for (const auto& reading : readings) batch.add(*history->open_series(twin, "pm25"), reading);
    REQUIRE(history->append_now(std::move(batch)).has_value());
  }
};

std::string twin(const std::string& id, const std::string& type, const std::string& state,
                 const std::string& owner = {}) {
  return "[[twin]]\nid = \"" + id + "\"\ntype = \"dtmi:test:" + type + ";1\"\n" +
         (state.empty() ? "" : "properties.state = \"" + state + "\"\n") +
         (owner.empty() ? "" : "properties.owner = \"" + owner + "\"\n");
}

federation::FoldRequest request(std::vector<std::string> states, std::string unit = "twin") {
  ExportView view;
  view.name = "air";
  view.type = "dtmi:test:Station;1";
  view.unit = std::move(unit);
  view.keys = {"state"};
  for (auto& state : states) view.cells.push_back({{std::move(state)}, 1});
  federation::FoldRequest made;
  made.view = std::make_shared<const ExportView>(std::move(view));
  Column column;
  column.signal = "pm25";
  made.columns = {column};
  made.ticks = {{{0}, {10}}, {{10}, {20}}};
  return made;
}

TEST_SUITE("node/fold_source") {
  TEST_CASE("members are twins of the type or a subtype whose properties name a declared cell") {
    Site site(twin("a", "Station", "WA") + twin("b", "Mobile", "OR") + twin("c", "Station", "ID") +
              twin("d", "Station", "") + "[[twin]]\nid = \"e\"\ntype = \"dtmi:test:Other;1\"\n");
    site.put("a", {{{1}, 2, Quality::good}, {{2}, 4, Quality::good}, {{12}, 7, Quality::good}});
    site.put("b", {{{3}, 9, Quality::good}, {{4}, 1e9, Quality::out_of_range}});
    site.put("c", {{{1}, 100, Quality::good}});
    site.put("e", {{{1}, 100, Quality::good}});
    const auto table = site.source->fold(request({"OR", "WA"}));
    REQUIRE(table.has_value());
    REQUIRE(table->units.size() == 2);
    CHECK(table->units[0].cell == 1);  // a, in WA
    CHECK(table->units[0].values[0] == 3);
    CHECK(table->units[0].values[1] == 7);
    CHECK(table->units[1].cell == 0);  // b, in OR; the bad reading plays no part
    CHECK(table->units[1].values[0] == 9);
    CHECK(std::isnan(table->units[1].values[1]));
  }

  TEST_CASE("members without readings are there, with nothing to say") {
    Site site(twin("a", "Station", "WA"));
    const auto table = site.source->fold(request({"WA"}));
    REQUIRE(table.has_value());
    REQUIRE(table->units.size() == 1);
    CHECK(std::isnan(table->units[0].values[0]));
  }

  TEST_CASE("twins with one owner are one unit, pooled, when the domain says so") {
    Site site(twin("a", "Station", "WA", "x") + twin("b", "Station", "WA", "x") +
              twin("c", "Station", "WA"));
    site.put("a", {{{1}, 1, Quality::good}, {{2}, 1, Quality::good}});
    site.put("b", {{{1}, 7, Quality::good}});
    site.put("c", {{{1}, 5, Quality::good}});
    const auto table = site.source->fold(request({"WA"}, "owner"));
    REQUIRE(table.has_value());
    REQUIRE(table->units.size() == 2);
    std::vector<double> values = {table->units[0].values[0], table->units[1].values[0]};
    std::sort(values.begin(), values.end());
    CHECK(values == std::vector<double>{3, 5});
  }

  TEST_CASE("a unit in two cells is refused: one bounded value could not speak for it") {
    Site site(twin("a", "Station", "WA", "x") + twin("b", "Station", "OR", "x"));
    const auto table = site.source->fold(request({"OR", "WA"}, "owner"));
    REQUIRE_FALSE(table.has_value());
    CHECK(table.error().code == ErrorCode::conflict);
    CHECK(site.source->fold(request({"WA"}, "owner")).has_value());  // only one of them is a member
  }

  TEST_CASE("names that the type lacks are refused by name") {
    Site site(twin("a", "Station", "WA"));
    for (const char* signal : {"pm10", "note", ""}) {
      auto wrong = request({"WA"});
      wrong.columns[0].signal = signal;
      const auto refused = site.source->fold(wrong);
      REQUIRE_FALSE(refused.has_value());
      CHECK(refused.error().code == ErrorCode::query_unknown_name);
    }
    CHECK_FALSE(site.source->fold(request({"WA"}, "colour")).has_value());
  }

  TEST_CASE("folding 114 twins over 24 hours takes well under a millisecond") {
    std::string twins;
    for (int i = 0; i < 114; ++i) {
      twins += twin("m" + std::to_string(i), "Station", i % 2 == 0 ? "WA" : "OR");
    }
    Site site(twins);
    constexpr std::int64_t kHour = 3'600'000'000'000;
    SeededRandom random(1);
    for (int i = 0; i < 114; ++i) {
      std::vector<Reading> year;
      for (int hour = 0; hour < 1'080; ++hour) {
        year.push_back(
            {{hour * kHour}, static_cast<double>(random.below(2'000)) / 10, Quality::good});
      }
      site.put("m" + std::to_string(i), std::move(year));
    }
    auto asked = request({"OR", "WA"});
    asked.ticks = {{{24 * kHour * 10}, {24 * kHour * 11}}};
    REQUIRE(site.source->fold(asked).has_value());  // loads the columns
    std::vector<double> micros;
    for (int run = 0; run < 50; ++run) {
      const auto begin = std::chrono::steady_clock::now();
      const auto table = site.source->fold(asked);
      const auto end = std::chrono::steady_clock::now();
      REQUIRE(table->units.size() == 114);
      micros.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    }
    std::sort(micros.begin(), micros.end());
    MESSAGE("fold of 114 twins over 24 h: median " << micros[25] << " us");
    // Wide enough for a sanitizer's build on a busy machine; the message tells the figure.
    CHECK(micros[25] < 20'000);
  }
}

}  // namespace
}  // namespace entente::node
