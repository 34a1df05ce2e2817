#include <doctest/doctest.h>

#include "tests/unit/node/modelling/model_site.h"

using namespace entente;
using namespace entente::node;

namespace {

const std::string kText =
    "[model]\ntwin = \"station-1\"\nname = \"pm25\"\nkind = \"theta\"\nsignals = [\"pm25\"]\n"
    "step = \"1h\"\nfrom = \"2020-01-01\"\nlate = \"12h\"\n[model.parameters]\nperiods = [24]\n"
    "horizon = 24\nwarm_up = 240\n";

std::string refused(const std::string& text) {
  auto read = read_definition(text, "m.toml", ModelKinds());
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == ErrorCode::config_invalid);
  return read.error().what;
}

std::string changed(const std::string& from, const std::string& to) {
  std::string text = kText;
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

}  // namespace

TEST_SUITE("node/modelling/definition") {
  TEST_CASE("a definition reads as it is written and is written as it reads") {
    auto read = read_definition(kText, "m.toml", ModelKinds());
    REQUIRE(read.has_value());
    CHECK(*read == test::smoothing_of(240));
    auto again = read_definition(definition_text(*read), "m.toml", ModelKinds());
    REQUIRE(again.has_value());
    CHECK(*again == *read);
    ModelDefinition detector = test::detector_of(50);
    detector.spec.signals = {"odd \"name\"\\"};
    again = read_definition(definition_text(detector), "d.toml", ModelKinds());
    REQUIRE(again.has_value());
    CHECK(*again == detector);
  }

  TEST_CASE("what is wrong in a definition is named with its file and line and what is allowed") {
    std::string why = refused(changed("warm_up", "warmup"));
    CHECK(why.find("m.toml:9") != std::string::npos);
    CHECK(why.find("'warmup' is not known") != std::string::npos);
    CHECK(why.find("warm_up") != std::string::npos);
    why = refused(changed("\"theta\"", "\"thetta\""));
    CHECK(why.find("m.toml:4") != std::string::npos);
    CHECK(why.find("seasonal_naive, theta") != std::string::npos);
    why = refused(changed("late =", "lat ="));
    CHECK(why.find(
              "'model.lat' is not known here; known are: from, identified, inputs, kind, late") !=
          std::string::npos);
    CHECK(refused(changed("\"12h\"", "\"12\"")).find("m.toml:8") != std::string::npos);
    CHECK(refused(changed("\"12h\"", "\"99d\"")).find("31d") != std::string::npos);
    CHECK(refused(changed("= 240", "= \"much\"")).find("m.toml:12") != std::string::npos);
    CHECK(refused(changed("\"pm25\"\nkind", "\"PM 25\"\nkind")).find("m.toml:3") !=
          std::string::npos);
    CHECK(refused("[modell]\n").find("is missing") != std::string::npos);
    CHECK_FALSE(refused("[model]\n").empty());
    CHECK_FALSE(refused("[model").empty());
  }
}
