#include "node/quality/rule_text.h"

#include <doctest/doctest.h>

#include <random>

#include "node/config/declarations.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

ResolvedType monitor() {
  ResolvedType type;
  type.id = "dtmi:t:Monitor;1";
  type.ancestors = {"dtmi:t:Device;1", "dtmi:t:Monitor;1"};
  Signal signal;
  signal.name = "pm25";
  signal.range = Range{0, 500};
  signal.numeric = true;
  type.signals = {signal};
  return type;
}

Rule rule_of(const RuleBook& book, std::string_view twin) {
  const ResolvedType type = monitor();
  return book.rule_for(type, type.signals[0], twin);
}

std::string refusal(std::string_view text) {
  RuleBook book;
  const auto read = read_rule_file(text, "quality.toml", book);
  CHECK(book.empty());
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().code == ErrorCode::config_invalid);
  return read.error().what;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

RuleKeys random_keys(std::mt19937& random) {
  const auto maybe = [&] { return random() % 2 == 0; };
  const auto number = [&] { return static_cast<double>(random()) / 1e7; };
  RuleKeys keys;
  if (maybe()) keys.range = Range{-number(), number()};
  if (maybe()) keys.rate_per_second = number();
  if (maybe()) keys.stuck = nanoseconds(static_cast<std::int64_t>(random()));
  if (maybe()) keys.dither = number();
  if (maybe()) keys.spike = number();
  if (maybe()) keys.spike_window = 3 + static_cast<int>(random() % 61);
  if (maybe()) keys.spike_floor = number();
  if (maybe()) keys.period = nanoseconds(static_cast<std::int64_t>(random()));
  if (maybe()) keys.gap_factor = 1 + number();
  if (maybe()) keys.jitter = number();
  if (maybe()) keys.flat_after_gap = maybe();
  if (maybe()) keys.clock_ahead = nanoseconds(static_cast<std::int64_t>(random()));
  if (maybe()) keys.clock_behind = Duration{};
  if (maybe()) keys.unit = {{-number(), number()}, {{number() + 1, -number()}}};
  return keys;
}

}  // namespace

TEST_SUITE("node/quality_rule") {
  TEST_CASE("a twin wins over its type and a type over its ancestor and its range key by key") {
    RuleBook book;
    REQUIRE(read_rule_file(R"toml(
      [quality."dtmi:t:Device;1".pm25]
      stuck = "9h"
      dither = 0.5
      rate_per_second = 7
      [quality."dtmi:t:Monitor;1".pm25]
      range = [0, 900]
      stuck = "6h"
      unit = { expected = [-30, 45], own = "degreeCelsius", others = ["kelvin"] }
      [quality.twin."monitor-1".pm25]
      stuck = "0s"
      flat_after_gap = true
      [quality.twin."monitor-2".no2]
      stuck = "1s"
    )toml",
                           "quality.toml", book)
                .has_value());
    const Rule one = rule_of(book, "monitor-1");
    CHECK(*one.range == Range{0, 900});
    CHECK(one.stuck.ns == 0);
    CHECK(one.flat_after_gap);
    CHECK(one.dither == 0.5);
    CHECK(one.rate_per_second == 7);
    CHECK(one.other_units == std::vector<Conversion>{{1, 273.15}});
    CHECK(one.clock_ahead == minutes(5));
    CHECK(one.clock_behind.ns == 0);
    const Rule two = rule_of(book, "monitor-2");
    CHECK(two.stuck == hours(6));
    CHECK_FALSE(two.flat_after_gap);
    CHECK(*rule_of(RuleBook(), "monitor-1").range == Range{0, 500});
    CHECK(book.for_types().size() == 2);
  }

  TEST_CASE("an export's valid range counts where neither type nor rules give one") {
    const auto declared = [](const std::string& type, const std::string& valid) {
      return "[domain.air]\nunit = \"twin\"\nblock = \"1d\"\nzone = \"UTC\"\nepsilon = 8\n"
             "delta = 1e-6\n[export.x" +
             std::to_string(std::hash<std::string>()(type + valid)) +
             "]\ndomain = \"air\"\ntype = \"" + type + "\"\nunits = 5\n" +
             "measures.pm25 = { mean = [0, 200]" + valid + " }\n";
    };
    auto type = monitor();
    type.signals[0].range.reset();
    const auto range_of = [&](const Declarations& all) {
      return all.quality.rule_for(type, type.signals[0], "a").range;
    };
    const std::string own = "dtmi:t:Monitor;1", ancestor = "dtmi:t:Device;1";
    Declarations all;
    // The bounds clamp what partners are answered and judge no reading.
    REQUIRE(read_declarations(declared(own, ""), "a.toml", "main", all));
    CHECK_FALSE(range_of(all).has_value());
    REQUIRE(read_declarations(declared(ancestor, ", valid = [-5, 900]"), "b.toml", "main", all));
    CHECK(range_of(all) == Range{-5, 900});
    REQUIRE(read_declarations(declared(own, ", valid = [0, 1000]"), "c.toml", "main", all));
    CHECK(range_of(all) == Range{0, 1000});
    const auto other = read_declarations(declared(own, ", valid = [0, 9]"), "d.toml", "main", all);
    REQUIRE_FALSE(other.has_value());
    CHECK(has(other.error().what, "disagree about what is valid for 'pm25'"));
    CHECK(range_of(all) == Range{0, 1000});
    const std::string rule = "[quality.\"dtmi:t:Device;1\".pm25]\nrange = [1, 2]\n";
    REQUIRE(read_declarations(rule, "e.toml", "main", all));
    CHECK(range_of(all) == Range{1, 2});
    // The type's own range wins over an export's.
    Declarations alone;
    REQUIRE(read_declarations(declared(own, ", valid = [0, 9]"), "a.toml", "main", alone));
    CHECK(rule_of(alone.quality, "a").range == Range{0, 500});
    CHECK(range_of(alone) == Range{0, 9});
  }

  TEST_CASE("a book takes the rules of another and keeps what exports gave it") {
    RuleBook served, read;
    RuleKeys low, high;
    low.range = Range{0, 10};
    high.range = Range{0, 20};
    REQUIRE(served.add_for_type("dtmi:t:Device;1", "pm25", low));
    REQUIRE(served.add_for_twin("m-1", "pm25", low));
    served.restart_at_blocks("dtmi:t:Monitor;1", "pm25", days(1), "UTC");
    REQUIRE(served.add_valid("dtmi:t:Monitor;1", "pm25", Range{0, 5}));
    REQUIRE(read.add_for_type("dtmi:t:Device;1", "pm25", high));
    REQUIRE(read.add_for_type("dtmi:t:Monitor;1", "pm25", low));
    read.restart_at_blocks("dtmi:t:Monitor;1", "pm25", hours(1), "UTC");
    CHECK_FALSE(read.same_exports(served));
    const RuleBook book = served.with_rules_of(read);
    CHECK(book.same_exports(served));
    CHECK(rule_of(book, "m-1").range == Range{0, 10});
    CHECK(rule_of(book, "m-1").restart == days(1));
    using Kind = RuleChange::Kind;
    CHECK(book.changes_from(served) ==
          std::vector<RuleChange>{{Kind::changed, false, "dtmi:t:Device;1", "pm25"},
                                  {Kind::added, false, "dtmi:t:Monitor;1", "pm25"},
                                  {Kind::removed, true, "m-1", "pm25"}});
    CHECK(book.changes_from(book).empty());
  }

  TEST_CASE("whatever is not understood is refused with file line and word") {
    const std::string type = "[quality.\"dtmi:t:Monitor;1\".pm25]\n";
    const auto bad = [&](const std::string& line, std::string_view word) {
      CAPTURE(line);
      const std::string what = refusal(type + line);
      CHECK_MESSAGE(has(what, "quality.toml:"), what);
      CHECK_MESSAGE(has(what, word), what);
    };
    bad("rang = [0, 1]", "rang' is not known");
    bad("range = [1, 0]", "range");
    bad("range = [0]", "range");
    bad("range = [0, inf]", "range");
    bad("range = 3", "range");
    bad("rate_per_second = -1", "rate_per_second");
    bad("rate_per_second = \"1\"", "rate_per_second");
    bad("stuck = 3", "stuck");
    bad("stuck = \"3 parsecs\"", "stuck");
    bad("spike_window = 2", "spike_window");
    bad("spike_window = 64", "spike_window");
    bad("gap_factor = 0.5", "gap_factor");
    bad("flat_after_gap = \"yes\"", "flat_after_gap");
    bad("unit = { own = \"kelvin\", others = [\"degreeCelsius\"] }", "expected");
    bad("unit = { expected = [0, 1] }", "unit");
    bad("unit = { expected = [0, 1], factor = 0 }", "factor");
    bad("unit = { expected = [0, 1], factor = 2, own = \"kelvin\" }", "factor");
    bad("unit = { expected = [0, 1], own = \"kelvin\", others = [\"bar\"] }", "others");
    bad("unit = { expected = [0, 1], factor = 2, of = 1 }", "of");
    CHECK(has(refusal(type + "range = [0, 1]\nstuk = \"1h\""), "quality.toml:3"));
    CHECK(has(refusal("[quality]\ntwin = 3"), "quality.toml:2"));
    CHECK(has(refusal("[quality]\nx = 3"), "quality.toml:2"));
    CHECK(has(refusal("[quality.x]\ny = 3"), "quality.toml:2"));
    CHECK(has(refusal("[qualty.x.y]\n"), "qualty"));
    CHECK(has(refusal("[quality"), "quality.toml:1"));
  }

  TEST_CASE("keys written out are read back as they were") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      const RuleKeys keys = random_keys(random);
      const std::string text = rule_header_for_twin("a \"b\\", "x y") + rule_text(keys);
      CAPTURE(text);
      RuleBook book;
      REQUIRE(read_rule_file(text, "q.toml", book).has_value());
      ResolvedType type;
      Signal signal;
      signal.name = "x y";
      Rule expected;
      keys.apply_to(expected);
      CHECK(book.rule_for(type, signal, "a \"b\\") == expected);
    }
  }

  TEST_CASE("rules stand in provision.d beside declarations and twice is a conflict") {
    const std::string text = "[quality.\"dtmi:t:Monitor;1\".pm25]\nrange = [0, 7]\n";
    Declarations all;
    REQUIRE(read_declarations(text, "a.toml", "main", all).has_value());
    CHECK(rule_of(all.quality, "x").range->maximum == 7);
    const auto again = read_declarations(text, "b.toml", "main", all);
    REQUIRE_FALSE(again.has_value());
    CHECK(has(again.error().what, "b.toml:1"));
    CHECK(has(again.error().what, "twice"));
    const auto wrong = read_declarations("[quality.a.b]\nz = 1\n", "c.toml", "main", all);
    REQUIRE_FALSE(wrong.has_value());
    CHECK(has(wrong.error().what, "c.toml:2"));
    test::TemporaryFolder folder;
    CHECK(load_rule_file(folder / "none.toml", all.quality).has_value());
  }
}

}  // namespace entente::node
