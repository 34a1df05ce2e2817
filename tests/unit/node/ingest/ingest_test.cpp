#include "node/ingest/ingest.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "node/ingest/csv_reader.h"
#include "node/ingest/jsonl_reader.h"
#include "node/limits.h"
#include "node/twin/twin_registry.h"
#include "tests/unit/node/real_data.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::TemporaryFolder;

constexpr const char* kTypes = R"json({
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

  explicit Site(const std::vector<std::string>& ids) {
    Store::Options options;
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

std::string line(const std::string& twin, const std::string& signal, const std::string& time,
                 const std::string& value) {
  return "{\"twin\":\"" + twin + "\",\"signal\":\"" + signal + "\",\"time\":\"" + time +
         "\",\"value\":" + value + "}\n";
}

TEST_SUITE("node/ingest") {
  TEST_CASE("readings are judged and kept, unknown names are told once and counted") {
    Site site({"a", "b"});
    const std::string text =
        line("a", "pm25", "2019-01-01", "5") + line("a", "pm25", "2019-01-02", "5000") +
        line("a", "pm25", "2020-01-01T00:05:00Z", "6") +
        line("a", "pm25", "2020-01-01T00:05:01Z", "7") + line("b", "pm25", "2019-01-01", "8") +
        line("b", "pm25", "2019-01-01", "8") + line("b", "pm25", "2019-01-01", "9") +
        line("zz", "pm25", "2019-01-01", "1") + line("zz", "pm25", "2019-01-02", "1") +
        line("a", "ph25", "2019-01-02", "1") + line("a", "note", "2019-01-02", "1") + "nonsense\n";
    JsonLinesReader reader{source_of(text)};
    std::vector<Reject> told;
    IngestOptions options;
    options.on_reject = [&](const Reject& reject) { told.push_back(reject); };
    const auto report = site.take(reader, options);
    REQUIRE(report.has_value());
    CHECK(report->durable.added == 5);
    CHECK(report->durable.repeated == 1);
    CHECK(report->durable.corrected == 1);
    CHECK(report->durable.bad == 2);
    CHECK(report->rejected == 5);
    REQUIRE(told.size() == 4);
    CHECK(told[0].line == 8);
    CHECK(told[0].reason.find("zz") != std::string::npos);
    CHECK(told[1].line == 10);
    CHECK(told[1].reason.find("ph25") != std::string::npos);
    CHECK(told[2].line == 11);
    CHECK(told[3].line == 12);
    std::vector<Quality> qualities;
    site.history->scan(
        site.series("a"), {{0}, *parse_instant("2030-01-01")}, [&](const auto& block) {
          qualities.insert(qualities.end(), block.qualities.begin(), block.qualities.end());
        });
    CHECK(qualities == std::vector<Quality>{Quality::good, Quality::out_of_range, Quality::good,
                                            Quality::clock_ahead});
    CHECK(site.history->latest(site.series("b"))->value == 9);
  }

  TEST_CASE("reject lines are CSV that our own reader takes") {
    const Reject reject{7, 3, "a \"quoted\", reason", "x\ny"};
    const auto text =
        std::string(kRejectHeader) + reject_line(reject) + reject_line({8, 0, "b", ""});
    std::uint64_t bytes = 0;
    CsvRecords records(source_of(text), ',', bytes);
    REQUIRE(records.next() == CsvRecords::Step::record);
    REQUIRE(records.next() == CsvRecords::Step::record);
    CHECK(records.fields()[2] == "a \"quoted\", reason");
    CHECK(records.fields()[3] == "x\ny");
    REQUIRE(records.next() == CsvRecords::Step::record);
    CHECK(records.fields()[1].empty());
  }

  TEST_CASE("a header that fails is the file's error, a stopped run keeps what is durable") {
    Site site({"a"});
    auto mapping =
        read_mapping("layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"when\"\n", "m.toml");
    REQUIRE(mapping.has_value());
    {
      const std::string text = "time,a\n2019-01-01,1\n";
      CsvReader reader(source_of(text), *mapping);
      const auto report = site.take(reader);
      REQUIRE_FALSE(report.has_value());
      CHECK(report.error().code == ErrorCode::input_unreadable);
      CHECK(report.error().what.find("when") != std::string::npos);
    }
    std::string text = "when,a\n";
    for (std::size_t i = 0; i < 3 * limits::kIngestReadings; ++i) {
      text += to_text(
          Instant{1'500'000'000'000'000'000 + static_cast<std::int64_t>(i) * 1'000'000'000});
      text += ",1\n";
    }
    CsvReader reader(source_of(text), *mapping);
    IngestOptions options;
    int told = 0;
    options.on_progress = [&](const IngestProgress&) { return ++told < 1; };
    const auto report = site.take(reader, options);
    REQUIRE(report.has_value());
    CHECK(report->durable.added == limits::kIngestReadings);
    CHECK(site.readings("a") == limits::kIngestReadings);
  }

  TEST_CASE("a full disk ends the run with its own code, and says how far it came") {
    Site site({"a"});
    const auto limited = site.store->run<int>([](Database& database) -> Result<int> {
      database.exec("PRAGMA max_page_count=1");
      return 0;
    });
    REQUIRE(limited.has_value());
    std::string text;
    for (int i = 0; i < 50'000; ++i) {
      // Values of no pattern, so that they do not vanish in the packing.
      text += "{\"twin\":\"a\",\"signal\":\"pm25\",\"time\":" + std::to_string(i) +
              ",\"value\":" + std::to_string(std::fmod(i * 0.6180339887498949, 1)) + "}\n";
    }
    JsonLinesReader reader{source_of(text)};
    const auto report = site.take(reader);
    REQUIRE_FALSE(report.has_value());
    CHECK(report.error().code == ErrorCode::disk_full);
    CHECK(report.error().what.find("are durable") != std::string::npos);
  }

  TEST_CASE("the smoke of 2015 goes in whole, twice, and is there once") {
    const auto path = test::real_data("northwest_smoke_2015/pm25_hourly.csv");
    if (!path) return;
    std::ifstream head(*path);
    std::string header;
    std::getline(head, header);
    if (header.ends_with('\r')) header.pop_back();
    std::vector<std::string> ids;
    for (std::size_t at = header.find(','); at != header.npos;) {
      const auto next = header.find(',', at + 1);
      ids.push_back(header.substr(at + 1, next == header.npos ? next : next - at - 1));
      at = next;
    }
    REQUIRE(ids.size() == 114);
    Site site(ids);
    std::uint64_t readings = 0;
    for (int run = 0; run < 2; ++run) {
      auto mapping = read_mapping(
          "layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"datetime_utc\"\n", "m.toml");
      std::ifstream stream(*path, std::ios::binary);
      CsvReader reader(source_of(stream), std::move(*mapping));
      const auto begin = std::chrono::steady_clock::now();
      const auto report = site.take(reader);
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      REQUIRE(report.has_value());
      CHECK(report->rejected == 0);
      if (run == 0) {
        readings = report->durable.added;
        CHECK(readings + report->missing == 1'080 * 114);
        MESSAGE("ingested " << readings << " readings in " << took.count() << " s");
      } else {
        CHECK(report->durable.repeated == readings);
      }
    }
    std::uint64_t kept = 0;
    for (const auto& id : ids) kept += site.readings(id);
    CHECK(kept == readings);
  }

  TEST_CASE("the city example's types, twins, mapping and readings fit together") {
    const auto city = std::filesystem::path(ENTENTE_SOURCE_DIR) / "examples" / "city";
    if (!std::filesystem::exists(city / "air-monitor.json")) return;
    TemporaryFolder folder;
    Store::Options store_options;
    store_options.path = folder / "h.db";
    store_options.migrations = history_migrations();
    auto store = std::move(*Store::open(std::move(store_options)));
    const SystemClock clock;
    auto history = std::move(*open_history(*store, clock));
    auto registry = std::move(*TwinRegistry::load(*store));
    const auto commit = [&](Result<TwinChange> change) {
      INFO((change ? std::string() : change.error().what));
      REQUIRE(change.has_value());
      REQUIRE(registry->commit_now(std::move(*change)).has_value());
    };
    commit(
        registry->plan_types({{"air-monitor.json", test::text_of_file(city / "air-monitor.json")}},
                             TwinRegistry::Missing::refuse));
    std::uint64_t readings = 0;
    for (const char* state : {"washington", "oregon", "idaho"}) {
      commit(registry->plan_twins(test::text_of_file(city / state / "monitors.toml"),
                                  std::string(state) + "/monitors.toml"));
      auto mapping = read_mapping(test::text_of_file(city / state / "readings.map.toml"), "map");
      INFO((mapping ? std::string() : mapping.error().what));
      REQUIRE(mapping.has_value());
      std::ifstream stream(city / state / "pm25.csv", std::ios::binary);
      CsvReader reader(source_of(stream), std::move(*mapping));
      const auto report = ingest(reader, registry->state()->graph, *history, clock, {});
      REQUIRE(report.has_value());
      CHECK(report->rejected == 0);
      CHECK(report->durable.bad == 0);
      readings += report->durable.added;
    }
    CHECK(registry->state()->graph.twins().size() == 114);
    CHECK(readings > 100'000);
  }
}

}  // namespace
}  // namespace entente::node
