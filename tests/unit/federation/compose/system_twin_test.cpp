#include "federation/compose/system_twin.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::federation;

namespace {

SystemTwin smoke() {
  SystemTwin system;
  system.name = "smoke";
  system.members = {{"air", "washington"}, {"air", "oregon"}, {"air", "idaho"}};
  system.properties = {{"pm25", "mean(pm25)", days(1), 0.0, 200.0}};
  return system;
}

}  // namespace

TEST_SUITE("compose/system_twin") {
  TEST_CASE("needs reads back, and says when it is met") {
    for (const char* text : {"any", "all", "quorum(2)"})
      CHECK(to_text(*needs_from_text(text)) == text);
    for (const char* bad : {"", "some", "quorum()", "quorum(0)", "quorum(2) ", "quorum(-1)"}) {
      CAPTURE(bad);
      CHECK_FALSE(needs_from_text(bad));
    }
    CHECK(needs_from_text("any")->met(1, 3));
    CHECK_FALSE(needs_from_text("any")->met(0, 3));
    CHECK(needs_from_text("quorum(2)")->met(2, 3));
    CHECK_FALSE(needs_from_text("quorum(2)")->met(1, 3));
    CHECK_FALSE(needs_from_text("all")->met(2, 3));
  }

  TEST_CASE("what cannot work is refused when it is declared") {
    CHECK(check_system(smoke()));
    SystemTwin bad = smoke();
    bad.members.push_back(bad.members.front());
    CHECK_FALSE(check_system(bad));
    bad = smoke();
    bad.members.clear();
    CHECK_FALSE(check_system(bad));
    bad = smoke();
    bad.needs = *needs_from_text("quorum(4)");
    CHECK_FALSE(check_system(bad));
    bad = smoke();
    bad.properties[0].item = "mean pm25";
    CHECK_FALSE(check_system(bad));
  }

  TEST_CASE("a kept property says what it may cost and its bounds are the only ones of a signal") {
    SystemTwin system = smoke();
    system.properties[0].kept = true;
    REQUIRE_FALSE(check_system(system));
    CHECK(check_system(system).error().what.find("charged") != std::string::npos);
    system.properties[0].epsilon = 0.2;
    CHECK(check_system(system));
    SystemTwin bad = system;
    bad.properties[0].every = hours(5);
    CHECK_FALSE(check_system(bad));
    bad = system;
    bad.properties.push_back({"worst", "mean(pm25)", days(7), 0.0, 100.0});
    CHECK_FALSE(check_system(bad));
    bad.properties[1].upper = 200.0;
    CHECK(check_system(bad));
    bad.properties[1].name = "pm25";
    CHECK_FALSE(check_system(bad));
    bad = system;
    bad.properties[0].kept = false;
    bad.properties[0].since = *parse_instant("2025-03-01");
    CHECK_FALSE(check_system(bad));
    bad = system;
    bad.properties[0].since = *parse_instant("2025-03-02");
    bad.properties[0].until = *parse_instant("2025-03-01");
    CHECK_FALSE(check_system(bad));
  }

  TEST_CASE("the question about a window is the same text whenever it is asked") {
    SystemTwin system = smoke();
    system.properties[0].epsilon = 0.2;
    system.properties[0].every = hours(6);
    const TimeWindow window{*parse_instant("2025-03-01"), *parse_instant("2025-03-02")};
    CHECK(question_of(system, system.properties[0], window) ==
          "SELECT mean(pm25) FROM smoke OVER '2025-03-01T00:00:00Z' .. '2025-03-02T00:00:00Z' "
          "EVERY 6h WITH (epsilon = 0.2)");
  }
}
