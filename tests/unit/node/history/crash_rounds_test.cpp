// kill -9 at every named point of writing, sealing and erasing: what was acknowledged is there
// once, nothing is there by half, summaries equal the readings. ENTENTE_CRASH_ROUNDS=100 runs every
// point a hundred times, at its first to its hundredth pass; the test command does a few.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <future>
#include <map>

#include "node/history/history.h"
#include "node/history/tail.h"
#include "schemas/base/random.h"
#include "tests/unit/node/child_process.h"
#include "tests/unit/node/temporary_folder.h"

#ifdef ENTENTE_CRASH_POINTS
namespace entente::node {
namespace {

constexpr int kSeries = 6;
constexpr int kBatchReadings = 60;
constexpr int kBatches = 400;

struct Opened {
  std::unique_ptr<Store> store;
  std::unique_ptr<History> history;
};

Opened opened(const std::string& path) {
  static const SystemClock clock;
  Store::Options options;
  options.path = path;
  options.migrations = history_migrations();
  options.crash_prefix = "history";
  auto store = Store::open(std::move(options));
  REQUIRE(store.has_value());
  auto history = open_history(**store, clock);
  INFO((history ? std::string() : history.error().what));
  REQUIRE(history.has_value());
  return {std::move(*store), std::move(*history)};
}

SeriesId series(History& history, int n) {
  return *history.open_series("t" + std::to_string(n), "x");
}

// Batch n is the same whoever makes it: mostly in order, a tenth late, a few corrections. Every
// value tells its batch.
Batch batch_of(History& history, int n) {
  SeededRandom random(static_cast<std::uint32_t>(n));
  Batch batch;
  for (int i = 0; i < kBatchReadings; ++i) {
    auto time = (std::int64_t{n} * kBatchReadings + i) * seconds(20).ns;
    if (random.below(10) == 0) {
      time = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n + 1))) *
             kBatchReadings * seconds(20).ns;
    }
    batch.add(series(history, i % kSeries), {{time}, n + i / 100.0, Quality::good});
  }
  return batch;
}

// After batch n: forget a stretch of one series. Told by n alone, like the batches.
TimeWindow erased_by(int n) {
  const auto to = std::int64_t{n} * kBatchReadings * seconds(20).ns;
  return {{to - minutes(50).ns}, {to - minutes(20).ns}};
}

void live(const std::string& folder) {
  auto here = opened(folder);
  for (int n = 1; n <= kBatches; ++n) {
    REQUIRE(here.history->append_now(batch_of(*here.history, n)).has_value());
    test::say(n);
    if (n % 3 == 0) REQUIRE(here.history->seal().has_value());
    if (n % 7 == 0) {
      std::promise<void> done;
      here.history->erase(series(*here.history, n % kSeries), erased_by(n), [&](auto erased) {
        REQUIRE(erased.has_value());
        done.set_value();
      });
      done.get_future().get();
      test::say(-n);
    }
  }
}

using Model = std::map<int, std::map<std::int64_t, double>>;

void write(History& history, Model& model, int n) {
  const auto batch = batch_of(history, n);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    model[static_cast<int>(i) % kSeries][batch.times[i]] = batch.values[i];
  }
}

void erase(Model& model, int n) {
  const auto window = erased_by(n);
  auto& of = model[n % kSeries];
  of.erase(of.lower_bound(window.from.ns), of.lower_bound(window.to.ns));
}

bool equals(const History& history, const Model& model) {
  for (const auto& [n, expected] : model) {
    const auto id = history.find("t" + std::to_string(n), "x");
    if (!id) {
      if (!expected.empty()) return false;
      continue;
    }
    std::map<std::int64_t, double> got;
    bool ascending = true;
    history.scan(*id, kAllTime, [&](const History::Block& block) {
      for (std::size_t i = 0; i < block.times.size(); ++i) {
        ascending &= got.empty() || got.rbegin()->first < block.times[i];
        got[block.times[i]] = block.values[i];
      }
    });
    CHECK(ascending);
    if (got != expected) return false;
  }
  return true;
}

void check_summaries(const History& history) {
  for (int n = 0; n < kSeries; ++n) {
    const auto id = history.find("t" + std::to_string(n), "x");
    if (!id) continue;
    for (const TimeWindow window :
         {kAllTime, TimeWindow{{hours(1).ns}, {hours(30).ns}}, TimeWindow{{77}, {days(2).ns}}}) {
      std::vector<Summary> got(1);
      history.aggregate(std::vector{*id}, window, Figures::moments_and_sketch, got);
      Partial naive;
      QuantileSketch sketch;
      history.scan(*id, window, [&](const History::Block& block) {
        naive.add(block.times, block.values, block.qualities);
        sketch.add(block.values);
      });
      CHECK(got[0].partial.count == naive.count);
      CHECK(got[0].partial.minimum == naive.minimum);
      CHECK(got[0].partial.last == naive.last);
      CHECK(std::abs(got[0].partial.sum - naive.sum) <= 1e-9 * (1 + std::abs(naive.sum)));
      CHECK(got[0].sketch == sketch);
    }
  }
}

// The state after the last word said, or after what was under way when the process died.
void check_survivor(const std::string& path, const std::vector<int>& said) {
  auto here = opened(path);
  Model model;
  for (int n = 0; n < kSeries; ++n) model[n];
  int last = 0;
  for (const int word : said) {
    if (word > 0) write(*here.history, model, word), last = word;
    if (word < 0) erase(model, -word);
  }
  const bool erasing = last > 0 && last % 7 == 0 && said.back() == last;
  const bool as_said = equals(*here.history, model);
  bool one_more = false;
  if (!as_said) {
    if (erasing) {
      erase(model, last);
    } else {
      write(*here.history, model, last + 1);
    }
    one_more = equals(*here.history, model);
  }
  CHECK((as_said || one_more));
  check_summaries(*here.history);
  // And it goes on.
  REQUIRE(here.history->append_now(batch_of(*here.history, kBatches + 1)).has_value());
  REQUIRE(here.history->seal().has_value());
  check_summaries(*here.history);
}

TEST_SUITE("node/history crashes") {
  TEST_CASE("kill -9 at any point of writing sealing and erasing loses and halves nothing") {
    if (const auto folder = test::child_folder()) return live(*folder);
    const char* asked = std::getenv("ENTENTE_CRASH_ROUNDS");
    const int rounds = asked == nullptr ? 2 : std::atoi(asked);
    int killed = 0;
    for (const char* point : {"before_commit",    "after_commit", "before_checkpoint",
                              "after_checkpoint", "named",        "journaled",
                              "frozen",           "merged",       "inserted",
                              "removed",          "published",    "summarised",
                              "bucketed",         "sealed",       "trimming",
                              "trimmed",          "erasing",      "erased",
                              "forgotten",        "replayed"}) {
      for (int round = 0; round < rounds; ++round) {
        // Early passes and late ones; a point that is passed less often lets the run end by itself.
        const int pass = rounds > 20 ? round + 1 : 1 + round * 11;
        CAPTURE(point);
        CAPTURE(pass);
        test::TemporaryFolder folder;
        const auto end = test::run_child(
            folder / "h.db", "history." + std::string(point) + ":" + std::to_string(pass));
        killed += end.killed;
        if (round == 0) CHECK(end.killed);
        check_survivor(folder / "h.db", end.said);
      }
    }
    MESSAGE("killed " << killed << " times");
  }
}

}  // namespace
}  // namespace entente::node
#endif
