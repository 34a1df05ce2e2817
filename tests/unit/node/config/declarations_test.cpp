#include "node/config/agreement_text.h"
#include "node/config/declarations.h"

#include <doctest/doctest.h>

#include "node/config/settings.h"
#include "node/config/strict_toml.h"
#include "security/privacy/rho.h"

using namespace entente;
using namespace entente::node;

namespace {

constexpr const char* kAir = R"(
[domain.air]
unit = "twin"
block = "1d"
zone = "UTC"
epsilon = 8
delta = 1e-6

[export.air]
domain = "air"
type = "dtmi:test:Monitor;1"
tick = "1h"
lateness = "2h"
keys.state = ["WA"]
keys.county = ["King", "Chelan"]
units = { "WA/King" = 9, "WA/Chelan" = 3 }
measures.pm25 = { unit = "ug/m3", mean = [0, 200], max = [0, 500] }
)";

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text) {
  Declarations into;
  const auto read = read_declarations(text, "air.toml", "main", into);
  CHECK(into.exports.empty());
  return read ? "" : read.error().what;
}

}  // namespace

TEST_SUITE("node/config/declarations") {
  TEST_CASE("a domain and an export become one public description") {
    Declarations into;
    REQUIRE(read_declarations(kAir, "air.toml", "main", into));
    const ExportView& view = *into.exports.at("air");
    CHECK(view.keys == std::vector<std::string>{"state", "county"});
    CHECK(view.cells.size() == 2);
    CHECK(view.declared_units() == 12);
    CHECK(view.block == days(1));
    CHECK(view.rho_cap == *security::rho_cap_of(8, *security::delta_of(1e-6)));
    CHECK(view.measure("pm25")->default_reducer == Reducer::mean);
    CHECK(view.measure("pm25")->bounds_for(Reducer::max)->upper == 500);
  }

  TEST_CASE("what is wrong is named with file, line and word, and nothing is taken") {
    const struct {
      const char* from;
      const char* to;
      const char* names;
    } rows[] = {
        {"tick = \"1h\"", "tock = \"1h\"", "air.toml:12, 'export.air.tock'"},
        {"block = \"1d\"", "block = \"2d\"", "domain.air.block"},
        {"zone = \"UTC\"", "zone = \"Mars/Olympus\"", "time zone"},
        {"epsilon = 8", "epsilon = 0", "domain.air.epsilon"},
        {"epsilon = 8", "epsilon = inf", "domain.air.epsilon"},
        {"delta = 1e-6", "delta = 2", "domain.air.delta"},
        {"domain = \"air\"", "domain = \"water\"", "'water' is not declared"},
        {"tick = \"1h\"", "tick = \"7h\"", "divide the block"},
        {"\"WA/King\" = 9", "\"WA/Kong\" = 9", "WA/Kong"},
        {"\"WA/King\" = 9", "\"WA/King\" = 0", "WA/King"},
        {"mean = [0, 200]", "mean = [200, 0]", "lower below upper"},
        {"mean = [0, 200]", "mean = [0, inf]", "finite"},
        {"mean = [0, 200]", "mean = [nan, 200]", "finite"},
        {"mean = [0, 200]", "mean = [5, 5]", "lower below upper"},
        {"mean = [0, 200]", "mode = [0, 200]", "mode"},
        {"max = [0, 500]", "valid = [500, 0]", "measures.pm25.valid: must be"},
        {"max = [0, 500]", "valid = [0]", "measures.pm25.valid"},
        {"unit = \"twin\"", "unit = \"event\"", "domain.air.unit"},
        {"unit = \"twin\"", "unit = \"property:\"", "domain.air.unit"},
        {"unit = \"twin\"", "unit = \"ancestor:a b\"", "domain.air.unit"},
        {"tick = \"1h\"", "groups_per_unit = 2", "export.air.groups_per_unit: must be 1"},
        {"tick = \"1h\"", "groups_per_unit = 0", "export.air.groups_per_unit"},
        {"tick = \"1h\"", "private_keys = [\"owner\"]", "export.air.private_delta"},
        {"tick = \"1h\"", "private_keys = [\"state\"]", "export.air.private_keys"},
        {"tick = \"1h\"", "private_keys = [\"owner\"]\nprivate_delta = 1e-9",
         "at most the threshold_delta of [domain.air]"},
        {"tick = \"1h\"", "private_delta = 1e-9", "private_delta"},
        {"[domain.air]", "[domain.air", "air.toml:2"},
    };
    for (const auto& row : rows) {
      CAPTURE(row.to);
      const std::string what = refusal(with(kAir, row.from, row.to));
      CAPTURE(what);
      CHECK(what.find(row.names) != std::string::npos);
    }
  }

  TEST_CASE("a unit may be a property or an ancestor and count in several groups") {
    for (const char* unit :
         {"property:owner", "ancestor:part_of", "ancestor:dtmi:example:Plant;1"}) {
      CAPTURE(unit);
      Declarations into;
      const std::string text =
          with(with(kAir, "unit = \"twin\"", std::string("unit = \"") + unit + "\""),
               "tick = \"1h\"", "tick = \"1h\"\ngroups_per_unit = 3");
      REQUIRE(read_declarations(text, "air.toml", "main", into));
      CHECK(into.exports.at("air")->unit == unit);
      CHECK(into.exports.at("air")->groups_per_unit == 3);
    }
  }

  TEST_CASE("private keys come with the delta that naming them spends") {
    Declarations into;
    const std::string text =
        with(with(kAir, "delta = 1e-6", "delta = 1e-6\nthreshold_delta = 1e-6"), "tick = \"1h\"",
             "private_keys = [\"owner\"]\nprivate_delta = 1e-8\nprivate_min_units = 12");
    REQUIRE(read_declarations(text, "air.toml", "main", into));
    const ExportView& view = *into.exports.at("air");
    CHECK(view.private_keys == std::vector<std::string>{"owner"});
    CHECK(view.private_delta == *security::delta_of(1e-8));
    CHECK(view.private_min_units == 12);
    CHECK(view.threshold_delta == *security::delta_of(1e-6));
  }

  TEST_CASE("an agreement's text is read strictly") {
    const std::string good =
        "[agreement]\nname = \"smoke\"\npartner = \"airshed\"\nexports = [\"air\"]\n"
        "aggregates = [\"count\", \"mean\"]\nmin_units = 10\nepsilon_per_block = 4\n"
        "expires = \"2099-01-01\"\n\n[[test]]\nmust = \"SELECT count(*) FROM air OVER 1d\"\n";
    const auto read = read_agreement(good, "a.toml");
    REQUIRE(read);
    CHECK(read->terms.min_units == 10);
    CHECK(read->terms.tests.size() == 1);
    for (const auto& [from, to, names] :
         {std::tuple{"min_units = 10", "min_unit = 10", "min_unit"},
          std::tuple{"\"mean\"]", "\"average\"]", "'average' is no aggregate"},
          std::tuple{"expires = \"2099-01-01\"", "expires = \"soon\"", "agreement.expires"},
          std::tuple{"must =", "should =", "must"},
          std::tuple{"min_units = 10", "min_units = 10\nmin_sites = 3", "min_sites"},
          std::tuple{"min_units = 10", "min_units = 10\nonward = [\"Not A Name\"]", "onward"}}) {
      CAPTURE(to);
      const auto bad = read_agreement(with(good, from, to), "a.toml");
      REQUIRE_FALSE(bad);
      CHECK(bad.error().code == ErrorCode::agreement_invalid);
      CHECK(bad.error().what.find(names) != std::string::npos);
    }
  }

  TEST_CASE("the settings that init writes are the ones that are read") {
    Settings settings;
    settings.organisation = "washington";
    settings.title = "Department \"of\" Ecology";
    settings.http_port = 0;
    const auto parsed =
        parse_toml(settings_text(settings), "entente.toml", ErrorCode::config_invalid);
    REQUIRE(parsed);
    CHECK((*parsed)["node"]["title"].value<std::string>() == settings.title);
    CHECK((*parsed)["http"]["port"].value<int>() == 0);
  }

  TEST_CASE("revisions are times after a window's close that ascend") {
    const auto with_revisions = [](const std::string& list) {
      return with(kAir, "lateness = \"2h\"", "lateness = \"2h\"\nrevisions = " + list);
    };
    Declarations into;
    REQUIRE(read_declarations(with_revisions("[\"2d\", \"30d\"]"), "air.toml", "main", into));
    const ExportView& view = *into.exports.at("air");
    CHECK(view.revisions == std::vector<Duration>{days(2), days(30)});
    const Instant end = *parse_instant("2026-01-01");
    CHECK(view.revision_at(end + hours(2), end) == 0);
    CHECK(view.revision_at(end + hours(2) + days(2) - nanoseconds(1), end) == 0);
    CHECK(view.revision_at(end + hours(2) + days(2), end) == 1);
    CHECK(view.revision_at(end + days(400), end) == 2);
    CHECK(view.revision_at(end + days(400), Instant{INT64_MAX}) == 0);
    for (const char* wrong : {"[\"2d\", \"2d\"]", "[\"3d\", \"2d\"]", "[\"soon\"]", "[\"0s\"]"}) {
      CAPTURE(wrong);
      CHECK(refusal(with_revisions(wrong)).find("revisions") != std::string::npos);
    }
  }
}
