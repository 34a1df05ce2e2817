#include <doctest/doctest.h>

#include <functional>

#include "planned.h"
#include "schemas/base/random.h"

namespace {

using namespace entente;
using namespace entente::federation;
using namespace entente::federation::testing;

struct Site {
  States states;
  Question question = *states
                           .planned(
                               "SELECT mean(pm25), count(max(ozone) > 70) FROM s GROUP BY state, "
                               "county OVER '2015-08-23' .. '2015-08-24' EVERY 6h")
                           .members[0]
                           .question;

  Outcome check() const {
    // As received: what the wire's own rules refuse never comes this far.
    const auto read = question_from_bytes(canonical_bytes(question));
    REQUIRE(read.has_value());
    return check_question(*read, states.washington, states.options.now);
  }
};

void refuses(ErrorCode code, std::string_view what, const std::function<void(Site&)>& spoil) {
  Site site;
  REQUIRE(site.check().has_value());
  spoil(site);
  const Outcome outcome = site.check();
  CAPTURE(what);
  REQUIRE_FALSE(outcome.has_value());
  CAPTURE(outcome.error().what);
  CHECK(code_name(outcome.error().code) == code_name(code));
  CHECK(has(outcome.error().what, what));
}

}  // namespace

TEST_SUITE("federation/query/check_question") {
  TEST_CASE("whatever the planner plans, the site's own check lets through") {
    const States states;
    const char* items[] = {"count(*)",
                           "mean(pm25)",
                           "sum(max(ozone))",
                           "share(pm25 > 5)",
                           "count(duration(pm25 > 35) > 60 OR NOT ozone < 3)",
                           "variance(pm25)",
                           "stddev(max(ozone))",
                           "median(pm25), min(pm25)",
                           "quantile(max(pm25), 0.9), max(max(pm25))",
                           "histogram(duration(pm25 > 35), [0, 60, 3600])",
                           "histogram(pm25, 12)"};
    constexpr std::size_t kItems = std::size(items);
    const char* wheres[] = {"", " WHERE state = 'WA'", " WHERE NOT county IN ('King', 'Ada')",
                            " WHERE organisation != 'oregon' OR county = 'Lane'"};
    const char* groups[] = {"", " GROUP BY county", " GROUP BY county, site, state"};
    const char* overs[] = {" OVER 24h", " OVER 3d EVERY 12h", " OVER '2015-08-20' .. '2015-08-24'"};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::string text = std::string("SELECT ") + items[random.below(kItems)] + ", " +
                         items[random.below(kItems)] + " FROM s" + wheres[random.below(4)] +
                         groups[random.below(3)] + overs[random.below(3)];
      CAPTURE(text);
      const Plan plan = states.planned(text);
      const auto members = states.members();
      for (std::size_t m = 0; m < members.size(); ++m) {
        if (!plan.members[m].question) continue;
        const auto read = question_from_bytes(canonical_bytes(*plan.members[m].question));
        REQUIRE(read.has_value());
        const Outcome outcome = check_question(*read, *members[m].view, states.options.now);
        if (!outcome) FAIL(outcome.error().what);
      }
    }
  }

  TEST_CASE("an asker that skips the planner's rules is refused") {
    using Code = ErrorCode;
    refuses(Code::shape_refused, "not about", [](Site& s) { s.question.export_name = "water"; });
    refuses(Code::shape_refused, "another version",
            [](Site& s) { s.question.export_hash.bytes[0] ^= 1; });
    refuses(Code::shape_refused, "another version",
            [](Site& s) { ++s.states.washington.cells[0].units; });
    refuses(Code::shape_refused, "wider", [](Site& s) { s.question.columns[1].upper = 201; });
    refuses(Code::shape_refused, "wider", [](Site& s) { s.question.columns[1].lower = -1; });
    refuses(Code::shape_refused, "offers no 'noise'",
            [](Site& s) { s.question.columns[1].signal = "noise"; });
    refuses(Code::shape_refused, "no bounds for last",
            [](Site& s) { s.question.columns[1].reducer = Reducer::last; });
    refuses(Code::shape_refused, "for no item", [](Site& s) { s.question.items.pop_back(); });
    refuses(Code::shape_refused, "folded twice", [](Site& s) {
      s.question.columns.push_back(s.question.columns[1]);
      s.question.items.push_back({Aggregate::sum, 2, {}, 0, {}});
    });
    refuses(Code::shape_refused, "max is asked for without a tree's height",
            [](Site& s) { s.question.items[0].aggregate = Aggregate::max; });
    refuses(Code::epsilon_refused, "no charge", [](Site& s) { s.question.rho_per_block = 0; });
    refuses(Code::shape_refused, "no public key",
            [](Site& s) { s.question.group_keys[1] = "owner"; });
    refuses(Code::shape_refused, "export's order", [](Site& s) {
      std::swap(s.question.group_keys[0], s.question.group_keys[1]);
      for (Group& group : s.question.groups) std::swap(group.values[0], group.values[1]);
    });
    refuses(Code::shape_refused, "group's value of 'county'",
            [](Site& s) { s.question.groups[0].values[1] = "Ada"; });
    refuses(Code::shape_refused, "not one of 'air'",
            [](Site& s) { s.question.groups.back().cells = {3}; });
    refuses(Code::shape_refused, "cells' order",
            [](Site& s) { std::swap(s.question.groups[0], s.question.groups[1]); });
    refuses(Code::shape_refused, "no boundary", [](Site& s) {
      s.question.window.from = s.question.window.from - minutes(1);
      s.question.every.reset();
    });
    refuses(Code::shape_refused, "no boundary", [](Site& s) {
      s.question.window.to = s.question.window.to + nanoseconds(1);
      s.question.every.reset();
    });
    refuses(Code::shape_refused, "no multiple", [](Site& s) { s.question.every = minutes(30); });
    refuses(Code::shape_refused, "as long as the window",
            [](Site& s) { s.question.every = hours(24); });
    refuses(Code::shape_refused, "blocks", [](Site& s) {
      s.question.window.from = s.question.window.from - days(500);
      s.question.every.reset();
    });
    refuses(Code::shape_refused, "1700", [](Site& s) {
      s.question.window = {{-9'000'000'000'000'000'000}, {-8'900'000'000'000'000'000}};
      s.question.every.reset();
    });
    refuses(Code::window_open, "late",
            [](Site& s) { s.question.window.to = s.question.window.to + days(2); });
    refuses(Code::window_open, "late",
            [](Site& s) { s.states.options.now = at("2015-08-24T01:59:59Z"); });
  }

  TEST_CASE("a narrower question than the export allows is let through") {
    Site site;
    site.question.columns[1].upper = 100;
    site.question.groups.pop_back();
    CHECK(site.check().has_value());
  }
}
