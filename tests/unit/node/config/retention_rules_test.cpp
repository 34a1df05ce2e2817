#include "node/config/retention_rules.h"

#include <doctest/doctest.h>

#include "node/config/strict_toml.h"

namespace entente::node {
namespace {

Outcome read(RetentionRules& rules, const std::string& text) {
  auto parsed = parse_toml(text, "keep.toml", ErrorCode::config_invalid);
  REQUIRE(parsed.has_value());
  return rules.read(*parsed->get_as<toml::table>("retention"), "keep.toml");
}

TEST_SUITE("node/retention_rules") {
  TEST_CASE("signals win over types and types over the rest, key by key") {
    RetentionRules rules;
    CHECK(rules.empty());
    CHECK(rules.of("dtmi:a;1", "x") == Retention{});
    const auto done = read(rules,
                           "[retention]\nreadings = \"30d\"\nminutes = \"365d\"\n"
                           "[retention.\"dtmi:a;1\"]\nreadings = \"90d\"\n"
                           "[retention.\"dtmi:a;1\".x]\nreadings = \"forever\"\n"
                           "minutes = \"forever\"\nhours = \"forever\"\n");
    INFO((done ? std::string() : done.error().what));
    REQUIRE(done.has_value());
    CHECK(rules.of("dtmi:b;1", "x") == Retention{days(30), days(365), std::nullopt});
    CHECK(rules.of("", "x") == Retention{days(30), days(365), std::nullopt});
    CHECK(rules.of("dtmi:a;1", "y") == Retention{days(90), days(365), std::nullopt});
    CHECK(rules.of("dtmi:a;1", "x") == Retention{});
    CHECK_FALSE(rules.empty());
  }

  TEST_CASE("what is kept otherwise than before is told and nothing else") {
    RetentionRules before, now;
    REQUIRE(read(before,
                 "[retention]\nreadings = \"90d\"\n"
                 "[retention.\"dtmi:a;1\"]\nreadings = \"30d\"\n"
                 "[retention.\"dtmi:b;1\"]\nreadings = \"60d\"\n"));
    REQUIRE(read(now,
                 "[retention]\nreadings = \"60d\"\n"
                 "[retention.\"dtmi:a;1\"]\nreadings = \"30d\"\n"));
    const auto changes = now.changes_from(before);
    REQUIRE(changes.size() == 1);  // b is kept as long as before, by the rule for all
    CHECK(changes[0].type.empty());
    CHECK(changes[0].before == Retention{days(90), std::nullopt, std::nullopt});
    CHECK(changes[0].now == Retention{days(60), std::nullopt, std::nullopt});
    CHECK(now.changes_from(now).empty());
    CHECK(before.changes_from(now).size() == 1);
    CHECK(RetentionRules().changes_from(now).size() == 2);
  }

  TEST_CASE("what would lose readings by mistake is refused and changes nothing") {
    for (const char* text : {"[retention]\nreadings = \"12h\"\n", "[retention]\nreadings = 30\n",
                             "[retention]\nreading = \"30d\"\n", "[retention]\nminutes = \"30d\"\n",
                             "[retention]\nreadings = \"30d\"\nminutes = \"20d\"\n",
                             "[retention]\nreadings = \"30d\"\nhours = \"60d\"\n",
                             "[retention.\"dtmi:a;1\".x]\nreadings = \"-3d\"\n",
                             "[retention.\"dtmi:a;1\".x.y]\nreadings = \"30d\"\n"}) {
      CAPTURE(text);
      RetentionRules rules;
      const auto done = read(rules, text);
      REQUIRE_FALSE(done.has_value());
      CHECK(done.error().code == ErrorCode::config_invalid);
      CHECK(done.error().what.find("keep.toml") != std::string::npos);
      CHECK(rules.empty());
    }
  }
}

}  // namespace
}  // namespace entente::node
