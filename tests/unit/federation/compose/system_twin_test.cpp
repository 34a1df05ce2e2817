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
}
