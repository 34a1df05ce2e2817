#include "federation/compose/system_windows.h"

#include <doctest/doctest.h>

#include <iterator>
#include <random>

#include "federation/compose/limits.h"

using namespace entente;
using namespace entente::federation;

namespace {

Instant at(const char* text) {
  return *parse_instant(text);
}

SystemProperty daily() {
  SystemProperty property{"load", "mean(load)", days(1), 0.0, 100.0};
  property.kept = true;
  property.epsilon = 0.2;
  return property;
}

}  // namespace

TEST_SUITE("compose/system_windows") {
  TEST_CASE("the first window is the newest that is closed unless the property says since when") {
    const WindowGrid grid{days(1), "UTC", hours(2)};
    const Instant now = at("2025-03-05T01:00Z");
    CHECK(next_window(daily(), {}, grid, now)->to == at("2025-03-04"));
    CHECK(due_at(*next_window(daily(), {}, grid, now), grid) == at("2025-03-04T02:00Z"));
    SystemProperty since = daily();
    since.since = at("2025-03-01T05:00Z");
    CHECK(next_window(since, {}, grid, now)->from == at("2025-03-02"));
  }

  TEST_CASE("windows follow one another without gaps or overlaps whatever the zone") {
    for (const char* zone : {"UTC", "America/Los_Angeles", "Europe/Berlin"}) {
      CAPTURE(zone);
      const WindowGrid grid{days(1), zone, {}};
      Instant last = at("2025-03-01");
      last = window_from(last, grid).from;
      for (int i = 0; i < 400; ++i) {
        const auto next = next_window(daily(), last, grid, last);
        REQUIRE(next);
        REQUIRE(next->from == last);
        REQUIRE(next->to > next->from);
        last = next->to;
      }
    }
  }

  TEST_CASE("a window that was kept is never among the next for any order of definitions") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      std::mt19937 draw(seed);
      Instant last = at("2025-03-01");
      for (int step = 0; step < 20; ++step) {
        SystemProperty property = daily();
        property.over = hours(static_cast<int>(draw() % 72) + 1);
        const int earlier = static_cast<int>(draw() % 96);
        if (draw() % 2 == 0) property.since = last - hours(earlier) + hours(48);
        const WindowGrid grid{property.over, "UTC", {}};
        const auto next = next_window(property, last, grid, last + days(9));
        REQUIRE(next);
        REQUIRE(next->from >= last);
        if (property.since) REQUIRE(next->from >= *property.since);
        last = next->to;
      }
    }
  }

  TEST_CASE("no window ends after the property's end") {
    SystemProperty property = daily();
    property.since = at("2025-03-01");
    property.until = at("2025-03-03T12:00Z");
    const WindowGrid grid{days(1), "UTC", {}};
    const Instant now = at("2026-01-01");
    CHECK(next_window(property, at("2025-03-02"), grid, now)->to == at("2025-03-03"));
    CHECK_FALSE(next_window(property, at("2025-03-03"), grid, now));
  }

  TEST_CASE("retries follow the schedule once each and end") {
    const Instant released = at("2025-03-01");
    Instant tried = released;
    std::size_t retries = 0;
    while (const auto next = retry_at(released, tried)) {
      CHECK(*next > tried);
      tried = *next;
      ++retries;
    }
    CHECK(retries == std::size(limits::kRetries));
    // A node that was away meanwhile asks once more, not once for each time that it missed.
    CHECK_FALSE(retry_at(released, released + days(3)));
  }
}
