#include "federation/query/plan.h"

#include <doctest/doctest.h>

#include <functional>
#include <limits>

#include "federation/query/canonical_text.h"
#include "federation/query/fold.h"
#include "planned.h"
#include "schemas/base/limits.h"
#include "schemas/base/random.h"
#include "security/privacy/rho.h"

namespace {

using namespace entente;
using namespace entente::federation;
using namespace entente::federation::testing;

const std::string kOver = " OVER '2015-08-23' .. '2015-08-24'";

}  // namespace

TEST_SUITE("federation/query/plan") {
  TEST_CASE("a question becomes absolute for every member, and nothing is left to interpret") {
    const States states;
    const Plan plan = states.planned(
        "SELECT count(*), mean(pm25),  share(pm25 >\n 55.5) FROM smoke GROUP BY state OVER 24h "
        "WITH (epsilon = 1, purpose = 'alert')");
    REQUIRE(plan.items.size() == 3);
    CHECK(plan.items[0] == PlannedItem{"count(*)", "", Aggregate::count, {}});
    CHECK(plan.items[1] == PlannedItem{"mean(pm25)", "ug/m3", Aggregate::mean, {}});
    CHECK(plan.items[2] == PlannedItem{"share(pm25 > 55.5)", "", Aggregate::share, {}});
    CHECK(plan.group_keys == std::vector<std::string>{"state"});
    CHECK(plan.groups == std::vector<std::vector<std::string>>{{"WA"}, {"OR"}, {"ID"}});
    // The tick that ends 08:00 is closed at 10:00, the next one only at 11:00.
    CHECK(plan.window == TimeWindow{at("2015-08-24T08:00Z"), at("2015-08-25T08:00Z")});
    CHECK(plan.ticks == std::vector<TimeWindow>{plan.window});
    CHECK(plan.epsilon == 1.0);
    CHECK(plan.purpose == "alert");
    REQUIRE(plan.members.size() == 3);
    const Question& oregon = *plan.members[1].question;
    CHECK(oregon.export_name == "air");
    CHECK(oregon.export_hash == export_hash(states.oregon));
    CHECK(oregon.columns == std::vector<Column>{{"pm25", Reducer::mean, 0, 200, {}}});
    CHECK(oregon.items[0] == Item{});
    CHECK(oregon.items[1].column == 0);
    CHECK(oregon.items[2].predicate == Predicate{Compare{0, Comparison::greater, 55.5}});
    CHECK(oregon.groups == std::vector<Group>{{{"OR"}, {0, 1}}});
    CHECK(plan.members[1].groups == std::vector<std::size_t>{1});
    CHECK(oregon.rho_per_block == security::rho_cap_of(1, states.oregon.delta)->units);
    CHECK(oregon.rho_per_block > 0);
    for (const MemberPlan& member : plan.members) {
      const auto read = question_from_bytes(canonical_bytes(*member.question));
      REQUIRE(read.has_value());
      CHECK(*read == *member.question);
    }
  }

  TEST_CASE("WHERE picks public cells, and a member without any is not asked") {
    const States states;
    const Plan plan = states.planned(
        "SELECT count(*) FROM smoke WHERE state IN ('WA', 'ID') AND "
        "county != 'King' GROUP BY county" +
        kOver);
    CHECK(plan.groups == std::vector<std::vector<std::string>>{{"Chelan"}, {"Okanogan"}, {"Ada"}});
    CHECK(plan.members[0].question->groups ==
          std::vector<Group>{{{"Chelan"}, {1}}, {{"Okanogan"}, {2}}});
    CHECK(plan.members[0].question->group_keys == std::vector<std::string>{"county"});
    CHECK_FALSE(plan.members[1].question.has_value());
    CHECK(plan.members[1].groups.empty());
    CHECK(plan.members[2].groups == std::vector<std::size_t>{2});
    CHECK(has(states
                  .refused("SELECT count(*) FROM s WHERE state = 'WA' AND county = 'Ada'" + kOver,
                           ErrorCode::shape_refused)
                  .what,
              "no public cell"));
  }

  TEST_CASE(
      "groups of several members merge, and the members' own facts stay out of the question") {
    States states;
    states.idaho.cells[0].values[1] = "King";
    const Plan by_county = states.planned("SELECT count(*) FROM s GROUP BY county" + kOver);
    CHECK(by_county.groups.size() == 5);
    CHECK(by_county.members[2].groups == std::vector<std::size_t>{0});
    const Plan by_organisation = states.planned(
        "SELECT count(*) FROM s WHERE site != 'OR-centre' "
        "GROUP BY organisation, state" +
        kOver);
    CHECK(by_organisation.groups ==
          std::vector<std::vector<std::string>>{{"washington", "WA"}, {"idaho", "ID"}});
    CHECK(by_organisation.members[0].question->group_keys == std::vector<std::string>{"state"});
    const Plan plain =
        states.planned("SELECT count(*) FROM s WHERE organisation = 'idaho'" + kOver);
    CHECK(plain.groups == std::vector<std::vector<std::string>>{{}});
    CHECK_FALSE(plain.members[0].question.has_value());
    CHECK(plain.members[2].question->group_keys.empty());
  }

  TEST_CASE("equal meaning gives equal bytes") {
    const States states;
    const auto bytes = [&](const std::string& question) {
      return canonical_bytes(*states.planned(question).members[0].question);
    };
    const std::string all = " FROM s WHERE state = 'WA' GROUP BY state, county OVER 24h";
    const Bytes one = bytes("SELECT share(pm25 > 5 AND max(ozone) < 9), mean(pm25)" + all);
    for (const std::string& same : {
             "select SHARE( max(ozone)<9.0 and mean(pm25)>5 ) , MEAN(mean(pm25))" + all,
             "SELECT share(NOT (pm25 <= 5 OR NOT ozone < 9)), mean(pm25)" + all,
             "SELECT share(NOT NOT (pm25 > 5) AND (ozone < 9 AND pm25 > 5)), mean(pm25)" + all,
             std::string("SELECT share(pm25 > 5 AND ozone < 9), mean(pm25) FROM s WHERE NOT state "
                         "!= 'WA' GROUP BY county, state OVER 1d EVERY 24h"),
             std::string(
                 "SELECT share(pm25 > 5 AND ozone < 9), mean(pm25) FROM other WHERE county IN "
                 "('Okanogan', 'King', 'Chelan') GROUP BY county, state, organisation OVER "
                 "'2015-08-24T08:00Z' .. '2015-08-25 01:00-07:00' WITH (mode = 'each')"),
         }) {
      CAPTURE(same);
      CHECK(bytes(same) == one);
    }
    for (const std::string& other : {
             "SELECT share(pm25 > 5 OR max(ozone) < 9), mean(pm25)" + all,
             "SELECT share(pm25 > 5 AND max(ozone) <= 9), mean(pm25)" + all,
             "SELECT mean(pm25), share(pm25 > 5 AND max(ozone) < 9)" + all,
             "SELECT share(pm25 > 5 AND mean(ozone) < 9), mean(pm25)" + all,
             "SELECT share(pm25 > 5 AND max(ozone) < 9), mean(pm25)" + all +
                 " WITH (epsilon = 0.6)",
         }) {
      CAPTURE(other);
      CHECK(bytes(other) != one);
    }
  }

  TEST_CASE("shuffled conditions over keys and values never change the bytes") {
    const States states;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::vector<std::string> values = {"pm25 > 5", "max(pm25) < 9", "ozone != 0", "ozone <= -0"};
      std::vector<std::string> keys = {"state = 'WA'", "county IN ('King', 'Chelan', 'Ada')",
                                       "county != 'Lane'"};
      const auto shuffled = [&](std::vector<std::string> parts, const std::string& word) {
        for (std::size_t i = parts.size(); i > 1; --i)
          std::swap(parts[i - 1], parts[random.below(i)]);
        std::string text = parts[0];
        for (std::size_t i = 1; i < parts.size(); ++i) {
          text = random.below(2) == 0 ? "(" + text + ")" + word + parts[i]
                                      : parts[i] + word + "(" + text + ")";
        }
        return text;
      };
      const auto bytes = [&](const std::string& condition, const std::string& where) {
        return canonical_bytes(
            *states.planned("SELECT count(" + condition + ") FROM s WHERE " + where + kOver)
                 .members[0]
                 .question);
      };
      const std::string plain =
          values[0] + " OR " + values[1] + " OR " + values[2] + " OR " + values[3];
      CHECK(bytes(shuffled(values, " OR "), shuffled(keys, " AND ")) ==
            bytes(plain, "county = 'King' OR county = 'Chelan'"));
    }
  }

  TEST_CASE("a condition's one form means what was written, for random conditions and values") {
    const States states;
    const char* words[] = {" < ", " <= ", " > ", " >= ", " = ", " != "};
    struct Made {
      std::string text;
      bool truth;
    };
    for (std::uint64_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const double pm25 = static_cast<double>(random.below(4));
      const double ozone = static_cast<double>(random.below(4));
      const std::function<Made(int)> make = [&](int depth) -> Made {
        const auto pick = depth == 0 ? 0 : random.below(4);
        if (pick == 0) {
          const bool first = random.below(2) == 0;
          const auto word = random.below(6);
          const auto limit = random.below(4);
          return {(first ? "pm25" : "ozone") + std::string(words[word]) + std::to_string(limit),
                  compares(first ? pm25 : ozone, static_cast<Comparison>(word),
                           static_cast<double>(limit))};
        }
        const Made a = make(depth - 1);
        if (pick == 1) return {"NOT (" + a.text + ")", !a.truth};
        const Made b = make(depth - 1);
        if (pick == 2) return {"(" + a.text + ") AND (" + b.text + ")", a.truth && b.truth};
        return {"(" + a.text + ") OR (" + b.text + ")", a.truth || b.truth};
      };
      const Made made = make(4);
      CAPTURE(made.text);
      const Plan plan = states.planned("SELECT count(" + made.text + ") FROM s" + kOver);
      const Question& question = *plan.members[0].question;
      const bool got = satisfied(question.items[0].predicate, [&](std::uint16_t column) {
        return question.columns[column].signal == "pm25" ? pm25 : ozone;
      });
      CHECK(got == made.truth);
    }
  }

  TEST_CASE("columns are shared by signal, reducer and condition, and the items keep their order") {
    const States states;
    const Plan plan = states.planned(
        "SELECT sum(pm25), count(pm25 > 5), mean(max(pm25)), mean(duration(pm25 > 35)), "
        "share(duration(pm25 > 35) > 60 AND duration(pm25 > 36) > 60), mean(mean(pm25)) FROM s" +
        kOver);
    const Question& question = *plan.members[0].question;
    REQUIRE(question.columns.size() == 4);
    CHECK(question.columns[0].reducer == Reducer::mean);
    CHECK(question.columns[1].reducer == Reducer::max);
    CHECK(question.columns[2].predicate == Predicate{Compare{0, Comparison::greater, 35}});
    CHECK(question.columns[3].predicate == Predicate{Compare{0, Comparison::greater, 36}});
    CHECK(question.items[0].column == 0);
    CHECK(question.items[2].column == 1);
    CHECK(question.items[3].column == 2);
    CHECK(question.items[4].predicate == Predicate{Compare{2, Comparison::greater, 60},
                                                   Compare{3, Comparison::greater, 60},
                                                   Connective::and_});
    CHECK(question.items[5].column == 0);
    CHECK(plan.items[3].unit == "s");
  }

  TEST_CASE("unknown signals, keys and values are refused with the nearest and a caret") {
    const States states;
    const Error signal =
        states.refused("SELECT mean(pm52) FROM s OVER 1d", ErrorCode::query_unknown_name);
    CHECK(signal.what ==
          "character 13: 'air@washington' offers no signal 'pm52'\n"
          "  SELECT mean(pm52) FROM s OVER 1d\n"
          "              ^");
    CHECK(signal.remedy == "did you mean 'pm25'?");
    const auto says = [&](const std::string& question, ErrorCode code, std::string_view what,
                          std::string_view remedy) {
      CAPTURE(question);
      const Error error = states.refused(question, code);
      CAPTURE(error.what);
      CAPTURE(error.remedy);
      CHECK(has(error.what, what));
      CHECK(has(error.remedy, remedy));
    };
    says("SELECT mean(noise) FROM s OVER 1d", ErrorCode::query_unknown_name, "no signal 'noise'",
         "the signals are 'pm25' and 'ozone'");
    says("SELECT mean(PM25) FROM s OVER 1d", ErrorCode::query_unknown_name, "'PM25'", "'pm25'");
    says("SELECT mean(state) FROM s OVER 1d", ErrorCode::query_unknown_name, "not a signal",
         "GROUP BY");
    says("SELECT count(*) FROM s WHERE stat = 'WA' OVER 1d", ErrorCode::query_unknown_name,
         "'stat' is no public key of 'air@washington'", "did you mean 'state'");
    says("SELECT count(*) FROM s GROUP BY owner OVER 1d", ErrorCode::query_unknown_name, "'owner'",
         "the public keys are 'state', 'county', 'site' and 'organisation'");
    says("SELECT count(*) FROM s WHERE county = 'Kin' OVER 1d", ErrorCode::query_unknown_name,
         "'Kin' is no declared value of 'county'", "did you mean 'King'");
    says("SELECT count(*) FROM s WHERE organisation = 'nevada' OVER 1d",
         ErrorCode::query_unknown_name, "'nevada'", "'idaho', 'oregon' and 'washington'");
    says("SELECT count(*) FROM s WHERE pm25 = '5' OVER 1d", ErrorCode::shape_refused,
         "'pm25' is a signal", "count(pm25 > 55.5)");
    says("SELECT count(*) FROM s GROUP BY pm25 OVER 1d", ErrorCode::shape_refused,
         "public keys only", "inside an aggregate");
  }

  TEST_CASE("a key that only some members declare is refused with the member's name") {
    States states;
    states.oregon.keys[1] = "district";
    const Error error = states.refused("SELECT count(*) FROM s GROUP BY county" + kOver,
                                       ErrorCode::query_unknown_name);
    CHECK(has(error.what, "no public key of 'air@oregon'"));
    CHECK(has(error.remedy, "'district'"));
  }

  TEST_CASE("bounds are what all members share, or what the system twin narrows them to") {
    States states;
    states.oregon.measures[0].bounds[0] = {Reducer::mean, -10, 150};
    states.idaho.measures[0].bounds[0] = {Reducer::mean, 5, 300};
    const std::string question = "SELECT mean(pm25) FROM s" + kOver;
    const Plan plan = states.planned(question);
    for (const MemberPlan& member : plan.members) {
      CHECK(member.question->columns[0].lower == 5);
      CHECK(member.question->columns[0].upper == 150);
    }
    states.options.bounds = {{"pm25", Reducer::mean, 10, 100}, {"pm25", Reducer::max, -1, 1e9}};
    CHECK(states.planned(question).members[2].question->columns[0].upper == 100);
    states.options.bounds[0].upper = 151;
    CHECK(has(states.refused(question, ErrorCode::shape_refused).remedy, "5 to 150"));
    states.options.bounds[0] = {"pm25", Reducer::mean, 10, 10};
    states.refused(question, ErrorCode::shape_refused);
    states.options.bounds.clear();
    states.idaho.measures[0].bounds[0] = {Reducer::mean, 150, 300};
    CHECK(has(states.refused(question, ErrorCode::shape_refused).what, "nothing in common"));
    // A member that is not asked has no say.
    CHECK(states.planned("SELECT mean(pm25) FROM s WHERE state != 'ID'" + kOver)
              .members[0]
              .question->columns[0]
              .upper == 150);
  }

  TEST_CASE("members that differ in unit, default reducer or offer are named") {
    States states;
    const std::string question = "SELECT mean(pm25) FROM s" + kOver;
    CHECK(has(
        states.refused("SELECT mean(last(pm25)) FROM s" + kOver, ErrorCode::shape_refused).remedy,
        "'mean', 'max' and 'duration'"));
    states.idaho.measures[0].default_reducer = Reducer::max;
    CHECK(has(states.refused(question, ErrorCode::query_unsupported).remedy, "mean(pm25)"));
    CHECK(states.try_plan("SELECT mean(max(pm25)) FROM s" + kOver).has_value());
    states.idaho.measures[0].unit = "mg/m3";
    const Error error = states.refused(question, ErrorCode::query_unsupported);
    CHECK(has(error.what, "'air@idaho' in 'mg/m3'"));
    states.idaho.measures.erase(states.idaho.measures.begin());
    CHECK(
        has(states.refused(question, ErrorCode::query_unknown_name).what, "'air@idaho' offers no"));
  }

  TEST_CASE("partners and local users are answered every aggregate") {
    States states;
    for (const char* item : {"variance(pm25)", "stddev(pm25)", "min(pm25)", "max(pm25)",
                             "median(pm25)", "quantile(pm25, 0.9)", "histogram(pm25, 4)"}) {
      CAPTURE(item);
      const std::string question = "SELECT count(*), " + std::string(item) + " FROM s" + kOver;
      states.options.exact = false;
      const Plan asked = states.planned(question);
      const bool rank = is_rank(asked.items[1].aggregate);
      for (const MemberPlan& member : asked.members) {
        CHECK(member.question->tree_height == (rank ? 2 : 0));
        CHECK(member.question->rho_per_block > 0);
      }
      states.options.exact = true;
      const Plan plan = states.planned(question);
      CHECK_FALSE(plan.epsilon.has_value());
      CHECK(plan.members[0].question->rho_per_block == 0);
      CHECK(plan.members[0].question->tree_height == 0);
      CHECK(question_from_bytes(canonical_bytes(*plan.members[0].question)).has_value());
    }
    const Plan bins = states.planned(
        "SELECT histogram(pm25, 4), histogram(pm25, [0, 12, 35.4]), "
        "variance(pm25) FROM s" +
        kOver);
    CHECK(bins.members[0].question->items[0].edges == std::vector<double>{0, 50, 100, 150, 200});
    CHECK(bins.members[0].question->items[1].edges == std::vector<double>{0, 12, 35.4});
    CHECK(bins.items[2].unit == "(ug/m3)^2");
  }

  TEST_CASE("local users may fold in ways that no export offers") {
    States states;
    states.options.exact = true;
    const Plan plan = states.planned("SELECT mean(last(pm25)), mean(duration(ozone > 70)) FROM s" +
                                     kOver + " EVERY 6h");
    const Question& question = *plan.members[0].question;
    CHECK(question.columns[0].signal == "ozone");
    CHECK(question.columns[0].upper == 6 * 3600);
    CHECK(question.columns[1].upper == std::numeric_limits<double>::max());
    CHECK(plan.ticks.size() == 4);
    CHECK(has(
        states.refused("SELECT histogram(last(pm25), 4) FROM s" + kOver, ErrorCode::shape_refused)
            .remedy,
        "edges"));
  }

  TEST_CASE("epsilon is positive, and either written or set as the default") {
    States states;
    const std::string question = "SELECT count(*) FROM s" + kOver;
    CHECK(states.planned(question).epsilon == 0.5);
    CHECK(states.planned(question + " WITH (epsilon = 0.25)").epsilon == 0.25);
    states.refused(question + " WITH (epsilon = 0)", ErrorCode::epsilon_refused);
    states.refused(question + " WITH (epsilon = -1)", ErrorCode::epsilon_refused);
    CHECK(
        states.planned(question + " WITH (epsilon = 1e-300)").members[0].question->rho_per_block ==
        1);  // never free
    states.refused(question + " WITH (epsilon = 1e9)", ErrorCode::epsilon_refused);
    states.options.default_epsilon.reset();
    CHECK(has(states.refused(question, ErrorCode::epsilon_refused).remedy, "WITH (epsilon"));
    auto sentence = *parse_question(question);
    sentence.options.epsilon = Number{std::numeric_limits<double>::quiet_NaN(), {}};
    CHECK(plan(sentence, states.members(), states.options).error().code ==
          ErrorCode::epsilon_refused);
  }

  TEST_CASE("each member's charge follows from its own delta") {
    States states;
    states.oregon.delta.units /= 1000;
    const Plan plan = states.planned("SELECT count(*) FROM s" + kOver);
    CHECK(plan.members[0].question->rho_per_block > plan.members[1].question->rho_per_block);
    CHECK(plan.members[0].question->rho_per_block == plan.members[2].question->rho_per_block);
  }

  TEST_CASE("all members' trees have the height that the largest member's units can fill") {
    States states;
    const auto heights = [&](const std::string& rest) {
      std::vector<int> found;
      for (const MemberPlan& member :
           states.planned("SELECT median(pm25), max(ozone) FROM s" + rest).members) {
        found.push_back(member.question ? member.question->tree_height : -1);
      }
      return found;
    };
    CHECK(heights(kOver) == std::vector{2, 2, 2});
    states.oregon.cells[0].units = 988;  // 1,000 with the 12 of the other county
    CHECK(heights(kOver) == std::vector{3, 3, 3});
    // Not of a member that is not asked.
    CHECK(heights(" WHERE state != 'OR'" + kOver) == std::vector{2, -1, 2});
    // Nor where the answer of any member would be too long.
    CHECK(heights(" WHERE state != 'WA' GROUP BY county" + kOver) == std::vector{-1, 3, 3});
    CHECK(heights(" GROUP BY county" + kOver) == std::vector{3, 3, 3});
    CHECK(heights(" GROUP BY county" + kOver + " EVERY 12h") == std::vector{2, 2, 2});
  }

  TEST_CASE("secure aggregation is refused with a clear word") {
    const States states;
    const Error error = states.refused("SELECT count(*) FROM s" + kOver + " WITH (mode = 'sum')",
                                       ErrorCode::query_unsupported);
    CHECK(has(error.what, "secure aggregation"));
    CHECK(has(error.remedy, "mode = 'each'"));
  }

  TEST_CASE("items, columns, conditions and cells have limits") {
    States states;
    std::string items = "count(*)";
    for (std::size_t i = 1; i < limits::kItems; ++i) items += ", count(*)";
    CHECK(states.try_plan("SELECT " + items + " FROM s" + kOver).has_value());
    CHECK(has(
        states.refused("SELECT " + items + ", count(*) FROM s" + kOver, ErrorCode::shape_refused)
            .what,
        "at most 16 items"));
    const auto chain = [](std::size_t terms) {
      std::string text = "SELECT count(pm25 > 0";
      for (std::size_t i = 1; i < terms; ++i) text += " OR pm25 > " + std::to_string(i);
      return text + ") FROM s" + kOver;
    };
    CHECK(states.try_plan(chain(64)).has_value());
    states.refused(chain(65), ErrorCode::shape_refused);
    const auto durations = [](std::size_t terms) {
      std::string text = "SELECT count(duration(pm25 > 0) > 1";
      for (std::size_t i = 1; i < terms; ++i) {
        text += (i % 40 == 0 ? "), count(" : " OR ") + ("duration(pm25 > " + std::to_string(i)) +
                ") > 1";
      }
      return text + ") FROM s" + kOver;
    };
    CHECK(states.try_plan(durations(limits::kColumns)).has_value());
    CHECK(has(states.refused(durations(limits::kColumns + 1), ErrorCode::shape_refused).what,
              "folds at most"));
    states.washington.cells.clear();
    for (int i = 0; i < 200; ++i)
      states.washington.cells.push_back({{"WA", "c" + std::to_string(i)}, 1});
    CHECK(states.try_plan("SELECT count(*) FROM s GROUP BY county" + kOver + " EVERY 2h")
              .has_value());
    CHECK(has(states
                  .refused("SELECT count(*) FROM s GROUP BY county" + kOver + " EVERY 1h",
                           ErrorCode::shape_refused)
                  .what,
              "200 groups times 24 cells"));
  }

  TEST_CASE("a question made by a program is planned without a text to point at") {
    const States states;
    Sentence sentence = *parse_question("SELECT mean(max(pm25)) FROM s" + kOver);
    sentence.source.text.clear();
    const auto made = plan(sentence, states.members(), states.options);
    REQUIRE(made.has_value());
    CHECK(made->items[0].label == "mean(max(pm25))");
    std::get<FoldedSignal>(sentence.items[0].argument).signal.text = "pm52";
    const auto refused = plan(sentence, states.members(), states.options);
    CHECK(refused.error().what == "'air@washington' offers no signal 'pm52'");
  }
}
