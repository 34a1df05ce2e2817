// What one block of a privacy domain contributes depends on its own readings alone: verdicts that
// look back, and whatever is folded from the readings they let through.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "federation/query/fold.h"
#include "node/config/declarations.h"
#include "node/quality/series_judge.h"
#include "schemas/base/random.h"
#include "schemas/base/zone.h"

using namespace entente;
using namespace entente::node;

namespace {

struct Row {
  Instant time;
  double value = 0;
};

// Every rule that looks back, tight enough to fire often.
Rule nervous(Duration restart, const std::string& zone) {
  Rule rule;
  rule.range = Range{-50, 150};
  rule.rate_per_second = 0.01;
  rule.stuck = hours(2);
  rule.spike = 3;
  rule.spike_window = 5;
  rule.spike_floor = 0.5;
  rule.period = minutes(30);
  rule.flat_after_gap = true;
  rule.clock_ahead = {};
  rule.restart = restart;
  rule.zone = zone;
  return rule;
}

double any_value(Random& random) {
  const double values[] = {20, 20, 20, 21, 22, 90, 400, NAN};
  return values[random.below(8)] + static_cast<double>(random.below(3));
}

// Four days of readings, ascending, with gaps.
std::vector<Row> any_rows(Random& random) {
  std::vector<Row> rows;
  const Instant end = *parse_instant("2015-11-03T12:00:00Z");
  for (Instant at = *parse_instant("2015-10-30T05:00:00Z"); at < end;
       at = at + minutes(10 + static_cast<std::int64_t>(random.below(50)))) {
    if (random.below(40) == 0) at = at + hours(7);
    rows.push_back({at, any_value(random)});
  }
  return rows;
}

std::vector<Quality> judged(const Rule& rule, const std::vector<Row>& rows) {
  SeriesJudge judge(rule);
  std::vector<Quality> verdicts;
  for (const Row& row : rows) verdicts.push_back(judge.next(row.time, row.value, row.time).quality);
  return verdicts;
}

// The readings of one block removed, or changed in value.
std::vector<Row> changed(Random& random, std::vector<Row> rows, TimeWindow block) {
  if (random.below(2) == 0) {
    std::erase_if(rows, [&](const Row& row) { return block.contains(row.time); });
    return rows;
  }
  for (Row& row : rows) {
    if (block.contains(row.time)) row.value = any_value(random);
  }
  return rows;
}

// The verdicts outside the block, by time.
std::vector<std::pair<std::int64_t, Quality>> outside(const std::vector<Row>& rows,
                                                      const std::vector<Quality>& verdicts,
                                                      TimeWindow block) {
  std::vector<std::pair<std::int64_t, Quality>> rest;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (!block.contains(rows[i].time)) rest.emplace_back(rows[i].time.ns, verdicts[i]);
  }
  return rest;
}

// One value per reducer and tick of six hours, of the readings that are good.
std::vector<double> folded(const std::vector<Row>& rows, const std::vector<Quality>& verdicts,
                           TimeWindow without) {
  std::vector<double> values;
  for (int reducer = 0; reducer < 8; ++reducer) {
    Column column{"x", static_cast<Reducer>(reducer), 0, 100, {}};
    if (column.reducer == Reducer::duration) {
      column.predicate = {Compare{0, Comparison::greater, 20.5}};
    }
    for (int tick = 0; tick < 24; ++tick) {
      const Instant from = *parse_instant("2015-10-30T00:00:00Z") + hours(6) * tick;
      const TimeWindow window{from, from + hours(6)};
      if (window.overlaps(without)) continue;
      federation::Fold fold(column, window);
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (verdicts[i] == Quality::good) fold.add(rows[i].time, rows[i].value);
      }
      values.push_back(fold.value());
    }
  }
  return values;
}

bool same(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && !(std::isnan(a[i]) && std::isnan(b[i]))) return false;
  }
  return true;
}

struct Moved {
  int verdicts = 0;
  int values = 0;
  int worlds = 0;
};

Moved move_blocks(Duration restart) {
  Moved moved;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    const std::string zone = random.below(2) == 0 ? "UTC" : "America/Los_Angeles";
    const Duration block_length = random.below(2) == 0 ? days(1) : hours(6);
    const Rule rule = nervous(restart.ns == 0 ? Duration{} : block_length, zone);
    const std::vector<Row> rows = any_rows(random);
    const Instant inside = rows[random.below(rows.size())].time;
    const TimeWindow block{step_begin(inside, block_length, zone),
                           step_end(inside, block_length, zone)};
    const std::vector<Row> others = changed(random, rows, block);
    const auto before = judged(rule, rows), after = judged(rule, others);
    ++moved.worlds;
    moved.verdicts += outside(rows, before, block) == outside(others, after, block) ? 0 : 1;
    moved.values += same(folded(rows, before, block), folded(others, after, block)) ? 0 : 1;
  }
  return moved;
}

}  // namespace

TEST_SUITE("node/quality/block_restart") {
  TEST_CASE("no verdict and no folded value moves with the readings of another block") {
    const Moved moved = move_blocks(days(1));
    CHECK(moved.worlds == 300);
    CHECK(moved.verdicts == 0);
    CHECK(moved.values == 0);
  }

  TEST_CASE("rules that do not restart let a block's readings move those after it") {
    const Moved moved = move_blocks(Duration{});
    CHECK(moved.verdicts > 100);
    CHECK(moved.values > 50);
  }

  TEST_CASE("a rule looks back within its block and not beyond") {
    Rule rule;
    rule.rate_per_second = 0.001;
    rule.restart = days(1);
    const std::vector<Row> rows = {{*parse_instant("2015-08-22T22:00:00Z"), 10},
                                   {*parse_instant("2015-08-22T23:00:00Z"), 90},
                                   {*parse_instant("2015-08-23T00:00:00Z"), 10},
                                   {*parse_instant("2015-08-23T01:00:00Z"), 90}};
    using Q = Quality;
    CHECK(judged(rule, rows) ==
          std::vector{Q::good, Q::rate_of_change, Q::good, Q::rate_of_change});
    rule.restart = {};
    CHECK(judged(rule, rows) ==
          std::vector{Q::good, Q::rate_of_change, Q::rate_of_change, Q::rate_of_change});
  }

  TEST_CASE("signals that a domain offers restart at its blocks and others do not") {
    Declarations declared;
    const auto read = read_declarations(R"(
[domain.air]
block = "1d"
zone = "America/Los_Angeles"
epsilon = 8
delta = 1e-6
[export.air]
domain = "air"
type = "dtmi:example:Monitor;1"
tick = "1h"
keys.state = ["WA"]
units = { "WA" = 20 }
measures.pm25 = { unit = "ug/m3", default = "mean", mean = [0, 200] }
)",
                                        "air.toml", "main", declared);
    if (!read) FAIL(read.error().what);
    ResolvedType type;
    type.id = "dtmi:example:NewMonitor;1";
    type.ancestors = {"dtmi:example:Monitor;1", type.id};
    Signal offered, other;
    offered.name = "pm25";
    other.name = "battery";
    const Rule rule = declared.quality.rule_for(type, offered, "m1");
    CHECK(rule.restart == days(1));
    CHECK(rule.zone == "America/Los_Angeles");
    CHECK(declared.quality.rule_for(type, other, "m1").restart.ns == 0);
  }
}
