// A history as a map remembers it: what it takes, and every figure worked out reading by reading.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include "node/history/group.h"
#include "node/history/history.h"
#include "schemas/base/random.h"
#include "tests/unit/node/history/opened_history.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

using Series = std::map<std::int64_t, Entry>;
using Model = std::map<SeriesId, Series>;

struct Shape {
  std::int64_t begin = 0;
  std::int64_t length = 0;
  std::int64_t grain = 1;
  std::uint64_t readings = 0;  // of a batch
};

// Few batches are in order, values are decimals of a grid, some readings are bad.
inline Batch random_batch(SeededRandom& random, const std::vector<SeriesId>& ids,
                          const Shape& shape, std::int64_t& clock) {
  Batch batch;
  const bool late = random.below(4) == 0;
  const auto series = ids[random.below(ids.size())];
  const bool across = random.below(2) == 0;
  if (random.below(5) == 0) batch.purpose = Batch::Purpose::verdicts;
  for (std::uint64_t i = 0; i < shape.readings; ++i) {
    const auto span = static_cast<std::uint64_t>(shape.length / shape.grain);
    clock += shape.grain * static_cast<std::int64_t>(random.below(3));
    const auto time =
        late ? shape.begin + shape.grain * static_cast<std::int64_t>(random.below(span)) : clock;
    const auto value = static_cast<double>(random.below(20'000)) / 100 - 50;
    const auto quality = random.below(20) == 0 ? Quality::out_of_range : Quality::good;
    batch.add(across ? ids[random.below(ids.size())] : series, {{time}, value, quality});
  }
  return batch;
}

inline AppendReport record(Model& model, const Batch& batch) {
  AppendReport report;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Entry entry{batch.times[i], batch.values[i], batch.qualities[i]};
    auto [at, fresh] = model[batch.series[i]].emplace(entry.time, entry);
    if (fresh) {
      ++report.added;
    } else if (same_value(at->second, entry) && batch.purpose == Batch::Purpose::readings) {
      ++report.repeated;  // and keeps its verdict
    } else if (same_reading(at->second, entry)) {
      ++report.repeated;
    } else {
      ++report.corrected;
      at->second = entry;
    }
    report.bad += entry.quality != Quality::good;
  }
  return report;
}

inline bool near(double a, double b, double scale) {
  return std::abs(a - b) <= 1e-11 * (1 + scale);
}

// The same figures, worked out reading by reading.
inline void check_summary(const Summary& got, const Series& series, TimeWindow window) {
  Partial naive;
  QuantileSketch sketch;
  double magnitude = 0;
  for (auto each = series.lower_bound(window.from.ns);
       each != series.end() && each->first < window.to.ns; ++each) {
    naive.add(each->first, each->second.value, each->second.quality);
    if (each->second.quality != Quality::good) continue;
    sketch.add(each->second.value);
    magnitude += std::abs(each->second.value);
  }
  const auto& partial = got.partial;
  CHECK(partial.readings == naive.readings);
  CHECK(partial.count == naive.count);
  CHECK(near(partial.sum, naive.sum, magnitude));
  CHECK(near(partial.squares, naive.squares, naive.squares + magnitude));
  CHECK(partial.minimum == naive.minimum);
  CHECK(partial.maximum == naive.maximum);
  CHECK(partial.first == naive.first);
  CHECK(partial.last == naive.last);
  CHECK(partial.first_time == naive.first_time);
  CHECK(partial.last_time == naive.last_time);
  const auto seconds = static_cast<double>(naive.last_time - naive.first_time) * 1e-9;
  CHECK(near(partial.integral, naive.integral, 200 * seconds));
  CHECK(near(partial.rise, naive.rise, magnitude));
  CHECK(got.sketch == sketch);
}

inline void check_scan(const History& history, SeriesId id, const Series& series,
                       TimeWindow window) {
  auto expected = series.lower_bound(window.from.ns);
  bool equal = true;
  history.scan(id, window, [&](const History::Block& block) {
    for (std::size_t i = 0; i < block.times.size(); ++i, ++expected) {
      const Entry entry{block.times[i], block.values[i], block.qualities[i]};
      if (expected == series.end() || expected->first != entry.time ||
          !same_reading(expected->second, entry)) {
        equal = false;
        return;
      }
    }
  });
  CHECK(equal);
  CHECK((expected == series.end() || expected->first >= window.to.ns));
}

inline void check_all(const History& history, const std::vector<SeriesId>& ids, Model& model,
                      TimeWindow window) {
  std::vector<Summary> got(ids.size());
  history.aggregate(ids, window, Figures::moments_and_sketch, got);
  std::vector<Summary> sums(ids.size());
  history.aggregate(ids, window, Figures::sums, sums);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    check_summary(got[i], model[ids[i]], window);
    check_scan(history, ids[i], model[ids[i]], window);
    CHECK(sums[i].partial.count == got[i].partial.count);
    CHECK(near(sums[i].partial.sum, got[i].partial.sum,
               200.0 * static_cast<double>(got[i].partial.count)));
    const auto latest = history.latest(ids[i]);
    CHECK(latest.has_value() == !model[ids[i]].empty());
    if (latest && !model[ids[i]].empty()) {
      CHECK(latest->time.ns == model[ids[i]].rbegin()->first);
      CHECK(latest->value == model[ids[i]].rbegin()->second.value);
    }
  }
}

inline std::uint64_t erase(OpenedHistory& here, SeriesId id, TimeWindow window) {
  const auto gone = erase_now(*here.history, {id}, window);
  return gone.empty() ? 0 : gone.front();
}

inline std::uint64_t erase(Series& series, TimeWindow window) {
  std::uint64_t gone = 0;
  for (auto each = series.begin(); each != series.end();) {
    const bool inside = window.contains({each->first});
    gone += inside;
    each = inside ? series.erase(each) : std::next(each);
  }
  return gone;
}

inline TimeWindow random_window(SeededRandom& random, const Shape& shape) {
  if (random.below(8) == 0) return kAllTime;
  const auto span = static_cast<std::uint64_t>(shape.length);
  auto a = shape.begin + static_cast<std::int64_t>(random.below(span));
  auto b = shape.begin + static_cast<std::int64_t>(random.below(span));
  if (random.below(3) == 0) a = bucket_start(Level::hour, a), b = bucket_start(Level::day, b);
  return {{std::min(a, b)}, {std::max(a, b)}};
}

inline void run_against_model(std::uint32_t seed, const Shape& shape, int steps) {
  CAPTURE(seed);
  SeededRandom random(seed);
  TemporaryFolder folder;
  auto here = opened_history(folder / "h.db");
  std::vector<SeriesId> ids;
  const auto open_ids = [&] {
    ids.clear();
    // Over two groups, in ascending order.
    for (int i = 0; i < 300; ++i) {
      const auto id =
          *here.history->open_series("twin-" + std::to_string(i / 4), "s" + std::to_string(i % 4));
      if (i % 60 == 0 || i == 255 || i == 256) ids.push_back(id);
    }
  };
  open_ids();
  Model model;
  auto clock = shape.begin;
  for (int step = 0; step < steps; ++step) {
    auto batch = random_batch(random, ids, shape, clock);
    const auto expected = record(model, batch);
    const auto report = here.history->append_now(std::move(batch));
    REQUIRE(report.has_value());
    CHECK(report->added == expected.added);
    CHECK(report->repeated == expected.repeated);
    CHECK(report->corrected == expected.corrected);
    CHECK(report->bad == expected.bad);
    if (random.below(4) == 0) REQUIRE(here.history->seal().has_value());
    if (random.below(8) == 0) {
      here.close();
      here = opened_history(folder / "h.db");
      open_ids();
    }
    if (random.below(10) == 0) {
      const auto id = ids[random.below(ids.size())];
      const auto window = random_window(random, shape);
      CHECK(erase(here, id, window) == erase(model[id], window));
    }
    check_all(*here.history, ids, model, random_window(random, shape));
    check_all(*here.history, ids, model, kAllTime);
  }
}

}  // namespace entente::node::test
