#include "node/history/history.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <map>

#include "federation/query/fold.h"
#include "node/limits.h"
#include "schemas/base/random.h"
#include "tests/unit/node/child_process.h"
#include "tests/unit/node/history/opened_history.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::opened_history;
using test::TemporaryFolder;

// Readings as a test writes them.
using Written = std::vector<std::pair<SeriesKey, Reading>>;

Batch batch_of(History& history, const Written& written) {
  Batch batch;
  for (const auto& [key, reading] : written) {
    batch.add(*history.open_series(key.twin, key.signal), reading);
  }
  return batch;
}

std::vector<Reading> readings(const History& history, const SeriesKey& key, TimeWindow window) {
  std::vector<Reading> all;
  const auto series = history.find(key.twin, key.signal);
  if (!series) return all;
  history.scan(*series, window, [&](const History::Block& block) {
    REQUIRE(block.times.size() == block.values.size());
    REQUIRE(block.times.size() == block.qualities.size());
    for (std::size_t i = 0; i < block.times.size(); ++i) {
      all.push_back({{block.times[i]}, block.values[i], block.qualities[i]});
    }
  });
  return all;
}

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

// What a history is: for each series a map from time to the last reading written.
using Model = std::map<SeriesKey, std::map<std::int64_t, Reading>>;

void check_series(const History& history, const SeriesKey& key,
                  const std::map<std::int64_t, Reading>& expected, TimeWindow window) {
  const auto got = readings(history, key, window);
  std::size_t i = 0;
  for (const auto& [time, reading] : expected) {
    if (!window.contains({time})) continue;
    REQUIRE(i < got.size());
    CHECK(got[i].time.ns == time);
    CHECK(same(got[i].value, reading.value));
    CHECK(got[i].quality == reading.quality);
    ++i;
  }
  CHECK(i == got.size());
}

Written random_batch(SeededRandom& random, const std::vector<SeriesKey>& keys) {
  Written batch;
  const auto parts = 1 + random.below(4);
  for (std::uint64_t p = 0; p < parts; ++p) {
    const auto& key = keys[random.below(keys.size())];
    const auto count = random.below(12);
    for (std::uint64_t i = 0; i < count; ++i) {
      // Few times, so that duplicates, corrections and late readings are common.
      Reading reading{{static_cast<std::int64_t>(random.below(60)) - 20},
                      static_cast<double>(random.below(5)),
                      Quality::good};
      if (random.below(6) == 0) {
        reading = {reading.time, std::numeric_limits<double>::quiet_NaN(), Quality::not_finite};
      }
      if (random.below(6) == 0) reading.quality = Quality::out_of_range;
      batch.emplace_back(key, reading);
    }
  }
  return batch;
}

void apply(Model& model, const Written& written, AppendReport& report) {
  for (const auto& [key, reading] : written) {
    auto& series = model[key];
    const auto [entry, fresh] = series.emplace(reading.time.ns, reading);
    if (fresh) {
      ++report.added;
    } else if (same(entry->second.value, reading.value)) {
      ++report.repeated;  // and keeps its verdict
    } else {
      ++report.corrected;
      entry->second = reading;
    }
    if (reading.quality != Quality::good) ++report.bad;
  }
}

TEST_SUITE("node/history") {
  TEST_CASE("scans and reports agree with a naive model, over restarts, late data and eviction") {
    const std::vector<SeriesKey> keys = {{"a", "x"}, {"a", "y"}, {"b", "x"}, {"c", "long.name"}};
    for (std::uint32_t seed = 0; seed < 12; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      TemporaryFolder folder;
      auto here = opened_history(folder / "h.db");
      Model model;
      for (int step = 0; step < 25; ++step) {
        auto batch = random_batch(random, keys);
        AppendReport expected;
        apply(model, batch, expected);
        const auto report = here.history->append_now(batch_of(*here.history, batch));
        REQUIRE(report.has_value());
        CHECK(report->added == expected.added);
        CHECK(report->repeated == expected.repeated);
        CHECK(report->corrected == expected.corrected);
        CHECK(report->bad == expected.bad);
        if (random.below(8) == 0) {
          here.close();
          here = opened_history(folder / "h.db");
        }
        if (random.below(6) == 0) {
          const auto& key = keys[random.below(keys.size())];
          const TimeWindow window{{static_cast<std::int64_t>(random.below(30)) - 20},
                                  {static_cast<std::int64_t>(random.below(40))}};
          const auto erased = test::erase_now(
              *here.history, {*here.history->open_series(key.twin, key.signal)}, window);
          std::uint64_t gone = 0;
          auto& series = model[key];
          for (auto each = series.begin(); each != series.end();) {
            const bool inside = window.contains({each->first});
            gone += inside;
            each = inside ? series.erase(each) : std::next(each);
          }
          CHECK(erased.front() == gone);
        }
        for (const auto& key : keys) {
          const TimeWindow window{{static_cast<std::int64_t>(random.below(60)) - 25},
                                  {static_cast<std::int64_t>(random.below(60)) - 10}};
          check_series(*here.history, key, model[key], window);
          check_series(*here.history, key, model[key], kAllTime);
        }
      }
    }
  }  // namespace

  TEST_CASE("folds use good readings only and agree with a fold over the model") {
    for (std::uint32_t seed = 100; seed < 110; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      TemporaryFolder folder;
      auto here = opened_history(folder / "h.db");
      const std::vector<SeriesKey> keys = {{"a", "x"}, {"b", "x"}};
      Model model;
      for (int step = 0; step < 10; ++step) {
        auto batch = random_batch(random, keys);
        AppendReport ignored;
        apply(model, batch, ignored);
        REQUIRE(here.history->append_now(batch_of(*here.history, batch)).has_value());
      }
      std::vector<SeriesId> ids;
      for (const auto& key : keys) ids.push_back(*here.history->open_series(key.twin, key.signal));
      const std::vector<TimeWindow> ticks = {{{-20}, {0}}, {{0}, {10}}, {{10}, {10}}, {{5}, {40}}};
      for (auto reducer : {Reducer::mean, Reducer::last, Reducer::max, Reducer::sum, Reducer::delta,
                           Reducer::median}) {
        Column column;
        column.signal = "x";
        column.reducer = reducer;
        std::vector<double> got(ticks.size());
        here.history->fold(ids, column, ticks, got);
        for (std::size_t t = 0; t < ticks.size(); ++t) {
          federation::Fold naive(column, ticks[t]);
          std::size_t good = 0;
          for (const auto& key : keys) {
            for (const auto& [time, reading] : model[key]) {
              if (reading.quality != Quality::good || !ticks[t].contains({time})) continue;
              naive.add({time}, reading.value);
              ++good;
            }
            naive.next_series();
          }
          CHECK(same(got[t], naive.value()));
          CHECK(std::isnan(got[t]) == (good == 0));
        }
      }
    }
  }

  TEST_CASE("the latest reading and the list of series follow what was written") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto unwritten = *here.history->open_series("a", "x");
    CHECK_FALSE(here.history->latest(unwritten).has_value());
    REQUIRE(here.history
                ->append_now(batch_of(*here.history, {{{"b", "x"}, {{5}, 1.5, Quality::good}},
                                                      {{"a", "y"}, {{9}, 9, Quality::out_of_range}},
                                                      {{"a", "y"}, {{3}, 3, Quality::good}}}))
                .has_value());
    const auto latest = here.history->latest(*here.history->find("a", "y"));
    REQUIRE(latest.has_value());
    CHECK(latest->time.ns == 9);
    CHECK(latest->quality == Quality::out_of_range);
    CHECK(here.history->series("") == std::vector<SeriesKey>{{"a", "y"}, {"b", "x"}});
    CHECK(here.history->series("b") == std::vector<SeriesKey>{{"b", "x"}});
    CHECK(here.history->series("bb").empty());
  }

  TEST_CASE("a batch that is too large or names nothing is refused whole") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto series = *here.history->open_series("a", "x");
    Batch large;
    for (std::size_t i = 0; i <= limits::kBatchReadings; ++i) large.add(series, {});
    auto refused = here.history->append_now(std::move(large));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::payload_too_large);
    Batch unknown;
    unknown.add(series, {{1}, 1, Quality::good});
    unknown.add(static_cast<SeriesId>(77), {{1}, 1, Quality::good});
    refused = here.history->append_now(std::move(unknown));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(here.history->open_series("", "x").error().code == ErrorCode::invalid_argument);
    CHECK(here.history->series("").empty());
  }

#ifdef ENTENTE_CRASH_POINTS
  TEST_CASE("acknowledged batches survive kill -9 once each, no batch is there by half") {
    constexpr int kReadings = 40;
    const auto batch = [](int n) {
      Written made;
      for (int s = 0; s < 4; ++s) {
        for (int i = 0; i < kReadings / 4; ++i) {
          made.push_back(
              {{"t" + std::to_string(s), "x"}, {{n * 1'000 + i}, n + s / 10.0, Quality::good}});
        }
      }
      return made;
    };
    if (const auto folder = test::child_folder()) {
      auto here = opened_history(*folder, "history");
      for (int n = 1; n < 1'000; ++n) {
        REQUIRE(here.history->append_now(batch_of(*here.history, batch(n))).has_value());
        test::say(n);
      }
      return;
    }
    for (const char* point : {"history.before_commit:", "history.after_commit:"}) {
      for (int pass : {2, 3, 9, 30}) {
        CAPTURE(point);
        CAPTURE(pass);
        TemporaryFolder folder;
        const auto path = folder / "h.db";
        const auto end = test::run_child(path, point + std::to_string(pass));
        REQUIRE(end.killed);
        auto here = opened_history(path);
        std::map<int, int> seen;  // batch -> readings
        for (int s = 0; s < 4; ++s) {
          for (const auto& each :
               readings(*here.history, {"t" + std::to_string(s), "x"}, kAllTime)) {
            ++seen[static_cast<int>(each.time.ns / 1'000)];
          }
        }
        for (int n : end.said) CHECK(seen[n] == kReadings);
        for (const auto& [n, count] : seen) CHECK(count == kReadings);
        CHECK(seen.size() <= end.said.size() + 1);
      }
    }
  }
#endif
}  // namespace entente::node

}  // namespace
}  // namespace entente::node
