// A workload that a dying process is checked against: batch n and erasure n are told by n alone, so
// that who comes after knows from the words said what must be there.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <map>

#include "node/history/tail.h"
#include "schemas/base/random.h"
#include "tests/unit/node/history/opened_history.h"

namespace entente::node::test {

inline constexpr int kSeries = 6;
inline constexpr int kBatchReadings = 60;
inline constexpr int kBatches = 400;

inline OpenedHistory opened(const std::string& path) {
  return opened_history(path, "history");
}

inline SeriesId series(History& history, int n) {
  return *history.open_series("t" + std::to_string(n), "x");
}

// Batch n is the same whoever makes it: mostly in order, a tenth late, a few corrections. Every
// value tells its batch.
inline Batch batch_of(History& history, int n) {
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
inline TimeWindow erased_by(int n) {
  const auto to = std::int64_t{n} * kBatchReadings * seconds(20).ns;
  return {{to - minutes(50).ns}, {to - minutes(20).ns}};
}

// Appends, late readings, corrections, seals and erasures; `say` is told what was acknowledged.
inline void live(const std::string& path, int batches, const std::function<void(int)>& say) {
  auto here = opened(path);
  for (int n = 1; n <= batches; ++n) {
    REQUIRE(here.history->append_now(batch_of(*here.history, n)).has_value());
    say(n);
    if (n % 3 == 0) REQUIRE(here.history->seal().has_value());
    if (n % 7 == 0) {
      erase_now(*here.history, {series(*here.history, n % kSeries)}, erased_by(n));
      say(-n);
    }
  }
}

using Model = std::map<int, std::map<std::int64_t, double>>;

inline void write(History& history, Model& model, int n) {
  const auto batch = batch_of(history, n);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    model[static_cast<int>(i) % kSeries][batch.times[i]] = batch.values[i];
  }
}

inline void erase(Model& model, int n) {
  const auto window = erased_by(n);
  auto& of = model[n % kSeries];
  of.erase(of.lower_bound(window.from.ns), of.lower_bound(window.to.ns));
}

inline bool equals(const History& history, const Model& model) {
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

inline void check_summaries(const History& history) {
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
inline void check_survivor(const std::string& path, const std::vector<int>& said) {
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

}  // namespace entente::node::test
