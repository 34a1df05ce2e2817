#include "node/twin/dtdl.h"

#include <doctest/doctest.h>

#include "node/limits.h"
#include "node/twin/type_registry.h"
#include "node/twin/units.h"
#include "schemas/base/random.h"
#include "tests/unit/node/real_data.h"

namespace entente::node {
namespace {

std::string interface(const std::string& contents, const std::string& id = "dtmi:test:a;1",
                      const std::string& context = "\"dtmi:dtdl:context;2\"",
                      const std::string& more = {}) {
  return "{\"@context\": " + context + ", \"@id\": \"" + id + "\", \"@type\": \"Interface\"" +
         more + ", \"contents\": [" + contents + "]}";
}

const std::string kVersion3 =
    R"(["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1",
        "dtmi:entente:context;1"])";

TypeRegistry::Built built(const std::vector<std::string>& documents) {
  std::vector<Interface> all;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    auto parsed = parse_dtdl(documents[i], "f" + std::to_string(i) + ".json");
    for (const auto& problem : parsed.problems) FAIL(problem.text());
    for (auto& each : parsed.interfaces) all.push_back(std::move(each));
  }
  return TypeRegistry::build(std::move(all));
}

// The first complaint about a document.
std::string complaint(const std::string& text) {
  auto parsed = parse_dtdl(text, "f.json");
  if (!parsed.problems.empty()) return parsed.problems.front().text();
  auto linked = TypeRegistry::build(std::move(parsed.interfaces));
  return linked.problems.empty() ? "" : linked.problems.front().text();
}

TEST_SUITE("node/dtdl") {
  TEST_CASE("a type has its signals with schema, unit and range, flattened and sorted") {
    const auto types = built({interface(
        R"({"@type": ["Telemetry", "Temperature"], "name": "t", "schema": "double",
            "unit": "degreeCelsius"},
           {"@type": ["Telemetry", "Ranged"], "name": "pm25", "schema": "double",
            "minimum": -5, "maximum": 1000.5},
           {"@type": "Telemetry", "name": "accel", "schema": {"@type": "Object", "fields": [
             {"name": "y", "schema": "float"}, {"name": "x", "schema": "integer"}]}},
           {"@type": "Telemetry", "name": "label", "schema": "string"},
           {"@type": "Telemetry", "name": "on", "schema": "boolean"})")});
    REQUIRE(types.problems.empty());
    const auto* type = types.registry->find("dtmi:test:a;1");
    REQUIRE(type != nullptr);
    std::string names;
    for (const auto& signal : type->signals) names += signal.name + " ";
    CHECK(names == "accel.x accel.y label on pm25 t ");
    CHECK(type->signal("t")->unit == "degreeCelsius");
    CHECK(type->signal("pm25")->range == Range{-5, 1000.5});
    CHECK_FALSE(type->signal("t")->range.has_value());
    CHECK(type->signal("accel.x")->numeric);
    CHECK(type->signal("on")->numeric);
    CHECK_FALSE(type->signal("label")->numeric);
    CHECK(type->signal("nothing") == nullptr);
  }

  TEST_CASE("inheritance brings contents once, over any diamond, and makes subtypes") {
    const std::string extend = R"(, "extends": )";
    const auto types = built(
        {interface(R"({"@type": "Telemetry", "name": "x", "schema": "double"})",
                   "dtmi:test:base;1"),
         interface(R"({"@type": "Property", "name": "p", "schema": "string"})", "dtmi:test:left;1",
                   "\"dtmi:dtdl:context;2\"", extend + "\"dtmi:test:base;1\""),
         interface("", "dtmi:test:right;1", "\"dtmi:dtdl:context;2\"",
                   extend + "[\"dtmi:test:base;1\"]"),
         interface("", "dtmi:test:both;1", "\"dtmi:dtdl:context;2\"",
                   extend + R"(["dtmi:test:left;1", "dtmi:test:right;1"])")});
    REQUIRE(types.problems.empty());
    const auto* type = types.registry->find("dtmi:test:both;1");
    REQUIRE(type != nullptr);
    CHECK(type->signals.size() == 1);
    CHECK(type->signals[0].origin == "dtmi:test:base;1");
    CHECK(type->property("p") != nullptr);
    CHECK(types.registry->is_a("dtmi:test:both;1", "dtmi:test:base;1"));
    CHECK(types.registry->is_a("dtmi:test:both;1", "dtmi:test:both;1"));
    CHECK_FALSE(types.registry->is_a("dtmi:test:base;1", "dtmi:test:both;1"));
    CHECK_FALSE(types.registry->is_a("dtmi:test:gone;1", "dtmi:test:gone;1"));
  }

  TEST_CASE("components bring their signals under their name") {
    const auto types = built(
        {"[" +
         interface(R"({"@type": "Telemetry", "name": "x", "schema": "long"})", "dtmi:test:c;1") +
         "," + interface(R"({"@type": "Component", "name": "pump", "schema": "dtmi:test:c;1"})") +
         "]"});
    REQUIRE(types.problems.empty());
    CHECK(types.registry->find("dtmi:test:a;1")->signal("pump.x") != nullptr);
  }

  TEST_CASE("what breaks a rule is named by file, path and rule") {
    const auto says = [](const std::string& text, const std::string& path,
                         const std::string& rule) {
      const auto got = complaint(text);
      CAPTURE(text);
      CAPTURE(got);
      CHECK(got.rfind("f.json: " + path, 0) == 0);
      CHECK(got.find(rule) != std::string::npos);
    };
    says("{", "$", "not JSON");
    says("[1]", "$[0]", "an object is expected");
    says(R"({"@id": "dtmi:a;1", "@id": "dtmi:a;2"})", "$", "stands twice");
    says(R"({"@id": "dtmi:a;1", "@type": "Interface"})", "$", "needs \"@context\"");
    says(interface("", "dtmi:test:a;1", "\"dtmi:dtdl:context;4\""), "$.@context", "DTDL 4");
    says(interface("", "dtmi:dtdl:a;1"), "$.@id", "reserved");
    says(interface("", "dtmi:test:a"), "$.@id", "whole number");
    says(interface(R"({"@type": "Telemetry", "name": "x"})"), "$.contents[0]", "needs \"schema\"");
    says(interface(R"({"@type": "Telemetry", "name": "1x", "schema": "double"})"),
         "$.contents[0].name", "letters");
    says(interface(R"({"@type": "Telemetry", "name": "x", "schema": "dobule"})"),
         "$.contents[0].schema", "dobule");
    says(interface(R"({"@type": "Telemetry", "name": "x", "schema": "double", "min": 3})"),
         "$.contents[0].min", "no type");
    says(interface(R"({"@type": ["Telemetry", "Velocity"], "name": "x", "schema": "double",
                       "unit": "metre"})"),
         "$.contents[0].unit", "metrePerSecond");
    says(interface(R"({"@type": ["Telemetry", "Ranged"], "name": "x", "schema": "double",
                       "minimum": 3, "maximum": 1})"),
         "$.contents[0]", "above");
    says(interface(R"({"@type": "Telemetry", "name": "x", "schema": "double"},
                      {"@type": "Property", "name": "x", "schema": "double"})"),
         "$.contents[1].name", "twice");
    says(interface("", "dtmi:test:a;1", "\"dtmi:dtdl:context;2\"",
                   R"(, "extends": "dtmi:test:b;1")"),
         "$.extends", "nobody defines \"dtmi:test:b;1\"");
    says(interface("", "dtmi:test:a;1", "\"dtmi:dtdl:context;2\"",
                   R"(, "extends": "dtmi:test:a;1")"),
         "$", "itself");
    says(interface(R"({"@type": ["Telemetry", "Temprature"], "name": "x", "schema": "double"})",
                   "dtmi:test:a;1", "\"dtmi:dtdl:context;3\""),
         "$.contents[0].@type", "Temprature");
  }

  TEST_CASE("what breaks a rule takes along what stands on it, and nothing else") {
    std::vector<Interface> all;
    for (const auto& text :
         {interface("", "dtmi:test:bad;1", "\"dtmi:dtdl:context;2\"",
                    R"(, "extends": "dtmi:no:x;1")"),
          interface("", "dtmi:test:on;1", "\"dtmi:dtdl:context;2\"",
                    R"(, "extends": "dtmi:test:bad;1")"),
          interface(R"({"@type": "Component", "name": "c", "schema": "dtmi:test:on;1"})",
                    "dtmi:test:with;1"),
          interface("", "dtmi:test:good;1")}) {
      auto parsed = parse_dtdl(text, "f.json");
      REQUIRE(parsed.problems.empty());
      for (auto& each : parsed.interfaces) all.push_back(std::move(each));
    }
    const auto types = TypeRegistry::build(std::move(all));
    REQUIRE(types.registry->types().size() == 1);
    CHECK(types.registry->types()[0].id == "dtmi:test:good;1");
    CHECK(types.missing == std::vector<std::string>{"dtmi:no:x;1"});
    REQUIRE(types.problems.size() == 3);
    for (const auto& problem : types.problems) CHECK(problem.dangling);
  }

  TEST_CASE("units know their quantity and their version") {
    CHECK(unit_type_of("Velocity", 2) == "VelocityUnit");
    CHECK_FALSE(unit_type_of("Irradiance", 2).has_value());
    CHECK(unit_type_of("Irradiance", 3) == "IrradianceUnit");
    CHECK(is_unit_of("microgramPerCubicMetre", "DensityUnit", 3));
    CHECK_FALSE(is_unit_of("microgramPerCubicMetre", "DensityUnit", 2));
    CHECK(is_unit_of("kelvin", "TemperatureUnit", 2));
    CHECK_FALSE(is_unit_of("kelvin", "LengthUnit", 3));
    CHECK_FALSE(is_unit("", 3));
    CHECK_FALSE(is_unit("metre centimetre", 3));
  }

  TEST_CASE("texts are counted in characters, not in bytes") {
    std::string text;
    for (int i = 0; i < 64; ++i) text += "é";
    const auto with = [](const std::string& name) {
      return interface("", "dtmi:test:a;1", "\"dtmi:dtdl:context;2\"",
                       ", \"displayName\": \"" + name + "\"");
    };
    CHECK(complaint(with(text)).empty());
    CHECK_FALSE(complaint(with(text + "x")).empty());
  }

  TEST_CASE("no damage to a document does worse than a complaint") {
    const auto whole = test::text_of_file(test::vectors() / "dtdl" / "CommandFullV3.json");
    const auto other = interface(R"({"@type": "Relationship", "name": "r", "properties": [
      {"@type": "Property", "name": "p", "schema": {"@type": "Enum", "valueSchema": "integer",
       "enumValues": [{"name": "a", "enumValue": 1}]}}]})",
                                 "dtmi:test:a;1", kVersion3);
    for (std::uint32_t seed = 0; seed < 3'000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      auto text = seed % 2 == 0 ? other : whole;
      const std::string letters = "{}[]\":,@ adt;1nul0";
      for (auto changes = 1 + random.below(4); changes > 0; --changes) {
        const auto place = random.below(text.size());
        const auto kind = random.below(3);
        if (kind == 0) text[place] = letters[random.below(letters.size())];
        if (kind == 1) text.erase(place, 1 + random.below(20));
        if (kind == 2) text.insert(place, 1, letters[random.below(letters.size())]);
        if (text.empty()) text = " ";
      }
      auto parsed = parse_dtdl(text, "f.json");
      if (parsed.problems.empty()) TypeRegistry::build(std::move(parsed.interfaces));
    }
  }

  TEST_CASE("deep nesting is refused, not followed") {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "[";
    CHECK_FALSE(parse_dtdl(deep, "f.json").problems.empty());
    std::string schema = "\"double\"";
    for (int i = 0; i < 20; ++i) schema = R"({"@type": "Array", "elementSchema": )" + schema + "}";
    CHECK(complaint(
              interface("{\"@type\": \"Telemetry\", \"name\": \"x\", \"schema\": " + schema + "}",
                        "dtmi:test:a;1", kVersion3))
              .find("deeper") != std::string::npos);
  }
}

}  // namespace
}  // namespace entente::node
