#include "schemas/base/time.h"

#include <doctest/doctest.h>

using namespace entente;

TEST_SUITE("schemas/time") {
  TEST_CASE("an instant survives its text form") {
    for (const char* text : {"2015-08-20T00:00:00Z", "1999-12-31T23:59:59.5Z",
                             "2026-02-28T12:00:00.000000001Z", "1970-01-01T00:00:00Z"}) {
      const auto instant = parse_instant(text);
      REQUIRE(instant);
      CHECK(to_text(*instant) == text);
    }
  }

  TEST_CASE("offsets are taken into account and a missing zone means UTC") {
    CHECK(*parse_instant("2015-08-20T02:00+02:00") == *parse_instant("2015-08-20"));
    CHECK(*parse_instant("2015-08-19 17:00-07:00") == *parse_instant("2015-08-20T00:00Z"));
  }

  TEST_CASE("the first and the last instant have a text") {
    CHECK(to_text(Instant{INT64_MIN}) == "1677-09-21T00:12:43.145224192Z");
    CHECK(to_text(Instant{INT64_MAX}) == "2262-04-11T23:47:16.854775807Z");
    CHECK(to_text(Instant{-1}) == "1969-12-31T23:59:59.999999999Z");
    CHECK(to_text(Instant{0}) == "1970-01-01T00:00:00Z");
  }

  TEST_CASE("what is not a time is refused") {
    for (const char* text :
         {"", "2015", "2015-13-01", "2015-02-29", "2015-08-20T24:00", "0001-01-01",
          "2015-08-20T00:00:00.Z", "2015-08-20T00:00+15:00", "2015-08-20T00:00Zx"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_instant(text));
    }
  }

  TEST_CASE("durations need a unit and do not overflow") {
    CHECK(parse_duration("24h")->ns == hours(24).ns);
    CHECK(to_text(hours(24)) == "1d");
    CHECK(to_text(seconds(90)) == "90s");
    for (const char* text : {"24", "h", "-1h", "1.5h", "99999999999d", "1 h"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_duration(text));
    }
  }
}
