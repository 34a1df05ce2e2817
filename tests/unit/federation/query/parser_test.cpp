#include "federation/query/parser.h"

#include <doctest/doctest.h>

#include "federation/query/canonical_text.h"
#include "federation/query/limits.h"
#include "schemas/base/limits.h"
#include "schemas/base/random.h"

namespace {

using namespace entente;
using namespace entente::federation;

Sentence parsed(std::string_view text) {
  auto sentence = parse_question(text);
  if (!sentence) FAIL(sentence.error().what);
  return *std::move(sentence);
}

std::string canonical(std::string_view text) {
  return to_text(parsed(text));
}

Error refused(std::string_view text) {
  const auto sentence = parse_question(text);
  REQUIRE_FALSE(sentence.has_value());
  CHECK(sentence.error().code == ErrorCode::query_syntax);
  return sentence.error();
}

// ---- Random trees of the shape that the parser gives.

double constant(Random& random) {
  switch (random.below(4)) {
    case 0:
      return static_cast<double>(random.below(100));
    case 1:
      return -static_cast<double>(random.below(1'000'000)) / 1000;
    case 2:
      return 1e-300 * static_cast<double>(random.u64());
    default:
      return static_cast<double>(random.u64()) * 1e30 / 7;
  }
}

Name name(Random& random) {
  const std::vector<std::string> names = {
      "pm25",  "a",  "9lives",  "wind.speed",         "x-1_y", "mean", "Duration",
      "twins", "of", "selects", std::string(255, 'z')};
  return {names[random.below(names.size())], {}};
}

Name text(Random& random) {
  const std::vector<std::string> texts = {"WA",     "",     "it's", "''", "Bezirk Üß",
                                          "a b  c", "FROM", "\\",   "1"};
  return {texts[random.below(texts.size())], {}};
}

template <class Leaf, class Make>
Tree<Leaf> tree(Random& random, int depth, const Make& make) {
  Tree<Leaf> made;
  const auto pick = depth == 0 ? 0 : random.below(5);
  if (pick < 2) {
    made.leaf = make();
    return made;
  }
  using Kind = typename Tree<Leaf>::Kind;
  made.kind = pick == 2 ? Kind::negation : pick == 3 ? Kind::all : Kind::any;
  const auto children = pick == 2 ? 1 : 2 + random.below(3);
  for (std::uint64_t i = 0; i < children; ++i)
    made.children.push_back(tree<Leaf>(random, depth - 1, make));
  return made;
}

FoldedSignal folded(Random& random) {
  FoldedSignal made;
  made.signal = name(random);
  if (random.below(2) == 0) return made;
  made.reducer = static_cast<Reducer>(random.below(8));
  if (made.reducer == Reducer::duration) {
    made.condition = tree<ReadingTest>(random, 3, [&] {
      return ReadingTest{static_cast<Comparison>(random.below(6)), {constant(random), {}}};
    });
  }
  return made;
}

Tree<ValueTest> condition(Random& random) {
  return tree<ValueTest>(random, 3, [&] {
    return ValueTest{
        folded(random), static_cast<Comparison>(random.below(6)), {constant(random), {}}};
  });
}

SelectItem item(Random& random) {
  SelectItem made;
  made.aggregate = static_cast<Aggregate>(random.below(11));
  if (made.aggregate == Aggregate::share) {
    made.argument = condition(random);
  } else if (made.aggregate == Aggregate::count) {
    if (random.below(2) == 0) made.argument = condition(random);
  } else {
    made.argument = folded(random);
  }
  if (made.aggregate == Aggregate::quantile) {
    made.rank = Number{(1 + static_cast<double>(random.below(998))) / 1000, {}};
  }
  if (made.aggregate == Aggregate::histogram) {
    if (random.below(2) == 0) {
      made.bins = BinCount{1 + static_cast<int>(random.below(1024))};
    } else {
      std::vector<Number> edges = {{constant(random), {}}};
      for (auto n = 1 + random.below(5); n > 0; --n) {
        edges.push_back({edges.back().value + std::abs(edges.back().value) * 0.125 + 1, {}});
      }
      made.bins = edges;
    }
  }
  return made;
}

Duration length(Random& random) {
  const std::vector<std::int64_t> units = {1,           1'000,     1'000'000, seconds(1).ns,
                                           hours(1).ns, days(7).ns};
  return Duration{units[random.below(units.size())] *
                  static_cast<std::int64_t>(1 + random.below(500))};
}

Sentence sentence(Random& random) {
  Sentence made;
  for (auto n = 1 + random.below(4); n > 0; --n) made.items.push_back(item(random));
  NamedTarget named{name(random), std::nullopt};
  if (random.below(2) == 0) named.organisation = name(random);
  made.target =
      random.below(3) == 0 ? Target(TypeTarget{{"dtmi:example:It's;1", {}}}) : Target(named);
  if (random.below(2) == 0) {
    made.where = tree<KeyTest>(random, 4, [&] {
      KeyTest test{name(random), random.below(3) == 0, {text(random)}};
      if (!test.differs) {
        for (auto n = random.below(3); n > 0; --n) test.values.push_back(text(random));
      }
      return test;
    });
  }
  for (auto n = random.below(3); n > 0; --n) {
    made.group_by.push_back({"key" + std::to_string(n), {}});
  }
  if (random.below(2) == 0) {
    made.over = RelativeWindow{length(random), {}};
  } else {
    const Instant from{static_cast<std::int64_t>(random.below(4'000'000'000)) * 1'000'000'000 - 1};
    made.over = AbsoluteWindow{{from, from + length(random)}, {}, {}};
  }
  if (random.below(2) == 0) made.every = EveryClause{length(random), {}};
  if (random.below(2) == 0) made.options.epsilon = Number{constant(random), {}};
  if (random.below(2) == 0) made.options.purpose = text(random);
  if (random.below(2) == 0) made.options.mode = random.below(2) == 0 ? Mode::each : Mode::sum;
  return made;
}

}  // namespace

TEST_SUITE("federation/query/parser") {
  TEST_CASE("the question of the design is read in full") {
    const Sentence s = parsed(
        "SELECT mean(pm25), quantile(pm25, 0.9), share(pm25 > 55.5) FROM air WHERE state = 'WA' "
        "GROUP BY county OVER 24h");
    REQUIRE(s.items.size() == 3);
    CHECK(s.items[0].aggregate == Aggregate::mean);
    CHECK(std::get<FoldedSignal>(s.items[0].argument).signal.text == "pm25");
    CHECK_FALSE(std::get<FoldedSignal>(s.items[0].argument).reducer.has_value());
    CHECK(s.items[1].rank->value == 0.9);
    const auto& condition_ = std::get<Tree<ValueTest>>(s.items[2].argument);
    CHECK(condition_.leaf.comparison == Comparison::greater);
    CHECK(condition_.leaf.constant.value == 55.5);
    CHECK(std::get<NamedTarget>(s.target).name.text == "air");
    CHECK(s.where->leaf.values.front().text == "WA");
    CHECK(s.group_by.front().text == "county");
    CHECK(std::get<RelativeWindow>(s.over).length == hours(24));
    CHECK(s.items[1].at.offset == 19);
    CHECK(s.source.text.substr(s.items[2].at.offset, s.items[2].at.length) == "share(pm25 > 55.5)");
    CHECK(s.where->leaf.key.at.offset == s.source.text.find("state"));
  }

  TEST_CASE("every form of the grammar reads back as its canonical text") {
    for (const char* text : {
             "SELECT count(*) FROM air OVER 1d",
             "SELECT count(pm25 > 5), count(NOT pm25 > 5) FROM air@washington OVER 1w",
             "SELECT share(max(pm25) >= 5 AND (min(ozone) < 2 OR pm25 != 3)) FROM air OVER 1d",
             "SELECT sum(delta(energy)), mean(last(level)), variance(x), stddev(x) FROM e OVER 1d",
             "SELECT min(x), max(sum(x)), median(median(x)), quantile(x, 0.05) FROM e OVER 1d",
             "SELECT histogram(pm25, 12), histogram(pm25, [0, 12, 35.4, 55.4]) FROM air OVER 1d",
             "SELECT mean(duration(pm25 > 35 AND NOT pm25 > 150)) FROM air OVER 1d",
             "SELECT count(duration(pm25 > 35) > 3600) FROM air OVER 1d",
             "SELECT mean(pm25) FROM twins OF 'dtmi:example:Monitor;1' OVER 1d EVERY 1h",
             "SELECT mean(pm25) FROM air WHERE state IN ('WA', 'OR') AND NOT (county = 'King' OR "
             "kind != 'urban') GROUP BY state, county OVER 1d",
             "SELECT mean(pm25) FROM air OVER '2015-08-20T00:00:00Z' .. '2015-08-21T00:00:00Z'",
             "SELECT mean(pm25) FROM air OVER 1d WITH (epsilon = 0.2, purpose = 'planning', mode = "
             "'sum')",
         }) {
      CAPTURE(text);
      CHECK(canonical(text) == text);
    }
  }

  TEST_CASE("case, blanks and synonyms make no difference, names and values keep theirs") {
    CHECK(canonical("select MEAN( Max (PM25) )\n\tfrom air where state='WA'over 24h every 60m") ==
          "SELECT mean(max(PM25)) FROM air WHERE state = 'WA' OVER 1d EVERY 1h");
    CHECK(canonical("SELECT count(*) FROM air OVER '2015-08-20' .. '2015-08-20T19:00-05:00'") ==
          "SELECT count(*) FROM air OVER '2015-08-20T00:00:00Z' .. '2015-08-21T00:00:00Z'");
    CHECK(canonical("SELECT count(*) FROM air @ washington WHERE a IN ('x') OVER 1d") ==
          "SELECT count(*) FROM air@washington WHERE a = 'x' OVER 1d");
    CHECK(canonical("SELECT count(((pm25 > +5.0))) FROM a OVER 1d") ==
          "SELECT count(pm25 > 5) FROM a OVER 1d");
  }

  TEST_CASE("NOT binds tighter than AND, and AND tighter than OR") {
    const Sentence s = parsed("SELECT count(NOT a > 1 AND b > 2 OR c > 3) FROM x OVER 1d");
    const auto& tree_ = std::get<Tree<ValueTest>>(s.items[0].argument);
    using Kind = Tree<ValueTest>::Kind;
    REQUIRE(tree_.kind == Kind::any);
    REQUIRE(tree_.children[0].kind == Kind::all);
    CHECK(tree_.children[0].children[0].kind == Kind::negation);
    CHECK(tree_.children[1].kind == Kind::leaf);
  }

  TEST_CASE("printing and parsing a random question gives the same question") {
    for (std::uint64_t seed = 0; seed < 3000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Sentence made = sentence(random);
      const std::string text_ = to_text(made);
      CAPTURE(text_);
      if (text_.size() > limits::kQuestionBytes) continue;
      const auto again = parse_question(text_);
      if (!again) FAIL(again.error().what);
      REQUIRE(*again == made);
      CHECK(to_text(*again) == text_);
    }
  }

  TEST_CASE("the equality that the property above rests on tells different questions apart") {
    CHECK_FALSE(parsed("SELECT mean(a) FROM x OVER 1d") == parsed("SELECT mean(b) FROM x OVER 1d"));
    CHECK_FALSE(parsed("SELECT count(a > 1) FROM x OVER 1d") ==
                parsed("SELECT count(a > 2) FROM x OVER 1d"));
    CHECK_FALSE(parsed("SELECT count(a > 1 AND (b > 1 AND c > 1)) FROM x OVER 1d") ==
                parsed("SELECT count(a > 1 AND b > 1 AND c > 1) FROM x OVER 1d"));
  }

  TEST_CASE("a refusal shows the line, points at the character and says what was expected") {
    const Error error = refused("SELECT mean(pm25) FORM air OVER 24h");
    CHECK(error.what ==
          "character 19: expected a comma or FROM, found 'FORM'\n"
          "  SELECT mean(pm25) FORM air OVER 24h\n"
          "                    ^");
    CHECK(error.remedy == "did you mean 'FROM'?");
    const Error later = refused("SELECT mean(pm25)\nFROM air\nWERE state = 'WA' OVER 24h");
    CHECK(later.what ==
          "line 3, character 1: expected WHERE, GROUP BY or OVER, found 'WERE'\n"
          "  WERE state = 'WA' OVER 24h\n"
          "  ^");
    CHECK(later.remedy == "did you mean 'WHERE'?");
  }

  TEST_CASE("each mistake is met with its own words") {
    struct Case {
      const char* question;
      const char* what;
      const char* remedy;
    };
    for (const Case& c : {
             Case{"", "character 1: expected SELECT, found the end", ""},
             Case{"SELCT count(*) FROM a OVER 1d", "expected SELECT", "'SELECT'"},
             Case{"SELECT FROM a OVER 1d", "expected an aggregate", ""},
             Case{"SELECT avg(x) FROM a OVER 1d", "expected an aggregate", "'mean'"},
             Case{"SELECT maen(x) FROM a OVER 1d", "expected an aggregate", "'mean'"},
             Case{"SELECT meanx FROM a OVER 1d", "expected an aggregate", "'mean'"},
             Case{"SELECT mean x FROM a OVER 1d", "opening parenthesis", ""},
             Case{"SELECT mean(x FROM a OVER 1d", "closing parenthesis", ""},
             Case{"SELECT mean(avg(x)) FROM a OVER 1d", "'avg' is no reducer", "'mean'"},
             Case{"SELECT mean(lst(x)) FROM a OVER 1d", "'lst' is no reducer", "'last'"},
             Case{"SELECT mean(over) FROM a OVER 1d", "expected a signal", ""},
             Case{"SELECT count(x) FROM a OVER 1d", "expected a comparison", "count(*)"},
             Case{"SELECT count() FROM a OVER 1d", "expected * or a condition", ""},
             Case{"SELECT share(x == 1) FROM a OVER 1d", "expected a number", "single ="},
             Case{"SELECT share(x <> 1) FROM a OVER 1d", "expected a number", "!="},
             Case{"SELECT share(x > 5ug) FROM a OVER 1d", "expected a number", "without a unit"},
             Case{"SELECT share(x > 1e999) FROM a OVER 1d", "cannot be held", ""},
             Case{"SELECT share(x > 1 AND) FROM a OVER 1d", "expected a condition", ""},
             Case{"SELECT quantile(x) FROM a OVER 1d", "expected a comma", ""},
             Case{"SELECT quantile(x, 90) FROM a OVER 1d", "between 0 and 1", "0.9"},
             Case{"SELECT histogram(x, 0) FROM a OVER 1d", "1 to 1024 bins", ""},
             Case{"SELECT histogram(x, [1, 1]) FROM a OVER 1d", "ascend", ""},
             Case{"SELECT histogram(x, [1]) FROM a OVER 1d", "two edges", ""},
             Case{"SELECT histogram(x, [1, 2) FROM a OVER 1d", "expected a comma or ]", ""},
             Case{"SELECT mean(duration(x > 1 OR y > 1)) FROM a OVER 1d",
                  "about one signal, here 'x'", ""},
             Case{"SELECT mean(duration(x)) FROM a OVER 1d", "expected a comparison", ""},
             Case{"SELECT count(*) FROM OVER 1d", "expected an export", ""},
             Case{"SELECT count(*) FROM twins OF monitor OVER 1d", "expected a type", "'monitor'"},
             Case{"SELECT count(*) FROM twins OF 'monitor' OVER 1d", "begins with dtmi:", ""},
             Case{"SELECT count(*) FROM a@ OVER 1d", "name of an organisation", ""},
             Case{"SELECT count(*) FROM a WHERE s = WA OVER 1d", "single quotes", "'WA'"},
             Case{"SELECT count(*) FROM a WHERE s = \"WA\" OVER 1d", "single quotes",
                  "single quotes"},
             Case{"SELECT count(*) FROM a WHERE s = 'WA OVER 1d", "closing quote", ""},
             Case{"SELECT count(*) FROM a WHERE x > 5 OVER 1d", "expected =, != or IN",
                  "count(pm25 > 55.5)"},
             Case{"SELECT count(*) FROM a GROUP county OVER 1d", "expected BY", ""},
             Case{"SELECT count(*) FROM a GROUP BY s, s OVER 1d", "'s' is named twice", ""},
             Case{"SELECT count(*) FROM a GROUP BY s OVR 1d", "expected OVER", "'OVER'"},
             Case{"SELECT count(*) FROM a", "expected WHERE, GROUP BY or OVER, found the end", ""},
             Case{"SELECT count(*) FROM a OVER 24", "expected a window", ""},
             Case{"SELECT count(*) FROM a OVER 24hours", "24hours", "units"},
             Case{"SELECT count(*) FROM a OVER 0h", "zero", ""},
             Case{"SELECT count(*) FROM a OVER 2015-08-20 .. 2015-08-21", "a window",
                  "single quotes"},
             Case{"SELECT count(*) FROM a OVER '2015-08-20'", "'..' and the end", ""},
             Case{"SELECT count(*) FROM a OVER '2015-02-30' .. '2015-03-01'", "2015-02-30", ""},
             Case{"SELECT count(*) FROM a OVER '2015-08-21' .. '2015-08-20'", "after its beginning",
                  ""},
             Case{"SELECT count(*) FROM a OVER 1d EVERY", "a length such as 1h", ""},
             Case{"SELECT count(*) FROM a OVER 1d EVRY 1h", "expected EVERY, WITH or the end",
                  "'EVERY'"},
             Case{"SELECT count(*) FROM a OVER 1d WITH (epsilom = 1)", "epsilon, purpose or mode",
                  "'epsilon'"},
             Case{"SELECT count(*) FROM a OVER 1d WITH (epsilon = 1, epsilon = 2)", "given twice",
                  ""},
             Case{"SELECT count(*) FROM a OVER 1d WITH (mode = 'sun')", "no mode", "'sum'"},
             Case{"SELECT count(*) FROM a OVER 1d; DROP", "the end of the question, found ';'", ""},
         }) {
      CAPTURE(c.question);
      const Error error = refused(c.question);
      CAPTURE(error.what);
      CAPTURE(error.remedy);
      CHECK(error.what.find(c.what) != std::string::npos);
      CHECK(error.remedy.find(c.remedy) != std::string::npos);
    }
  }

  TEST_CASE("the caret is under the first character of what is wrong") {
    const auto caret = [](const char* question) {
      const Error error = refused(question);
      return error.what.size() - error.what.rfind('\n') - 4;
    };
    CHECK(caret("SELECT count(*) FROM a WHERE s = 'WA' GROUP BY 'x' OVER 1d") == 47);
    CHECK(caret("SELECT mean(lst(x)) FROM a OVER 1d") == 12);
    CHECK(caret("SELECT count(*) FROM a WHERE ä = 'WA' OVER 1d") == 29);
    CHECK(caret("SELECT count(*) FROM a WHERE s = 'Ä' GROUP BY 'x' OVER 1d") == 46);
  }

  TEST_CASE("deep nesting, overlong text and unprintable bytes are refused, not followed") {
    const auto nested = [](int depth) {
      return "SELECT count(" + std::string(static_cast<std::size_t>(depth), '(') + "x > 1" +
             std::string(static_cast<std::size_t>(depth), ')') + ") FROM a OVER 1d";
    };
    CHECK(parse_question(nested(kConditionDepth)).has_value());
    CHECK(refused(nested(kConditionDepth + 1)).what.find("nest at most 32") != std::string::npos);
    CHECK(refused(nested(8000)).what.find("nest at most 32") != std::string::npos);
    std::string nots = "SELECT count(";
    for (int i = 0; i < 4000; ++i) nots += "NOT ";
    CHECK(refused(nots + "x > 1) FROM a OVER 1d").what.find("nest at most 32") !=
          std::string::npos);
    CHECK(refused(std::string(limits::kQuestionBytes + 1, ' ')).what.find("longer than") !=
          std::string::npos);
    CHECK(refused("SELECT \xFF").what.find("byte 8") != std::string::npos);
    CHECK(refused(std::string("SELECT \0", 8)).what.find("byte 8") != std::string::npos);
    CHECK(refused("SELECT mean(" + std::string(256, 'x') + ") FROM a OVER 1d")
              .what.find("too long") != std::string::npos);
  }

  TEST_CASE(
      "no damage to a question crashes the parser, and what it accepts prints and reads again") {
    const std::string pieces[] = {"SELECT ", "(",    ")",      "'",  "mean", " > ", "5", ",",
                                  " AND ",   "NOT ", " OVER ", "1d", "..",   "ä",   "*", "["};
    int accepted = 0;
    for (std::uint64_t seed = 0; seed < 5000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::string text_ = to_text(sentence(random));
      for (auto n = random.below(3); n > 0; --n) {
        const auto at = random.below(text_.size() + 1);
        if (random.below(2) == 0)
          text_.erase(at, random.below(6));
        else
          text_.insert(at, pieces[random.below(std::size(pieces))]);
      }
      const auto read = parse_question(text_);
      if (!read) {
        // A cut inside a character leaves no text that could be shown.
        const std::string& what = read.error().what;
        CHECK((what.find('^') != std::string::npos || what.find("UTF-8") != std::string::npos));
        continue;
      }
      ++accepted;
      CHECK(*parse_question(to_text(*read)) == *read);
    }
    CHECK(accepted > 500);
    CHECK(accepted < 4500);
  }
}
