#include "node/config/agreement_text.h"

#include <doctest/doctest.h>

#include "security/privacy/rho.h"

using namespace entente;
using namespace entente::node;

namespace {

const std::string kGood = R"([agreement]
name = "smoke"
partner = "airshed"
exports = ["air"]
purposes = ["planning"]
aggregates = [
  "count",
  "mean",
]
min_units = 10
tick_least = "1h"
window_least = "1d"
epsilon_per_block = 4
epsilon_guaranteed = 1
questions_per_hour = 60
questions_per_day = 500
onward = []
zone = "America/Los_Angeles"
starts = "2026-01-01"
expires = "2026-07-01"

[[test]]
must = "SELECT count(*) FROM air OVER 1d"
)";

std::string with(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  return text;
}

ExportViews views() {
  auto view = std::make_shared<ExportView>();
  view->name = "air";
  view->site = "main";
  view->domain = "air";
  view->type = "dtmi:test:Monitor;1";
  view->cells = {{{}, 54}};
  view->measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
  view->delta = *security::delta_of(1e-6);
  view->rho_cap = *security::rho_cap_of(8, view->delta);
  return {{"air", view}};
}

}  // namespace

TEST_SUITE("node/config/agreement_text") {
  TEST_CASE("every term is read and days are those of the zone") {
    const auto read = read_agreement(kGood, "a.toml");
    REQUIRE(read);
    const Agreement& terms = read->terms;
    CHECK(terms.tick_least == hours(1));
    CHECK(terms.window_least == days(1));
    CHECK(terms.questions_per_hour == 60);
    CHECK(terms.questions_per_day == 500);
    CHECK(terms.zone == "America/Los_Angeles");
    // Winter time, summer time.
    CHECK(terms.starts == *parse_instant("2026-01-01T08:00Z"));
    CHECK(terms.expires == *parse_instant("2026-07-01T07:00Z"));
    const auto ahead =
        read_agreement(with(kGood, "America/Los_Angeles", "Pacific/Kiritimati"), "a.toml");
    CHECK(ahead->terms.expires == *parse_instant("2026-06-30T10:00Z"));
    // An instant is one whatever the zone.
    const auto instant = read_agreement(
        with(kGood, "expires = \"2026-07-01\"", "expires = \"2026-07-01T00:00Z\""), "a.toml");
    CHECK(instant->terms.expires == *parse_instant("2026-07-01"));
  }

  TEST_CASE("a wrong word is named with file and line and the words allowed and the nearest") {
    struct Case {
      std::string from, to;
      std::vector<std::string> says;
    };
    const std::vector<Case> cases = {
        {"\"mean\",",
         "\"meen\",",
         {"a.toml:8", "'meen' is no aggregate", "count, share, sum, mean", "did you mean 'mean'"}},
        {"min_units = 10",
         "min_unit = 10",
         {"a.toml:10", "min_unit", "known are", "did you mean 'min_units'"}},
        {"questions_per_hour = 60",
         "questions_per_hours = 60",
         {"a.toml:15", "did you mean 'questions_per_hour'"}},
        {"must =", "mast =", {"a.toml:23", "mast", "must, must_not", "did you mean 'must'"}},
        {"[[test]]", "[[tests]]", {"a.toml:22", "tests", "did you mean 'test'"}},
        {"America/Los_Angeles", "America/Seattle", {"a.toml:18", "'America/Seattle'"}},
        {"expires = \"2026-07-01\"", "expires = \"soon\"", {"a.toml:20", "'soon' is no time"}},
        {"starts = \"2026-01-01\"", "starts = \"2027-01-01\"", {"a.toml:19", "before expires"}},
        {"onward = []",
         "onward = [\"Not A Name\"]",
         {"a.toml:17", "'Not A Name'", "name of a system twin"}},
        {"min_units = 10", "min_units = 10\nmin_sites = 3", {"a.toml:11", "min_sites"}},
        {"tick_least = \"1h\"", "tick_least = \"hour\"", {"a.toml:11", "tick_least"}},
        {"name = \"smoke\"", "name = \"Smoke Two\"", {"a.toml:2", "'Smoke Two' is no name"}},
    };
    for (const Case& one : cases) {
      CAPTURE(one.to);
      const auto bad = read_agreement(with(kGood, one.from, one.to), "a.toml");
      REQUIRE_FALSE(bad);
      CHECK(bad.error().code == ErrorCode::agreement_invalid);
      for (const std::string& part : one.says) {
        CAPTURE(part);
        CAPTURE(bad.error().what);
        CHECK(bad.error().what.find(part) != std::string::npos);
      }
    }
  }

  TEST_CASE("an export that there is not is named at its place with the nearest that there is") {
    const auto read = read_agreement(with(kGood, "\"air\"", "\"aire\""), "a.toml");
    REQUIRE(read);
    const auto offer = offer_of(*read, views());
    REQUIRE_FALSE(offer);
    CHECK(offer.error().what.find("a.toml:4") != std::string::npos);
    CHECK(offer.error().what.find("did you mean 'air'") != std::string::npos);
  }

  TEST_CASE("what is written reads back as the same terms") {
    const auto read = read_agreement(kGood, "a.toml");
    const auto offer = offer_of(*read, views());
    REQUIRE(offer);
    const std::string text = agreement_skeleton("airshed", {views().at("air")}, &*offer);
    const auto again = read_agreement(text, "b.toml");
    INFO(text);
    REQUIRE(again);
    const auto same = offer_of(*again, views());
    REQUIRE(same);
    CHECK(*same == *offer);
  }

  TEST_CASE("a skeleton says every key and lacks only what nobody can guess") {
    const std::string text = agreement_skeleton("airshed", {views().at("air")}, nullptr);
    const auto read = read_agreement(text, "new.toml");
    REQUIRE_FALSE(read);
    CHECK(read.error().what.find("agreement.expires") != std::string::npos);
    const auto filled =
        read_agreement(with(text, "expires = \"\"", "expires = \"2099-01-01\""), "new.toml");
    REQUIRE(filled);
    CHECK(offer_of(*filled, views()));
    for (const char* key :
         {"purposes", "aggregates", "min_units", "tick_least", "window_least", "epsilon_guaranteed",
          "questions_per_day", "onward", "zone", "starts"}) {
      CAPTURE(key);
      CHECK(text.find(std::string("\n") + key + " = ") != std::string::npos);
    }
  }
}
