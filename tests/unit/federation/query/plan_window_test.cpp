#include <doctest/doctest.h>

#include "planned.h"
#include "schemas/base/limits.h"
#include "schemas/base/random.h"
#include "schemas/base/zone.h"

namespace {

using namespace entente;
using namespace entente::federation;
using namespace entente::federation::testing;

std::string window(const std::string& from, const std::string& to) {
  return "SELECT count(*) FROM s OVER '" + from + "' .. '" + to + "'";
}

void set_times(States& states, Duration tick, const std::string& zone) {
  for (ExportView* view : {&states.washington, &states.oregon, &states.idaho}) {
    view->tick = tick;
    view->zone = zone;
  }
}

}  // namespace

TEST_SUITE("federation/query/plan_window") {
  TEST_CASE("a relative window ends at the last tick that every member has closed") {
    States states;
    CHECK(states.planned("SELECT count(*) FROM s OVER 2h").window ==
          TimeWindow{at("2015-08-25T06:00Z"), at("2015-08-25T08:00Z")});
    states.oregon.lateness = hours(3);
    CHECK(states.planned("SELECT count(*) FROM s OVER 2h").window.to == at("2015-08-25T07:00Z"));
    CHECK(states.planned("SELECT count(*) FROM s WHERE state != 'OR' OVER 2h").window.to ==
          at("2015-08-25T08:00Z"));
    states.idaho.tick = hours(6);
    CHECK(states.planned("SELECT count(*) FROM s OVER 12h").window.to == at("2015-08-25T06:00Z"));
    states.options.skew = hours(2);
    CHECK(states.planned("SELECT count(*) FROM s OVER 12h").window.to == at("2015-08-25T00:00Z"));
    CHECK(has(states.refused("SELECT count(*) FROM s OVER 8h", ErrorCode::shape_refused).remedy,
              "6h and 12h"));
    CHECK(has(states.refused("SELECT count(*) FROM s OVER 30m", ErrorCode::shape_refused).remedy,
              "the nearest are 1h"));
  }

  TEST_CASE("whatever the clock says, a relative window is aligned, closed and as long as asked") {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      States states;
      const std::string zones[] = {"UTC", "America/Los_Angeles", "Asia/Kathmandu"};
      const Duration ticks[] = {hours(1), minutes(30), days(1)};
      set_times(states, ticks[random.below(3)], zones[random.below(3)]);
      states.options.now =
          at("2020-01-01") + seconds(static_cast<std::int64_t>(random.below(60'000'000)));
      const ExportView& view = states.idaho;
      const auto made = states.try_plan("SELECT count(*) FROM s OVER 3d");
      if (!made) {
        // Only a local day that is shorter or longer may stand in the way, and not of whole days.
        CHECK(view.tick < days(1));
        CHECK(view.zone == "America/Los_Angeles");
        continue;
      }
      const TimeWindow got = made->window;
      CAPTURE(to_text(got.from));
      CAPTURE(to_text(got.to));
      CHECK(is_aligned(got.from, view.tick, view.zone));
      CHECK(is_aligned(got.to, view.tick, view.zone));
      CHECK(got.to + view.lateness <= states.options.now);
      CHECK(step_end(got.to, view.tick, view.zone) + view.lateness > states.options.now);
      if (view.zone != "America/Los_Angeles") CHECK(got.length() == days(3));
      CHECK(got.length() >= days(3) - hours(1));
      CHECK(got.length() <= days(3) + hours(1));
    }
  }

  TEST_CASE("local days are days of the zone, also when the clocks change") {
    States states;
    set_times(states, days(1), "America/Los_Angeles");
    states.options.now = at("2015-11-03T20:00Z");
    CHECK(states.planned("SELECT count(*) FROM s OVER 7d").window ==
          TimeWindow{at("2015-10-27T07:00Z"), at("2015-11-03T08:00Z")});
    CHECK(has(
        states.refused("SELECT count(*) FROM s OVER 7d EVERY 1d", ErrorCode::shape_refused).what,
        "does not divide"));
    states.options.now = at("2015-10-27T20:00Z");
    CHECK(states.planned("SELECT count(*) FROM s OVER 7d EVERY 1d").ticks.size() == 7);
  }

  TEST_CASE("an absolute window off the ticks is refused with the nearest instants") {
    States states;
    const Error error =
        states.refused(window("2015-08-20T00:20Z", "2015-08-21"), ErrorCode::shape_refused);
    CHECK(has(error.what, "'2015-08-20T00:20:00Z' is no boundary of the ticks of 'air' (1h, UTC)"));
    CHECK(has(error.remedy, "'2015-08-20T00:00:00Z' and '2015-08-20T01:00:00Z'"));
    CHECK(error.what.size() - error.what.rfind('\n') - 4 == 29);
    CHECK(states.refused(window("2015-08-20", "2015-08-21T00:00:00.5Z"), ErrorCode::shape_refused)
              .what.find("'2015-08-21T00:00:00.5Z'") != std::string::npos);
    set_times(states, days(1), "America/Los_Angeles");
    CHECK(has(states.refused(window("2015-08-20", "2015-08-21"), ErrorCode::shape_refused).remedy,
              "'2015-08-19T07:00:00Z' and '2015-08-20T07:00:00Z'"));
    CHECK(states.try_plan(window("2015-08-20T00:00-07:00", "2015-08-21T00:00-07:00")).has_value());
  }

  TEST_CASE("a window is answered from the moment it is closed, not before") {
    States states;
    const std::string question = window("2015-08-24", "2015-08-25T09:00Z");
    const Error error = states.refused(question, ErrorCode::window_open);
    CHECK(has(error.remedy, "from 2015-08-25T11:00:00Z"));
    states.options.now = at("2015-08-25T11:00Z");
    CHECK(states.try_plan(question).has_value());
    states.options.now = states.options.now - nanoseconds(1);
    states.refused(question, ErrorCode::window_open);
  }

  TEST_CASE("EVERY is a multiple of the tick and divides the window") {
    States states;
    const std::string day = window("2015-08-23", "2015-08-24") + " EVERY ";
    const Plan plan = states.planned(day + "6h");
    REQUIRE(plan.ticks.size() == 4);
    CHECK(plan.ticks[1] == TimeWindow{at("2015-08-23T06:00Z"), at("2015-08-23T12:00Z")});
    CHECK(plan.members[0].question->every == hours(6));
    CHECK(states.planned(day + "24h").members[0].question->every == std::nullopt);
    CHECK(has(states.refused(day + "90m", ErrorCode::shape_refused).what, "no multiple"));
    CHECK(has(states.refused(day + "5h", ErrorCode::shape_refused).what, "does not divide"));
    CHECK(has(states.refused(day + "48h", ErrorCode::shape_refused).what, "does not divide"));
  }

  TEST_CASE("a window touches at most as many blocks as the limit says") {
    States states;
    const Instant to = at("2015-08-20");
    const auto days_back = [&](std::int64_t n) {
      return window(to_text(to - days(n)), to_text(to));
    };
    const auto limit = static_cast<std::int64_t>(limits::kBlocks);
    CHECK(states.try_plan(days_back(limit)).has_value());
    CHECK(has(states.refused(days_back(limit + 1), ErrorCode::shape_refused).what,
              "more than 400 blocks"));
    CHECK(has(states.refused("SELECT count(*) FROM s OVER 10000d", ErrorCode::shape_refused).what,
              "blocks"));
    states.refused("SELECT count(*) FROM s OVER 15000w", ErrorCode::shape_refused);
    for (ExportView* view : {&states.washington, &states.oregon, &states.idaho}) view->block = {};
    CHECK(states.try_plan(days_back(limit + 1)).has_value());
    states.idaho.block = hours(1);
    states.refused(days_back(17), ErrorCode::shape_refused);
  }

  TEST_CASE("an export whose zone or ticks no machine could follow is refused, not followed") {
    States states;
    states.idaho.zone = "Mars/Olympus";
    CHECK(has(states.refused("SELECT count(*) FROM s OVER 1d", ErrorCode::shape_refused).what,
              "Mars/Olympus"));
    states.idaho.zone = "America/Boise";
    states.idaho.tick = hours(5);
    CHECK(has(states.refused("SELECT count(*) FROM s OVER 5h", ErrorCode::shape_refused).what,
              "local days"));
    states.idaho.tick = {};
    states.refused("SELECT count(*) FROM s OVER 5h", ErrorCode::shape_refused);
    states.idaho = States().idaho;
    states.idaho.lateness = {INT64_MAX};
    CHECK(states.planned("SELECT count(*) FROM s OVER 1d").window.to < at("1724-01-01"));
    states.refused(window("2015-08-20", "2015-08-21"), ErrorCode::window_open);
  }
}
