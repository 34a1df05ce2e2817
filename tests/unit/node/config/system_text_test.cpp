#include <doctest/doctest.h>

#include "node/config/declarations.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr const char* kSmoke = R"text([system.smoke]
needs = "quorum(2)"
members = ["air@washington", "air@oregon"]
title = "Smoke \"over\" the coast"

[system.smoke.property.pm25]
item = "mean(pm25)"
bounds = [0, 200.5]
over = "24h"
every = "6h"
unit = "ug/m3"
keep = true
epsilon = 0.1
purpose = "planning"
since = "2025-03-01"
until = "2025-04-01"

[system.smoke.property.days]
item = "count(*)"
)text";

Result<Declarations> read(const std::string& text) {
  Declarations into;
  auto done = read_declarations(text, "smoke.toml", "main", into);
  if (!done) return std::move(done).error();
  return into;
}

}  // namespace

TEST_SUITE("node/config/system_text") {
  TEST_CASE("the canonical text of a system reads back as the same and is its own") {
    const auto declared = read(kSmoke);
    REQUIRE(declared);
    const auto& smoke = declared->systems.at("smoke");
    CHECK(smoke.keeps());
    CHECK(smoke.property("pm25")->every == hours(6));
    CHECK(smoke.property("pm25")->since == *parse_instant("2025-03-01"));
    CHECK_FALSE(smoke.property("days")->kept);
    const std::string text = system_text(smoke);
    const auto again = read(text);
    REQUIRE_MESSAGE(again, (again ? "" : again.error().what));
    CHECK(again->systems.at("smoke") == smoke);
    CHECK(system_text(again->systems.at("smoke")) == text);
  }

  TEST_CASE("what a system cannot have yet and what is wrong is refused with its place") {
    const std::string start = "[system.smoke]\nmembers = [\"air@washington\"]\n";
    const std::string property = start + "[system.smoke.property.pm25]\nitem = \"mean(pm25)\"\n";
    const auto refused = [](const std::string& text) {
      const auto declared = read(text);
      return declared ? std::string() : declared.error().what;
    };
    CHECK(refused(property).empty());
    CHECK(refused(start + "[system.smoke.alert.high]\nabove = 3\n").find("alert") !=
          std::string::npos);
    CHECK(refused(start + "[system.smoke.model.pm25]\nkind = \"x\"\n").find("model") !=
          std::string::npos);
    CHECK(refused(property + "keep = true\n").find("charged") != std::string::npos);
    CHECK_FALSE(refused(property + "keep = \"yes\"\n").empty());
    CHECK_FALSE(refused(property + "epsilon = 0\n").empty());
    CHECK_FALSE(refused(property + "evry = \"1h\"\n").empty());
    CHECK_FALSE(refused(property + "since = \"yesterday\"\n").empty());
    CHECK_FALSE(refused(start + "[system.smoke.property.\"a b\"]\nitem = \"count(*)\"\n").empty());
  }
}
