// Erasing readings and forgetting names.
#include <doctest/doctest.h>

#include <future>

#include "node/history/check.h"
#include "tests/unit/node/history/history_model.h"

namespace entente::node {
namespace {

using test::check_all;
using test::erase;
using test::erase_now;
using test::forget_now;
using test::Model;
using test::opened_history;
using test::record;
using test::TemporaryFolder;

TEST_SUITE("node/history erasing") {
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

  TEST_CASE("an erasure that fails in the middle is finished when it is asked for again") {
    // What the store is told to refuse, of one group after the other.
    const std::vector<std::pair<std::string, std::string>> kinds = {
        {"INSERT ON segment", "NEW.series_group"},
        {"DELETE ON segment", "OLD.series_group"},
        {"DELETE ON bucket", "OLD.series_group"},
        {"INSERT ON latest", "NEW.series_group"},
        {"DELETE ON correction", "OLD.series / 256"}};
    std::size_t halfway = 0;
    for (const auto& [event, of] : kinds) {
      for (std::size_t group = 0; group < 3; ++group) {
        CAPTURE(event);
        CAPTURE(group);
        TemporaryFolder folder;
        auto here = opened_history(folder / "h.db");
        const auto execute = [&](const std::string& sql) {
          const auto done = here.store->run<int>([&](Database& database) -> Result<int> {
            database.exec(sql.c_str());
            return 0;
          });
          REQUIRE(done.has_value());
        };
        std::vector<SeriesId> ids, gone;
        Model model;
        for (int pass = 0; pass < 2; ++pass) {  // the second corrects
          Batch batch;
          for (int i = 0; i < 600; ++i) {
            if (pass == 0) {
              ids.push_back(*here.history->open_series("t" + std::to_string(i), "x"));
              if (i % 3 == 0) gone.push_back(ids.back());
            }
            for (int r = 0; r < (pass == 0 ? 20 : 1); ++r) {
              batch.add(ids[static_cast<std::size_t>(i)],
                        {{minutes(7).ns * r + i}, i + pass + r / 10.0, Quality::good});
            }
          }
          record(model, batch);
          REQUIRE(here.history->append_now(std::move(batch)).has_value());
          REQUIRE(here.history->seal().has_value());
        }
        const auto asked = [&] {
          std::promise<Result<Erased>> told;
          here.history->erase({gone, kAllTime, {}},
                              [&](Result<Erased> done) { told.set_value(std::move(done)); });
          return told.get_future().get();
        };
        execute("CREATE TEMP TRIGGER refusal BEFORE " + event + " WHEN " + of + " = " +
                std::to_string(group) + " BEGIN SELECT RAISE(ABORT, 'refused'); END");
        const auto first = asked();
        REQUIRE_FALSE(first.has_value());
        CHECK(first.error().code == ErrorCode::store_failed);
        // Groups are gone or there as a whole, and nobody else lost anything.
        std::size_t erased = 0;
        Model left = model;
        for (const auto id : gone) {
          if (here.history->latest(id)) continue;
          CHECK(group_of(id) < group);
          ++erased;
          left[id].clear();
        }
        halfway += erased > 0 && erased < gone.size();
        check_all(*here.history, ids, left, kAllTime);
        execute("DROP TRIGGER refusal");
        REQUIRE(asked().has_value());
        for (const auto id : gone) model[id].clear();
        check_all(*here.history, ids, model, kAllTime);
        for (const auto id : gone) CHECK(here.history->corrections(id, kAllTime).empty());
        CHECK(here.history->corrections(ids[1], kAllTime).size() == 1);
        here.close();
        here = opened_history(folder / "h.db");
        check_all(*here.history, ids, model, kAllTime);
        here.close();
        CheckReport report;
        check_history(folder / "h.db", report);
        CHECK(report.findings.empty());
      }
    }
    CHECK(halfway == 2 * kinds.size());
  }

  TEST_CASE("what retention noted of a series goes with its names") {
    TemporaryFolder folder;
    auto here = opened_history(folder / "h.db");
    const auto horizons = [&] {
      const auto found = here.store->run<std::int64_t>([](Database& database) {
        auto rows = database.prepare("SELECT count(*) FROM series_horizon");
        rows.step();
        return Result<std::int64_t>(rows.integer(0));
      });
      return *found;
    };
    const std::vector<SeriesId> ids = {*here.history->open_series("a", "x"),
                                       *here.history->open_series("b", "x")};
    Batch batch;
    for (int day = 0; day < 10; ++day) {
      for (const auto id : ids) batch.add(id, {{days(day).ns}, 1.0 * day, Quality::good});
    }
    REQUIRE(here.history->append_now(std::move(batch)).has_value());
    REQUIRE(here.history->seal().has_value());
    std::promise<void> told;
    here.history->retain(
        [](const SeriesKey&) {
          return Retention{days(2), {}, {}};
        },
        {days(10).ns},
        [&](const Result<RetentionReport>& done) {
          CHECK(done.has_value());
          told.set_value();
        });
    told.get_future().get();
    CHECK(horizons() == 2);
    REQUIRE(erase_now(*here.history, {ids[0]}, kAllTime).front() == 10);
    CHECK(forget_now(*here.history, {ids[0]}) == 1);
    CHECK(horizons() == 1);
    // The same names begin anew: no time is too early for them.
    Batch again;
    again.add(*here.history->open_series("a", "x"), {{0}, 7, Quality::good});
    CHECK(here.history->append_now(std::move(again))->added == 1);
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
}

}  // namespace
}  // namespace entente::node
