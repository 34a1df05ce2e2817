#include "federation/agree/agreement_diff.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>

#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

const PartyNames kNames{"WA", "north"};

Agreement terms_of_four() {
  TwoOrganisations both;
  Agreement terms = both.agreement;
  terms.exports[0].delta = *security::delta_of(1e-6);
  terms.rho_per_block = *security::rho_cap_of(4, terms.exports[0].delta);
  return terms;
}

// What one change of the terms is said to be.
TermChange change_of(const std::function<void(Agreement&)>& change) {
  const Agreement before = terms_of_four();
  Agreement after = before;
  change(after);
  const auto changes = agreement_diff(before, after, kNames);
  REQUIRE(changes.size() == 1);
  return changes.front();
}

}  // namespace

TEST_SUITE("federation/agree/agreement_diff") {
  TEST_CASE("the same terms differ in nothing and date and round are none of them") {
    const Agreement terms = terms_of_four();
    CHECK(agreement_diff(terms, terms, kNames).empty());
    Agreement later = terms;
    later.issued = later.issued + hours(1);
    later.round = 3;
    CHECK(agreement_diff(terms, later, kNames).empty());
  }

  TEST_CASE("twice the epsilon is said in plain words with who gains and who loses") {
    const TermChange change = change_of(
        [](Agreement& a) { a.rho_per_block = *security::rho_cap_of(8, a.exports[0].delta); });
    CHECK(change.term == "epsilon_per_block");
    CHECK(change.words == "north may ask epsilon 4 -> 8 per day: WA's units lose protection");
    CHECK(change.gains == "north");
    CHECK(change.loses == "WA's units");
  }

  TEST_CASE("each term that a file has is compared and says who gains by it") {
    struct Case {
      const char* term;
      std::function<void(Agreement&)> change;
      const char* gains;
    };
    const std::vector<Case> cases = {
        {"purposes", [](Agreement& a) { a.purposes.clear(); }, "north"},
        {"purposes", [](Agreement& a) { a.purposes.push_back("research"); }, "north"},
        {"aggregates", [](Agreement& a) { a.aggregates = {Aggregate::count}; }, "WA's units"},
        {"aggregates", [](Agreement& a) { a.aggregates = {Aggregate::max}; }, ""},
        {"onward", [](Agreement& a) { a.onward = {"smoke"}; }, "north"},
        {"min_units", [](Agreement& a) { a.min_units = 20; }, "WA's units"},
        {"min_units", [](Agreement& a) { a.min_units = 5; }, "north"},
        {"min_sites", [](Agreement& a) { a.min_sites = 2; }, "WA's units"},
        {"tick_least", [](Agreement& a) { a.tick_least = hours(6); }, "WA's units"},
        {"window_least", [](Agreement& a) { a.window_least = days(7); }, "WA's units"},
        {"epsilon_guaranteed", [](Agreement& a) { a.rho_guaranteed = a.rho_per_block; }, "north"},
        {"questions_per_hour", [](Agreement& a) { a.questions_per_hour = 5; }, "WA"},
        {"questions_per_day", [](Agreement& a) { a.questions_per_day = 5; }, "WA"},
        {"starts", [](Agreement& a) { a.starts = a.expires - hours(1); }, "WA's units"},
        {"expires", [](Agreement& a) { a.expires = a.expires + days(9); }, "north"},
        {"zone", [](Agreement& a) { a.zone = "Europe/Paris"; }, ""},
        {"test",
         [](Agreement& a) {
           a.tests.push_back({true, "SELECT x"});
         },
         ""},
        {"exports.air.tick", [](Agreement& a) { a.exports[0].tick = days(1); }, "WA's units"},
        {"exports.air.units", [](Agreement& a) { a.exports[0].cells[0].units += 1; }, ""},
        {"exports.air", [](Agreement& a) { a.exports[0].lateness = hours(3); }, ""},
        {"name", [](Agreement& a) { a.name = "other"; }, ""},
    };
    for (const Case& one : cases) {
      CAPTURE(one.term);
      const TermChange change = change_of(one.change);
      CHECK(change.term == one.term);
      CHECK(change.gains == one.gains);
      CHECK_FALSE(change.words.empty());
    }
  }

  TEST_CASE("an export more is the partner's gain and one less its loss") {
    const Agreement before = terms_of_four();
    Agreement after = before;
    after.exports.push_back(after.exports[0]);
    after.exports[1].name = "water";
    const auto more = agreement_diff(before, after, kNames);
    REQUIRE(more.size() == 1);
    CHECK(more[0].after == "water");
    CHECK(more[0].gains == "north");
    CHECK(agreement_diff(after, before, kNames)[0].loses == "north");
  }
}
