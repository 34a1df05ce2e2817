#include "schemas/base/zone.h"

#include <doctest/doctest.h>

using namespace entente;

TEST_SUITE("schemas/zone") {
  TEST_CASE("in UTC a step is plain division, before 1970 too") {
    CHECK(step_begin(*parse_instant("2015-08-20T07:59Z"), hours(1), "UTC") ==
          *parse_instant("2015-08-20T07:00Z"));
    CHECK(step_begin(*parse_instant("1969-12-31T23:00Z"), days(1), "UTC") ==
          *parse_instant("1969-12-31"));
  }

  TEST_CASE("local days have 23, 24 or 25 hours") {
    const char* zone = "America/Los_Angeles";
    const Instant spring = *parse_instant("2015-03-08T20:00Z"),
                  autumn = *parse_instant("2015-11-01T20:00Z");
    CHECK((step_end(spring, days(1), zone) - step_begin(spring, days(1), zone)) == hours(23));
    CHECK((step_end(autumn, days(1), zone) - step_begin(autumn, days(1), zone)) == hours(25));
    CHECK(step_begin(*parse_instant("2015-08-20T06:59Z"), days(1), zone) ==
          *parse_instant("2015-08-19T07:00Z"));
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

  TEST_CASE("unknown zones are known to be unknown") {
    CHECK(is_zone("UTC"));
    CHECK(is_zone("Europe/Berlin"));
    for (const char* bad : {"", "Mars/Olympus", "../etc/passwd"}) CHECK_FALSE(is_zone(bad));
  }
}
