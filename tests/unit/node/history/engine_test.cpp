// The history against a map: sealing, summaries, late readings, corrections.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "node/history/engine.h"
#include "tests/unit/node/history/history_model.h"

namespace entente::node {
namespace {

using test::check_all;
using test::erase;
using test::Model;
using test::opened_history;
using test::record;
using test::run_against_model;
using test::TemporaryFolder;

TEST_SUITE("node/history engine") {
  TEST_CASE("every aggregate over any window agrees with a naive one through every change") {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      run_against_model(seed, {-hours(30).ns, hours(60).ns, seconds(30).ns, 400}, 30);
      run_against_model(100 + seed, {0, days(9).ns, minutes(7).ns, 200}, 30);
      run_against_model(200 + seed, {1'000, 2'000, 1, 50}, 30);
    }
  }

  TEST_CASE("windows of months over buckets of every length agree with a naive one") {
    for (std::uint32_t seed = 0; seed < 2; ++seed) {
      run_against_model(300 + seed, {-days(150).ns, days(300).ns, hours(1).ns, 1'500}, 16);
    }
  }

  TEST_CASE("a year of readings is answered by few buckets and a late one by few less") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const std::vector<SeriesId> ids = {*here.history->open_series("a", "x")};
    Model model;
    Batch batch;
    for (int hour = 0; hour < 400 * 24; hour += 3) {
      batch.add(ids[0], {{hours(hour).ns}, static_cast<double>(hour % 97), Quality::good});
    }
    record(model, batch);
    REQUIRE(here.history->append_now(std::move(batch)).has_value());
    REQUIRE(here.history->seal().has_value());
    const auto of_level = [&](Level level) {
      const auto counted = here.store->run<std::int64_t>([level](Database& database) {
        auto& rows = database.cached("SELECT count(*) FROM bucket WHERE level = ?");
        rows.bind(1, static_cast<std::int64_t>(level)).step();
        return Result<std::int64_t>(rows.integer(0));
      });
      return *counted;
    };
    CHECK(of_level(Level::hour) == 0);  // fewer than limits::kBucketReadings
    CHECK(of_level(Level::day) == 399);
    CHECK(of_level(Level::four_days) == 99);
    CHECK(of_level(Level::sixteen_days) == 24);
    CHECK(of_level(Level::sixty_four_days) == 6);
    const TimeWindow year{{days(3).ns + hours(5).ns}, {days(368).ns + hours(5).ns}};
    check_all(*here.history, ids, model, year);
    Batch late;
    late.add(ids[0], {{days(100).ns + 1}, 5'000, Quality::good});
    record(model, late);
    REQUIRE(here.history->append_now(std::move(late)).has_value());
    check_all(*here.history, ids, model, year);
    REQUIRE(here.history->seal().has_value());
    CHECK(of_level(Level::sixty_four_days) == 6);
    check_all(*here.history, ids, model, year);
    CHECK(erase(here, ids[0], {{days(100).ns}, {days(100).ns + 2}}) == 2);
    erase(model[ids[0]], {{days(100).ns}, {days(100).ns + 2}});
    CHECK(of_level(Level::sixty_four_days) == 6);
    check_all(*here.history, ids, model, year);
  }

  TEST_CASE("large groups are cut into segments and stay whole") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const std::vector<SeriesId> ids = {*here.history->open_series("a", "x"),
                                       *here.history->open_series("b", "x")};
    Model model;
    SeededRandom random(7);
    for (int part = 0; part < 8; ++part) {
      Batch batch;
      for (int i = 0; i < 90'000; ++i) {
        const auto time = (std::int64_t{part} * 90'000 + i) * seconds(1).ns;
        batch.add(ids[static_cast<std::size_t>(i % 2)],
                  {{time}, static_cast<double>(random.below(1'000)) / 10, Quality::good});
      }
      record(model, batch);
      REQUIRE(here.history->append_now(std::move(batch)).has_value());
    }
    REQUIRE(here.history->seal().has_value());
    const auto segments = here.store->run<std::int64_t>([](Database& database) {
      auto& rows = database.cached("SELECT count(*) FROM segment");
      rows.step();
      return Result<std::int64_t>(rows.integer(0));
    });
    CHECK(*segments >= 3);
    for (const TimeWindow window : {kAllTime, TimeWindow{{seconds(777).ns}, {hours(150).ns}},
                                    TimeWindow{{hours(24).ns}, {hours(72).ns}}}) {
      check_all(*here.history, ids, model, window);
    }
    here.close();
    here = opened_history(folder / "h.db");
    check_all(*here.history, ids, model, {{hours(3).ns + 5}, {hours(90).ns}});
  }

  TEST_CASE("corrections keep what they replaced") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto id = *here.history->open_series("a", "x");
    for (const double value : {1.0, 2.0, 2.0, 3.0}) {
      Batch batch;
      batch.add(id, {{5}, value, Quality::good});
      REQUIRE(here.history->append_now(std::move(batch)).has_value());
      REQUIRE(here.history->seal().has_value());
    }
    const auto kept = here.history->corrections(id, kAllTime);
    REQUIRE(kept.size() == 2);
    CHECK(kept[0].before.value == 1);
    CHECK(kept[1].before.value == 2);
    CHECK(erase(here, id, kAllTime) == 1);
    CHECK(here.history->corrections(id, kAllTime).empty());
    CHECK_FALSE(here.history->latest(id).has_value());
  }

  TEST_CASE("corrections and late readings leave nothing counted as unsealed once it is sealed") {
    TemporaryFolder folder;
    const SystemClock clock;
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    auto store = std::move(*Store::open(std::move(options)));
    HistoryEngine engine(*store, clock);
    REQUIRE(engine.open().has_value());
    const auto id = *engine.table().open("a", "x");
    for (int n = 0; n < 40; ++n) {
      auto batch = std::make_shared<Batch>();
      for (int i = 0; i < 10; ++i) batch->add(id, {{i * 7 % 10}, n + i / 10.0, Quality::good});
      const auto done = store->run<HistoryEngine::Written>(
          [&](Database& database) { return engine.write(database, batch); },
          [&](const HistoryEngine::Written* written) { engine.settled(written); });
      REQUIRE(done.has_value());
      if (n % 8 != 7) continue;
      CHECK(engine.unsealed() > 0);
      REQUIRE(engine.seal().has_value());
      CHECK(engine.unsealed() == 0);
    }
    engine.stop();
  }

  TEST_CASE("readers and a sealer at once see every reading that was acknowledged before") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto id = *here.history->open_series("a", "x");
    constexpr int kBatches = 60;
    std::atomic<int> acknowledged{0};
    std::atomic<bool> wrong{false};
    std::vector<std::thread> readers;
    for (int r = 0; r < 2; ++r) {
      readers.emplace_back([&] {
        while (acknowledged.load() < kBatches) {
          const auto before = static_cast<std::uint64_t>(acknowledged.load()) * 100;
          std::vector<Summary> got(1);
          here.history->aggregate(std::vector{id}, kAllTime, Figures::moments, got);
          std::uint64_t scanned = 0;
          here.history->scan(id, kAllTime,
                             [&](const auto& block) { scanned += block.times.size(); });
          if (got[0].partial.count < before || scanned < before) wrong = true;
        }
      });
    }
    for (int n = 0; n < kBatches; ++n) {
      Batch batch;
      for (int i = 0; i < 100; ++i) batch.add(id, {{n * 100 + i}, 1.5, Quality::good});
      CHECK(here.history->append_now(std::move(batch)).has_value());
      acknowledged = n + 1;
      if (n % 3 == 0) CHECK(here.history->seal().has_value());
    }
    for (auto& reader : readers) reader.join();
    CHECK_FALSE(wrong.load());
  }

  TEST_CASE("a file of the first layout is moved and answers the same") {
    TemporaryFolder folder;
    {
      Store::Options options;
      options.path = folder / "h.db";
      options.migrations = {history_migrations().front()};
      auto store = std::move(*Store::open(std::move(options)));
      const auto filled = store->run<int>([](Database& database) -> Result<int> {
        database.exec(
            "INSERT INTO series VALUES (1, 'a', 'x'), (2, 'b', 'x');"
            "INSERT INTO reading VALUES (1, 10, 1.5, 0), (1, 20, NULL, 1), (2, 10, 7.0, 0)");
        return 0;
      });
      REQUIRE(filled.has_value());
    }
    for (int pass = 0; pass < 2; ++pass) {
      auto here = opened_history(folder / "h.db");
      const auto a = here.history->find("a", "x");
      REQUIRE(a.has_value());
      std::vector<Summary> got(1);
      here.history->aggregate(std::vector{*a}, kAllTime, Figures::moments, got);
      CHECK(got[0].partial.readings == 2);
      CHECK(got[0].partial.sum == 1.5);
      CHECK(here.history->latest(*here.history->find("b", "x"))->value == 7.0);
    }
  }

  TEST_CASE("summaries of a length that only a newer program knows are refused by version") {
    TemporaryFolder folder;
    {
      auto here = opened_history(folder / "h.db");
      const auto put = here.store->run<int>([](Database& database) -> Result<int> {
        database.exec("INSERT INTO bucket VALUES (1, 0, 99, 0, x'00')");
        return 0;
      });
      REQUIRE(put.has_value());
    }
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    auto store = std::move(*Store::open(std::move(options)));
    const SystemClock clock;
    const auto refused = open_history(*store, clock);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::version_too_new);
  }

  TEST_CASE("a program from before the long buckets refuses the file by its version") {
    TemporaryFolder folder;
    opened_history(folder / "h.db").close();
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    options.migrations.pop_back();
    const auto refused = Store::open(std::move(options));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::version_too_new);
  }

  TEST_CASE("names that a batch wrote and lost are written by the next") {
    TemporaryFolder folder;
    const SystemClock clock;
    Store::Options options;
    options.path = folder / "h.db";
    options.migrations = history_migrations();
    auto store = std::move(*Store::open(std::move(options)));
    HistoryEngine engine(*store, clock);
    REQUIRE(engine.open().has_value());
    const auto id = *engine.table().open("a", "x");
    const auto append = [&](std::int64_t time, bool fails) {
      auto batch = std::make_shared<Batch>();
      batch->add(id, {{time}, 1, Quality::good});
      return store->run<HistoryEngine::Written>(
          [&, batch](Database& database) -> Result<HistoryEngine::Written> {
            auto written = engine.write(database, batch);
            if (fails) return make_error(ErrorCode::internal, "lost");
            return written;
          },
          [&](const HistoryEngine::Written* written) { engine.settled(written); });
    };
    CHECK_FALSE(append(1, true).has_value());
    CHECK(append(2, false).has_value());
    engine.stop();
    store.reset();
    const auto here = opened_history(folder / "h.db");
    CHECK(here.history->find("a", "x").has_value());
  }
}

}  // namespace
}  // namespace entente::node
