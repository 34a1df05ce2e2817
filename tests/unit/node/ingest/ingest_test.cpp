#include "node/ingest/ingest.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <future>
#include <random>

#include "node/ingest/csv_reader.h"
#include "node/ingest/jsonl_reader.h"
#include "node/limits.h"
#include "tests/unit/node/ingest/site.h"
#include "tests/unit/node/real_data.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::HeldStore;
using test::Site;
using test::TemporaryFolder;

std::string line(const std::string& twin, const std::string& signal, const std::string& time,
                 const std::string& value) {
  return "{\"twin\":\"" + twin + "\",\"signal\":\"" + signal + "\",\"time\":\"" + time +
         "\",\"value\":" + value + "}\n";
}

// Readings of "a", `count` of them at the times from `from` on, each with this value.
Batch batch_of(SeriesId id, std::int64_t from, std::size_t count, double value) {
  Batch batch;
  for (std::size_t i = 0; i < count; ++i) {
    batch.add(id, {{from + static_cast<std::int64_t>(i)}, value});
  }
  return batch;
}

// A history whose answers are drawn: some batches are refused for load, some at once, some late.
class BusyHistory final : public History {
 public:
  explicit BusyHistory(std::uint32_t seed) : random_(seed) {}
  Result<SeriesId> open_series(std::string_view, std::string_view) override { return SeriesId{}; }
  std::optional<SeriesId> find(std::string_view, std::string_view) const override {
    return SeriesId{};
  }
  SeriesKey key_of(SeriesId) const override { return {}; }
  std::vector<SeriesKey> series(std::string_view) const override { return {}; }
  void append(Batch batch, Appended done) override {
    const bool late = random_() % 2 == 0;
    if (random_() % 3 == 0) {
      auto refused = make_error(ErrorCode::overloaded, "busy");
      ++refusals;
      if (!late) return done(std::move(refused));
      answers_.push_back(std::async(std::launch::async, [done, refused] { done(refused); }));
      return;
    }
    AppendReport report;
    report.added = batch.size();
    for (std::size_t i = 0; i < batch.size(); ++i) written[batch.times[i]] = batch.values[i];
    if (!late) return done(report);
    answers_.push_back(std::async(std::launch::async, [done, report] { done(report); }));
  }
  Result<AppendReport> append_now(Batch) override { return AppendReport{}; }
  void erase(Erasure, std::function<void(Result<Erased>)>) override {}
  std::vector<SeriesId> named(std::string_view) const override { return {}; }
  void forget(std::vector<SeriesId>, std::function<void(Result<std::uint64_t>)>) override {}
  void scan(SeriesId, TimeWindow, const Visit&) const override {}
  void aggregate(std::span<const SeriesId>, TimeWindow, Figures,
                 std::span<Summary>) const override {}
  void retain(RetentionOf, Instant, std::function<void(Result<RetentionReport>)>) override {}
  KeptSeries kept(SeriesId) const override { return {}; }
  Outcome seal() override { return {}; }
  std::vector<Correction> corrections(SeriesId, TimeWindow) const override { return {}; }
  std::optional<Reading> latest(SeriesId) const override { return std::nullopt; }

  std::map<std::int64_t, double> written;
  int refusals = 0;

 private:
  std::mt19937 random_;
  std::vector<std::future<void>> answers_;
};

TEST_SUITE("node/ingest") {
  TEST_CASE("a store whose queue is full gets every batch in the end, after growing pauses") {
    Site site({"a"}, 1);
    HeldStore held(*site.store);
    std::string text;
    for (std::size_t i = 0; i < 5 * limits::kIngestReadings + 7; ++i) {
      text += line("a", "pm25", to_text(Instant{static_cast<std::int64_t>(i) * 1'000}), "1");
    }
    // The one place in the queue is taken: every batch is refused until the store goes on.
    site.store->post<int>([](Database&) -> Result<int> { return 0; }, [](const Result<int>&) {});
    JsonLinesReader reader{source_of(text)};
    std::vector<Duration> pauses;
    std::uint64_t read_when_held = 0;
    IngestOptions options;
    options.sending.patience = minutes(1'000'000);  // nobody waits here
    options.sending.pause = [&](Duration pause) {
      if (pauses.size() < 4) pauses.push_back(pause);
      read_when_held = std::max(read_when_held, pauses.size() < 4 ? reader.bytes() : 0);
      if (pauses.size() == 4) held.let_go();
    };
    const auto report = site.take(reader, options);
    REQUIRE(report.has_value());
    CHECK(report->durable.added == 5 * limits::kIngestReadings + 7);
    CHECK(report->rejected == 0);
    CHECK(site.readings("a") == 5 * limits::kIngestReadings + 7);
    CHECK(read_when_held < text.size() * 3 / 5);
    REQUIRE(pauses.size() == 4);
    CHECK(pauses.front() == limits::kOverloadPauseFirst);
    CHECK(std::is_sorted(pauses.begin(), pauses.end()));
  }

  TEST_CASE("whoever is refused for longer than the patience is told so and what is durable") {
    Site site({"a"}, 1);
    HeldStore held(*site.store);
    site.store->post<int>([](Database&) -> Result<int> { return 0; }, [](const Result<int>&) {});
    std::string text;
    for (int i = 0; i < 100; ++i) text += line("a", "pm25", to_text(Instant{i}), "1");
    Duration waited;
    IngestOptions options;
    options.sending.patience = seconds(3);
    options.sending.pause = [&](Duration pause) {
      CHECK(pause <= limits::kOverloadPauseMost);
      waited = waited + pause;
    };
    JsonLinesReader reader{source_of(text)};
    const auto report = site.take(reader, options);
    REQUIRE_FALSE(report.has_value());
    CHECK(report.error().code == ErrorCode::overloaded);
    CHECK(report.error().what.find("0 readings before it are durable") != std::string::npos);
    CHECK(waited >= seconds(3));
    CHECK(waited <= seconds(3) + limits::kOverloadPauseMost);
  }

  TEST_CASE(
      "however batches are refused and overtaken the last one sent wins and each counts once") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      BusyHistory history(seed);
      SendOptions options;
      options.pause = [](Duration) {};
      options.patience = seconds(3'600);
      std::map<std::int64_t, double> expected;
      {
        BatchSender sender(history, options);
        for (int i = 0; i < 12; ++i) {
          const std::int64_t from = i % 3;
          for (int k = 0; k < 4; ++k) expected[from + k] = i;
          REQUIRE(sender.send(batch_of(SeriesId{}, from, 4, i)));
        }
        REQUIRE(sender.finish());
        CHECK(sender.durable().added == 48);
      }
      CHECK(history.written == expected);
    }
  }

  TEST_CASE("a dry run judges and counts and writes nothing") {
    Site site({"a"});
    const auto text = line("a", "pm25", "2019-01-01", "5") + line("a", "pm25", "2019-01-02", "-5") +
                      line("b", "pm25", "2019-01-02", "5");
    JsonLinesReader reader{source_of(text)};
    IngestOptions options;
    options.dry_run = true;
    const auto report = site.take(reader, options);
    REQUIRE(report.has_value());
    CHECK(report->durable.added == 2);
    CHECK(report->durable.bad == 1);
    CHECK(report->rejected == 1);
    CHECK(site.readings("a") == 0);
  }

  TEST_CASE("more unknown names than are remembered are counted and each is told at most once") {
    Site site({"a"});
    std::string text;
    const auto names = limits::kUnknownNames + 100;
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < names; ++i) {
        text +=
            "{\"twin\":\"x" + std::to_string(i) + "\",\"signal\":\"s\",\"time\":1,\"value\":1}\n";
      }
    }
    JsonLinesReader reader{source_of(text)};
    std::size_t told = 0;
    IngestOptions options;
    options.on_reject = [&](const Reject&) { ++told; };
    const auto report = site.take(reader, options);
    REQUIRE(report.has_value());
    CHECK(report->rejected == 2 * names);
    CHECK(told == limits::kUnknownNames);
  }

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
