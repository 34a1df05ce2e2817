#include "schemas/base/zone.h"

#include <doctest/doctest.h>

#include "schemas/base/random.h"

namespace entente {
namespace {

Instant at(const char* text) {
  return parse_instant(text).value();
}
// The interface with the zone bound, and rounding up as well.
struct Grid {
  std::string_view zone;
  Instant align_down(Instant t, Duration step) const { return step_begin(t, step, zone); }
  Instant next(Instant t, Duration step) const { return step_end(t, step, zone); }
  bool aligned(Instant t, Duration step) const { return is_aligned(t, step, zone); }
};
Grid zone(const char* name) {
  return {name};
}

}  // namespace

TEST_SUITE("schemas/zone") {
  TEST_CASE("names of zones are those of the tz database") {
    for (const char* name : {"UTC", "America/Los_Angeles", "Europe/Lisbon", "Asia/Kathmandu"}) {
      CHECK_MESSAGE(is_zone(name), name);
    }
    for (const char* name : {"", "utc ", "Mars/Olympus", "America/", "../etc/passwd", "PST8PDT7"}) {
      CHECK_FALSE_MESSAGE(is_zone(name), name);
    }
  }

  TEST_CASE("UTC counts multiples since the epoch, before it as well") {
    const Grid utc = zone("UTC");
    CHECK(utc.align_down(at("2015-08-20T17:45Z"), hours(1)) == at("2015-08-20T17:00Z"));
    CHECK(utc.next(at("2015-08-20T17:00Z"), hours(1)) == at("2015-08-20T18:00Z"));
    CHECK(utc.align_down(at("1969-12-31T23:59Z"), days(1)) == at("1969-12-31"));
    CHECK(utc.align_down(at("1970-01-08T01:00Z"), days(7)) == at("1970-01-08"));
    CHECK(utc.align_down({7}, nanoseconds(5)).ns == 5);
    CHECK(utc.align_down({-1}, nanoseconds(5)).ns == -5);
  }

  TEST_CASE("local days have 23 and 25 hours when the clocks change") {
    const Grid pacific = zone("America/Los_Angeles");
    const Instant spring = at("2015-03-08T08:00Z");  // midnight in PST
    CHECK(pacific.align_down(at("2015-03-09T06:59:59Z"), days(1)) == spring);
    CHECK(pacific.next(spring, days(1)) - spring == hours(23));
    const Instant autumn = at("2015-11-01T07:00Z");  // midnight in PDT
    CHECK(pacific.next(autumn, days(1)) - autumn == hours(25));
    CHECK(pacific.next(at("2015-08-20T07:00Z"), days(1)) == at("2015-08-21T07:00Z"));
    // Five days counted from 1970-01-01 local, over the change.
    const Instant five = pacific.align_down(at("2015-11-03T12:00Z"), days(5));
    CHECK(pacific.aligned(five, days(5)));
    CHECK(pacific.next(five, days(5)) - five == days(5) + hours(1));
  }

  TEST_CASE("steps below a day restart with each local day") {
    const Grid pacific = zone("America/Los_Angeles");
    const Instant spring = at("2015-03-08T08:00Z");
    int steps = 0;
    for (Instant t = spring; t < pacific.next(spring, days(1)); t = pacific.next(t, hours(1))) {
      CHECK(pacific.aligned(t, hours(1)));
      ++steps;
    }
    CHECK(steps == 23);
    const Instant last = pacific.align_down(at("2015-03-09T06:00Z"), hours(6));
    CHECK(last == spring + hours(18));
    CHECK(pacific.next(last, hours(6)) == spring + hours(23));  // cut by the day's end
    const Grid nepal = zone("Asia/Kathmandu");                  // 5:45 ahead
    CHECK(nepal.align_down(at("2015-08-20T00:20Z"), hours(1)) == at("2015-08-20T00:15Z"));
  }

  TEST_CASE("clocks that change at midnight, and days that never were") {
    const Grid sao_paulo = zone("America/Sao_Paulo");  // 2015-10-18 began at 01:00
    const Instant skipped = at("2015-10-18T03:00Z");
    CHECK(sao_paulo.align_down(skipped + minutes(30), days(1)) == skipped);
    CHECK(sao_paulo.next(skipped, days(1)) - skipped == hours(23));
    // Goose Bay fell back from 00:01 to 23:01 of the day before: the new day has begun already.
    const Grid goose_bay = zone("America/Goose_Bay");
    const Instant sunday = at("2010-11-07T03:00Z");
    CHECK(goose_bay.align_down(sunday + seconds(30), days(1)) == sunday);
    CHECK(goose_bay.align_down(sunday + minutes(20), days(1)) == sunday);
    // Samoa had no 30 December 2011.
    const Grid apia = zone("Pacific/Apia");
    const Instant before = at("2011-12-29T10:00Z");
    CHECK(apia.next(before, days(1)) == at("2011-12-30T10:00Z"));
    CHECK(apia.next(at("2011-12-30T10:00Z"), days(1)) == at("2011-12-31T10:00Z"));
  }

  TEST_CASE("steps without boundaries are refused") {
    CHECK_FALSE(check_step({0}, "UTC"));
    CHECK_FALSE(check_step(hours(-1), "UTC"));
    CHECK(check_step(hours(7), "UTC"));
    CHECK_FALSE(check_step(hours(1), "Mars/Olympus"));
    CHECK_FALSE(check_step(hours(7), "America/Los_Angeles"));
    CHECK_FALSE(check_step(hours(36), "America/Los_Angeles"));
    CHECK(check_step(minutes(15), "America/Los_Angeles"));
    CHECK(check_step(days(7), "America/Los_Angeles"));
  }

  TEST_CASE("every instant lies between its boundaries, in every zone tried") {
    const Duration steps[] = {minutes(1), minutes(15), hours(1), hours(6), days(1), days(7)};
    for (const char* name : {"UTC", "America/Los_Angeles", "America/Goose_Bay", "Pacific/Apia",
                             "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"}) {
      CAPTURE(name);
      const Grid where = zone(name);
      const std::uint64_t seed = 5;
      CAPTURE(seed);
      SeededRandom random(seed);
      for (int i = 0; i < 300; ++i) {
        const Instant t{static_cast<std::int64_t>(random.below(2'000'000'000'000'000'000))};
        CAPTURE(to_text(t));
        for (const Duration step : steps) {
          CAPTURE(to_text(step));
          const Instant down = where.align_down(t, step);
          const Instant next = where.next(t, step);
          CHECK(down <= t);
          CHECK(t < next);
          CHECK(where.align_down(down, step) == down);
          CHECK(where.align_down(next, step) == next);
          CHECK(where.align_down({next.ns - 1}, step) == down);
        }
      }
    }
  }

  TEST_CASE("steps follow each other without gap or overlap, through every change of the clock") {
    for (const char* zone : {"UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata",
                             "America/Sao_Paulo", "Australia/Lord_Howe"}) {
      for (const Duration step : {hours(1), hours(6), days(1), days(7)}) {
        CAPTURE(zone);
        CAPTURE(step.ns);
        Instant at = step_begin(*parse_instant("2015-01-01"), step, zone);
        for (int i = 0; i < (step < days(1) ? 9'000 : 400); ++i) {
          const Instant end = step_end(at, step, zone);
          REQUIRE(end > at);
          REQUIRE(step_begin(at, step, zone) == at);
          REQUIRE(step_begin(end, step, zone) == end);
          REQUIRE(step_begin(Instant{end.ns - 1}, step, zone) == at);
          at = end;
        }
      }
    }
  }

  TEST_CASE("the ends of time do not overflow") {
    const Grid pacific = zone("America/Los_Angeles");
    for (const std::int64_t end : {INT64_MIN, INT64_MAX}) {
      for (const Grid& where : {zone("UTC"), pacific}) {
        CHECK(where.align_down({end}, days(7)).ns <= end);
        CHECK(where.next({end}, days(7)).ns >= end);
      }
    }
  }
}

}  // namespace entente
