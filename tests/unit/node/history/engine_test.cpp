// The history against a map: sealing, summaries, late readings, corrections and erasures.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <map>
#include <thread>

#include "node/history/check.h"
#include "node/history/engine.h"
#include "node/history/group.h"
#include "node/history/history.h"
#include "node/limits.h"
#include "schemas/base/random.h"
#include "tests/unit/node/history/opened_history.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::erase_now;
using test::forget_now;
using test::opened_history;
using test::TemporaryFolder;
using Opened = test::OpenedHistory;

using Series = std::map<std::int64_t, Entry>;
using Model = std::map<SeriesId, Series>;

struct Shape {
  std::int64_t begin = 0;
  std::int64_t length = 0;
  std::int64_t grain = 1;
  std::uint64_t readings = 0;  // of a batch
};

// Few batches are in order, values are decimals of a grid, some readings are bad.
Batch random_batch(SeededRandom& random, const std::vector<SeriesId>& ids, const Shape& shape,
                   std::int64_t& clock) {
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

AppendReport record(Model& model, const Batch& batch) {
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

bool near(double a, double b, double scale) {
  return std::abs(a - b) <= 1e-11 * (1 + scale);
}

// The same figures, worked out reading by reading.
void check_summary(const Summary& got, const Series& series, TimeWindow window) {
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

void check_scan(const History& history, SeriesId id, const Series& series, TimeWindow window) {
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

void check_all(const History& history, const std::vector<SeriesId>& ids, Model& model,
               TimeWindow window) {
  std::vector<Summary> got(ids.size());
  history.aggregate(ids, window, Figures::moments_and_sketch, got);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    check_summary(got[i], model[ids[i]], window);
    check_scan(history, ids[i], model[ids[i]], window);
    const auto latest = history.latest(ids[i]);
    CHECK(latest.has_value() == !model[ids[i]].empty());
    if (latest && !model[ids[i]].empty()) {
      CHECK(latest->time.ns == model[ids[i]].rbegin()->first);
      CHECK(latest->value == model[ids[i]].rbegin()->second.value);
    }
  }
}

std::uint64_t erase(Opened& here, SeriesId id, TimeWindow window) {
  const auto gone = erase_now(*here.history, {id}, window);
  return gone.empty() ? 0 : gone.front();
}

std::uint64_t erase(Series& series, TimeWindow window) {
  std::uint64_t gone = 0;
  for (auto each = series.begin(); each != series.end();) {
    const bool inside = window.contains({each->first});
    gone += inside;
    each = inside ? series.erase(each) : std::next(each);
  }
  return gone;
}

TimeWindow random_window(SeededRandom& random, const Shape& shape) {
  if (random.below(8) == 0) return kAllTime;
  const auto span = static_cast<std::uint64_t>(shape.length);
  auto a = shape.begin + static_cast<std::int64_t>(random.below(span));
  auto b = shape.begin + static_cast<std::int64_t>(random.below(span));
  if (random.below(3) == 0) a = bucket_start(Level::hour, a), b = bucket_start(Level::day, b);
  return {{std::min(a, b)}, {std::max(a, b)}};
}

void run_against_model(std::uint32_t seed, const Shape& shape, int steps) {
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

  TEST_CASE(
      "what retention rolls up answers whole minutes as before and takes nothing late for it") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    // "short" keeps two days one by one, "long" everything.
    const auto brief = *here.history->open_series("a", "short");
    const auto lasting = *here.history->open_series("a", "long");
    const std::vector<SeriesId> ids = {brief, lasting};
    SeededRandom random(3);
    Model model;
    for (int part = 0; part < 10; ++part) {
      Batch batch;
      for (int i = 0; i < 9'000; ++i) {
        const auto time = (std::int64_t{part} * 9'000 + i) * seconds(8).ns;
        batch.add(ids[random.below(2)],
                  {{time}, static_cast<double>(random.below(1'000)) / 10, Quality::good});
      }
      record(model, batch);
      REQUIRE(here.history->append_now(std::move(batch)).has_value());
      if (part % 3 == 1) REQUIRE(here.history->seal().has_value());
    }
    REQUIRE(here.history->seal().has_value());
    const Instant now{days(8).ns + hours(5).ns};
    const auto retain = [&](std::optional<Duration> minutes) {
      std::promise<RetentionReport> told;
      const auto policy = [&](const SeriesKey& key) {
        Retention kept;
        if (key.signal == "short") kept = {days(2), minutes, std::nullopt};
        if (key.signal == "long") kept.minutes = minutes;
        return kept;
      };
      here.history->retain(policy, now, [&](Result<RetentionReport> done) {
        REQUIRE(done.has_value());
        told.set_value(*done);
      });
      return told.get_future().get();
    };
    const auto horizon = days(6).ns;
    const auto gone = static_cast<std::uint64_t>(
        std::distance(model[brief].begin(), model[brief].lower_bound(horizon)));
    CHECK(retain(std::nullopt).readings == gone);
    CHECK(retain(std::nullopt).readings == 0);
    const auto check_whole = [&](std::int64_t grain) {
      for (int round = 0; round < 20; ++round) {
        auto a = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(days(9).ns)));
        auto b = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(days(9).ns)));
        if (a > b) std::swap(a, b);
        const TimeWindow window{{a / grain * grain}, {b / grain * grain}};
        std::vector<Summary> got(2);
        here.history->aggregate(ids, window, Figures::moments_and_sketch, got);
        for (std::size_t i = 0; i < 2; ++i) check_summary(got[i], model[ids[i]], window);
      }
    };
    check_whole(minutes(1).ns);
    check_scan(*here.history, lasting, model[lasting], kAllTime);
    check_scan(*here.history, brief, model[brief], {{horizon}, kAllTime.to});
    std::uint64_t before = 0;
    here.history->scan(brief, {kAllTime.from, {horizon}},
                       [&](const auto& block) { before += block.times.size(); });
    CHECK(before == 0);
    const auto kept = here.history->kept(brief);
    CHECK(kept.summarised == model[brief].size());
    CHECK(kept.readings == model[brief].size() - gone);
    CHECK(kept.minutes_from.has_value());
    // Late for either of them, before the horizon and at it: only what was rolled up refuses.
    for (int round = 0; round < 2; ++round) {
      Batch late;
      late.add(brief, {{horizon - 1}, 1, Quality::good});
      late.add(brief, {{0}, 1, Quality::good});
      Batch taken;
      for (int i = 0; i < 40; ++i) {
        const auto time = static_cast<std::int64_t>(
            random.below(static_cast<std::uint64_t>(round == 0 ? horizon : days(2).ns)));
        taken.add(lasting, {{time}, static_cast<double>(i), Quality::good});
      }
      taken.add(lasting, {{model[lasting].begin()->first}, -7.5, Quality::good});  // a correction
      taken.add(lasting, {{horizon + 7 + round}, 1, Quality::good});
      taken.add(brief, {{horizon + round}, 1, Quality::good});
      const auto expected = record(model, taken);
      for (std::size_t i = 0; i < taken.size(); ++i) {
        late.add(taken.series[i], {{taken.times[i]}, taken.values[i], taken.qualities[i]});
      }
      const auto report = here.history->append_now(std::move(late));
      REQUIRE(report.has_value());
      CHECK(report->expired == 2);
      CHECK(report->added == expected.added);
      CHECK(report->corrected == expected.corrected);
      check_whole(minutes(1).ns);
      if (round == 0) {
        here.close();
        here = opened_history(folder / "h.db");
        check_whole(minutes(1).ns);
      }
      REQUIRE(here.history->seal().has_value());
      check_whole(minutes(1).ns);
      check_scan(*here.history, lasting, model[lasting], kAllTime);
    }
    here.close();
    here = opened_history(folder / "h.db");
    check_whole(minutes(1).ns);
    CHECK(retain(days(3)).buckets > 0);
    check_whole(hours(1).ns);
    // Forgetting one leaves the other as it was.
    CHECK(erase(here, brief, kAllTime) >= model[brief].size());
    model[brief].clear();
    check_whole(hours(1).ns);
    CHECK_FALSE(here.history->latest(brief).has_value());
  }

  TEST_CASE("retention refuses late readings of no series and no time that it took nothing from") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto busy = *here.history->open_series("a", "busy");
    const auto silent = *here.history->open_series("a", "silent");  // begins after the horizon
    const auto append = [&](SeriesId id, std::int64_t time) {
      Batch batch;
      batch.add(id, {{time}, 1, Quality::good});
      const auto report = here.history->append_now(std::move(batch));
      REQUIRE(report.has_value());
      return *report;
    };
    const auto retain = [&](Instant now) {
      std::promise<RetentionReport> told;
      const auto policy = [](const SeriesKey&) { return Retention{days(2), {}, {}}; };
      here.history->retain(policy, now, [&](Result<RetentionReport> done) {
        CHECK(done.has_value());
        told.set_value(done ? *done : RetentionReport{});
      });
      return told.get_future().get();
    };
    append(busy, days(1).ns);
    append(busy, days(9).ns);
    append(silent, days(9).ns);
    REQUIRE(here.history->seal().has_value());
    CHECK(retain({days(10).ns}).readings == 1);
    CHECK(append(busy, days(8).ns - 1).expired == 1);
    CHECK(append(busy, days(8).ns).added == 1);
    CHECK(append(silent, days(3).ns).added == 1);
    // It was taken, and goes with the next run into summaries, together with what comes so late
    // that it is not sealed by then.
    REQUIRE(here.history->seal().has_value());
    CHECK(append(silent, days(3).ns + 5).added == 1);
    CHECK(retain({days(10).ns}).readings == 2);
    CHECK(append(silent, days(3).ns + 1).expired == 1);
    here.close();
    here = opened_history(folder / "h.db");
    CHECK(append(silent, days(3).ns + 1).expired == 1);
    CHECK(append(busy, days(8).ns + 1).added == 1);
    const std::vector<SeriesId> ids = {busy, silent};
    std::vector<Summary> got(2);
    here.history->aggregate(ids, kAllTime, Figures::moments, got);
    CHECK(got[0].partial.readings == 4);
    CHECK(got[1].partial.readings == 3);
    // A run that finds nothing refuses nothing new.
    CHECK(retain({days(10).ns}).readings == 0);
    const auto other = *here.history->open_series("b", "x");
    CHECK(append(other, 1).added == 1);
  }

  TEST_CASE("a late reading between two horizons of a group takes nothing from what is rolled up") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const std::vector<SeriesId> ids = {*here.history->open_series("a", "short"),
                                       *here.history->open_series("a", "long")};
    constexpr int kDays = 200;
    Batch batch;
    for (int hour = 0; hour < kDays * 24; ++hour) {
      for (const auto id : ids) batch.add(id, {{hours(hour).ns}, 1.0 * hour, Quality::good});
    }
    REQUIRE(here.history->append_now(std::move(batch)).has_value());
    REQUIRE(here.history->seal().has_value());
    std::promise<void> told;
    const auto policy = [](const SeriesKey& key) {
      return Retention{days(key.signal == "short" ? 10 : 30), {}, {}};
    };
    here.history->retain(policy, {days(kDays).ns}, [&](Result<RetentionReport> done) {
      CHECK(done.has_value());
      told.set_value();
    });
    told.get_future().get();
    const auto counted = [&](TimeWindow window) {
      std::vector<Summary> got(2);
      here.history->aggregate(ids, window, Figures::moments, got);
      return std::pair(got[0].partial.readings, got[1].partial.readings);
    };
    const TimeWindow rolled_up{{0}, {days(170).ns}};
    const std::pair<std::uint64_t, std::uint64_t> all(kDays * 24, kDays * 24);
    REQUIRE(counted(kAllTime) == all);
    const auto before = counted(rolled_up);
    Batch late;
    late.add(ids[1], {{days(180).ns + 1}, 7, Quality::good});
    REQUIRE(here.history->append_now(std::move(late))->added == 1);
    REQUIRE(here.history->seal().has_value());
    CHECK(counted(rolled_up) == before);
    CHECK(counted(kAllTime) == std::pair(all.first, all.second + 1));
    here.close();
    here = opened_history(folder / "h.db");
    CHECK(counted(kAllTime) == std::pair(all.first, all.second + 1));
  }

  TEST_CASE("series of several groups are erased together with one seal and a change per group") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    std::vector<SeriesId> ids;
    Model model;
    Batch batch;
    for (int i = 0; i < 600; ++i) {
      ids.push_back(*here.history->open_series("t" + std::to_string(i / 10), std::to_string(i)));
      for (int r = 0; r < 20; ++r) {
        batch.add(ids.back(), {{minutes(7).ns * r + i}, i + r / 10.0, Quality::good});
      }
    }
    record(model, batch);
    REQUIRE(here.history->append_now(std::move(batch)).has_value());
    const auto number = [&](const char* query) {
      const auto found = here.store->run<std::int64_t>([&](Database& database) {
        auto& rows = database.cached(query);
        rows.step();
        return Result<std::int64_t>(rows.integer(0));
      });
      return *found;
    };
    REQUIRE(here.history->seal().has_value());
    const auto before = number("SELECT max(id) FROM segment");
    std::vector<SeriesId> gone;
    for (std::size_t i = 0; i < ids.size(); i += 2) gone.push_back(ids[i]);
    const TimeWindow window{{minutes(10).ns}, {minutes(90).ns}};
    const auto erased = erase_now(*here.history, gone, window);
    REQUIRE(erased.size() == gone.size());
    for (std::size_t i = 0; i < gone.size(); ++i) {
      CHECK(erased[i] == erase(model[gone[i]], window));
    }
    CHECK(number("SELECT count(*) FROM segment") == 3);
    CHECK(number("SELECT min(id) FROM segment") > before);
    // One segment a group and its buckets of two hours: nothing was written twice.
    CHECK(number("SELECT max(id) FROM bucket") - before <= std::int64_t{3} * 3 + 3 * 2);
    check_all(*here.history, ids, model, kAllTime);
    check_all(*here.history, ids, model, {{minutes(60).ns}, {hours(9).ns}});
    here.close();
    here = opened_history(folder / "h.db");
    check_all(*here.history, ids, model, {{minutes(60).ns}, {hours(2).ns}});
  }

  TEST_CASE("a forgotten series leaves no name and its number is never used again") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto append = [&](SeriesId id, double value) {
      Batch batch;
      batch.add(id, {{5}, value, Quality::good});
      const auto report = here.history->append_now(std::move(batch));
      REQUIRE(report.has_value());
      return *report;
    };
    const auto first = *here.history->open_series("person-7", "heart");
    const auto stays = *here.history->open_series("person-8", "heart");
    const auto never = *here.history->open_series("person-7", "pulse");  // never had a reading
    append(first, 1);
    append(stays, 2);
    CHECK(forget_now(*here.history, {first}) == 0);  // it has a reading
    REQUIRE(erase_now(*here.history, {first}, kAllTime).front() == 1);
    const auto declare = [&](const char* sql) {
      const auto done = here.store->run<int>([&](Database& database) -> Result<int> {
        database.exec(sql);
        return 0;
      });
      REQUIRE(done.has_value());
    };
    declare("INSERT INTO twin VALUES ('person-7', '{}')");
    CHECK(forget_now(*here.history, {first, never}) == 0);  // its twin is there
    declare("DELETE FROM twin");
    CHECK(forget_now(*here.history, {first, never, first}) == 2);
    CHECK_FALSE(here.history->find("person-7", "heart").has_value());
    CHECK(here.history->key_of(first) == SeriesKey{});
    CHECK(here.history->find("person-8", "heart") == stays);
    // Whoever still has the number writes nothing, and hears of it.
    const auto late = append(first, 3);
    CHECK(late.forgotten == 1);
    CHECK(late.added == 0);
    auto again = *here.history->open_series("person-7", "heart");
    CHECK(again != first);
    CHECK(append(again, 4).added == 1);
    for (int pass = 0; pass < 2; ++pass) {
      here.close();
      here = opened_history(folder / "h.db");
      CHECK(*here.history->open_series("person-7", "heart") == again);
      CHECK(append(first, 3).forgotten == 1);
      CHECK(here.history->latest(again)->value == 4);
      CHECK_FALSE(here.history->latest(first).has_value());
      CHECK(here.history->series("person-7").size() == 1);
      REQUIRE(here.history->seal().has_value());
    }
    const auto found = here.store->run<std::int64_t>([](Database& database) {
      auto& rows = database.cached("SELECT count(*) FROM name WHERE signal = 'pulse'");
      rows.step();
      return Result<std::int64_t>(rows.integer(0));
    });
    CHECK(*found == 0);
    here.close();
    CheckReport report;
    check_history(folder / "h.db", report);
    CHECK(report.findings.empty());
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
}

}  // namespace
}  // namespace entente::node
