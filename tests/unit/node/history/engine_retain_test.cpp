// Retention: what is rolled up, what it still answers and what is no longer taken.
#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "node/limits.h"
#include "tests/unit/node/history/history_model.h"
#include "tests/unit/node/store/counting_vfs.h"

namespace entente::node {
namespace {

using test::check_scan;
using test::check_summary;
using test::erase;
using test::Model;
using test::opened_history;
using test::record;
using test::TemporaryFolder;

TEST_SUITE("node/history retention") {
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
    for (unsigned round = 0; round < 2; ++round) {
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
      // More than are cut out one by one, of a series whose past is in summaries alone.
      for (std::size_t i = 0; i < round * 3 * limits::kOverriddenReadings; ++i) {
        const auto late_by = random.below(static_cast<std::uint64_t>(days(1).ns));
        taken.add(brief, {{horizon + static_cast<std::int64_t>(late_by)}, 4, Quality::good});
      }
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

  TEST_CASE("late readings that come in the middle of a roll-up are refused or counted once") {
    test::CountingVfs vfs;
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto brief = *here.history->open_series("a", "brief");
    const auto lasting = *here.history->open_series("a", "lasting");
    std::vector<SeriesId> ids = {brief, lasting};
    Model model;
    std::size_t expired = 0;
    const auto put = [&](Batch& batch, SeriesId id, std::int64_t time) {
      batch.add(id, {{time}, static_cast<double>(batch.size() % 50), Quality::good});
    };
    Batch first;
    for (int minute = 0; minute < 12 * 24 * 60; minute += 5) {
      put(first, brief, minutes(minute).ns);
      put(first, lasting, minutes(minute).ns);
    }
    record(model, first);
    REQUIRE(here.history->append_now(std::move(first)).has_value());
    REQUIRE(here.history->seal().has_value());
    const auto policy = [](const SeriesKey& key) {
      return Retention{key.signal == "lasting" ? std::optional<Duration>() : days(2), {}, {}};
    };
    for (int day = 4; day < 10; ++day) {
      CAPTURE(day);
      const auto horizon = days(day - 2).ns;
      const auto late = [&](SeriesId id, std::int64_t time, bool taken) {
        auto batch = std::make_shared<Batch>();
        put(*batch, id, time);
        if (taken) record(model, *batch);
        auto told = std::make_shared<std::promise<AppendReport>>();
        here.history->append(*batch, [told](Result<AppendReport> done) {
          CHECK(done.has_value());
          told->set_value(done ? *done : AppendReport{});
        });
        return told->get_future();
      };
      // Of this one nothing is rolled up yet: it takes what is as late as that.
      const auto young = *here.history->open_series("a", "young-" + std::to_string(day));
      ids.push_back(young);
      REQUIRE(late(young, days(11).ns, true).get().added == 1);
      // The control: the other takes as early a time before the roll-up.
      REQUIRE(late(brief, horizon - 7, true).get().added == 1);
      REQUIRE(here.history->seal().has_value());
      const int before = vfs.syncs();
      vfs.hold_syncs(true);
      std::promise<RetentionReport> told;
      here.history->retain(policy, {days(day).ns}, [&](Result<RetentionReport> done) {
        CHECK(done.has_value());
        told.set_value(done ? *done : RetentionReport{});
      });
      while (vfs.syncs() == before) std::this_thread::yield();  // it commits what it rolled up
      std::vector<std::future<AppendReport>> refused, taken;
      refused.push_back(late(brief, horizon - 9, false));
      refused.push_back(late(brief, days(day - 3).ns + 9, false));
      taken.push_back(late(brief, horizon + 9, true));
      taken.push_back(late(lasting, horizon - 9, true));
      taken.push_back(late(young, horizon - 9, true));
      vfs.hold_syncs(false);
      for (auto& each : refused) expired += each.get().expired;
      for (auto& each : taken) CHECK(each.get().added == 1);
      CHECK(told.get_future().get().readings > 0);
      const auto check = [&] {
        std::vector<Summary> got(ids.size());
        for (const TimeWindow window :
             {kAllTime, TimeWindow{{0}, {horizon}}, TimeWindow{{horizon}, {days(12).ns}},
              TimeWindow{{horizon - days(1).ns}, {horizon + days(1).ns}}}) {
          here.history->aggregate(ids, window, Figures::moments_and_sketch, got);
          for (std::size_t i = 0; i < ids.size(); ++i) {
            check_summary(got[i], model[ids[i]], window);
          }
        }
        check_scan(*here.history, lasting, model[lasting], kAllTime);
        check_scan(*here.history, brief, model[brief], {{horizon}, kAllTime.to});
      };
      check();
      REQUIRE(here.history->seal().has_value());
      check();
      here.close();
      here = opened_history(folder / "h.db");
      check();
    }
    CHECK(expired == 12);
    here.close();
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
}

}  // namespace
}  // namespace entente::node
