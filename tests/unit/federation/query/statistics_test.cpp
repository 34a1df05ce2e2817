// Sensitivities and charges by brute force: what one unit's readings in one block really move.
#include "federation/query/statistics.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "federation/query/price.h"
#include "federation/query/release.h"
#include "schemas/base/zone.h"
#include "security/privacy/noise.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

Item item_of(Aggregate aggregate, std::optional<std::uint16_t> column = {}) {
  Item item;
  item.aggregate = aggregate;
  item.column = column;
  if (aggregate == Aggregate::share) item.predicate = {Compare{0, Comparison::greater, 50}};
  return item;
}

// One day, one cell, mean(pm25) within 0 and 200 unless changed.
struct Plain {
  ExportView view;
  Question question;
  Plain() {
    view.cells = {{{}, 50}};
    question.columns = {{"pm25", Reducer::mean, 0, 200, {}}};
    question.items = {item_of(Aggregate::mean, 0)};
    question.groups = {{{}, {0}}};
    question.window = {*parse_instant("2015-08-23"), *parse_instant("2015-08-24")};
    question.rho_per_block = std::uint64_t{1} << 38;
  }
};

std::int64_t distance(std::int64_t a, std::int64_t b) {
  return a > b ? a - b : b - a;
}

TimeWindow block_of(const ExportView& view, Instant start) {
  if (view.block.ns == 0) return {{INT64_MIN}, {INT64_MAX}};
  return {start, step_end(start, view.block, view.zone)};
}

// The squared distance, in L2, of one statistic of one cell between two exact answers.
long double squared_distance(const Price& price, std::size_t statistic,
                             const std::vector<std::int64_t>& a,
                             const std::vector<std::int64_t>& b) {
  std::size_t begin = 0;
  for (std::size_t s = 0; s < statistic; ++s) begin += price.layout[s].width;
  long double sum = 0;
  for (std::size_t i = begin; i < begin + price.layout[statistic].width; ++i) {
    const auto delta = static_cast<long double>(distance(a[i], b[i]));
    sum += delta * delta;
  }
  return sum;
}

// sum of (Delta / sigma)^2 / 2 between two exact answers.
long double rho_between(const Price& price, const ExactVectors& a, const ExactVectors& b) {
  long double rho = 0;
  for (std::size_t cell = 0; cell < a.cells.size(); ++cell) {
    for (std::size_t s = 0; s < price.layout.size(); ++s) {
      rho += squared_distance(price, s, a.cells[cell], b.cells[cell]) /
             (2 * static_cast<long double>(price.layout[s].variance));
    }
  }
  return rho;
}

// Variances are rounded up to the grid of powers of the fourth root of two.
constexpr long double kGrid = 1.18920712L;

// At or above what was asked for, within one step of the grid.
bool rounded_up(double variance, double asked) {
  return variance >= asked * (1 - 1e-5) &&
         variance <= asked * static_cast<double>(kGrid) * (1 + 1e-5);
}

// How often a statistic moved by more than it may, and the largest share of a charge that was used.
struct Findings {
  int moved_too_far = 0;
  int straddling = 0;
  int more_than_charged = 0;
  long double most_used_inside = 0;
  long double most_used_straddling = 0;
};

struct Trial {
  const World& world;
  const Price& price;
  const ExactVectors& all;
};

void compare(const Trial& trial, const BlockAmount& charge, const ExactVectors& without,
             Findings& findings) {
  const Question& question = trial.world.question;
  const TimeWindow block = block_of(trial.world.view, charge.start);
  bool straddles = false;
  for (std::size_t cell = 0; cell < without.cells.size(); ++cell) {
    const TimeWindow tick = question.tick(cell % question.tick_count());
    const bool inside = block.from <= tick.from && tick.to <= block.to;
    straddles = straddles || (!inside && tick.overlaps(block));
    const std::int64_t times = inside ? 1 : tick.overlaps(block) ? 2 : 0;
    for (std::size_t s = 0; s < trial.price.layout.size(); ++s) {
      const auto most = static_cast<long double>(times * trial.price.layout[s].bound());
      if (squared_distance(trial.price, s, trial.all.cells[cell], without.cells[cell]) >
          most * most) {
        ++findings.moved_too_far;
      }
    }
  }
  const long double used = rho_between(trial.price, trial.all, without) /
                           std::ldexp(static_cast<long double>(charge.rho.units), -40);
  if (used > 1) ++findings.more_than_charged;
  findings.straddling += straddles ? 1 : 0;
  long double& most = straddles ? findings.most_used_straddling : findings.most_used_inside;
  most = std::max(most, used);
}

// Every unit loses its readings in every block charged, one after the other.
void examine(const World& world, bool doubled, Findings& findings) {
  const auto price = price_of(world.question, world.view);
  if (!price) {
    CHECK(price.error().code == ErrorCode::epsilon_refused);
    return;
  }
  const auto exact = [&](FoldedTable table) {
    const std::size_t units = table.units.size();
    // The fault to be caught: a unit that contributes twice.
    if (doubled)
      for (std::size_t u = 0; u < units; ++u) table.units.push_back(table.units[u]);
    return *aggregate(world.question, world.view, *price, table);
  };
  const ExactVectors all = exact(fold(world));
  for (std::size_t u = 0; u < world.units.size(); ++u) {
    for (const BlockAmount& charge : price->charges) {
      const Without without{u, block_of(world.view, charge.start)};
      compare({world, *price, all}, charge, exact(fold(world, &without)), findings);
    }
    if (price->charges.size() > 1) continue;
    // Within one block the unit itself may as well not exist.
    FoldedTable table = fold(world);
    table.units.erase(table.units.begin() + static_cast<std::ptrdiff_t>(u));
    compare({world, *price, all}, price->charges[0], exact(table), findings);
  }
}

// The fault to be caught: a value that begins where the cell before it ended.
FoldedTable looking_back(FoldedTable table) {
  for (FoldedUnit& unit : table.units) {
    for (std::size_t i = unit.values.size(); i-- > table.columns;) {
      const double before = unit.values[i - table.columns];
      if (!std::isnan(before)) unit.values[i] -= before;
    }
  }
  return table;
}

// Other values for one unit's readings in a block, and some readings more or fewer.
void change_block(Random& random, World& world, std::size_t unit, TimeWindow block) {
  for (std::size_t c = 0; c < world.question.columns.size(); ++c) {
    const Column& column = world.question.columns[c];
    std::vector<Reading> changed;
    for (Reading reading : world.units[unit].signals[c]) {
      if (!block.contains(reading.time)) {
        changed.push_back(reading);
        continue;
      }
      if (random.below(4) == 0) continue;
      reading.value = uniform(random, column.lower - 100, column.upper + 100);
      changed.push_back(reading);
      const Instant later = reading.time + minutes(20);
      if (random.below(4) == 0 && block.contains(later)) changed.push_back({later, reading.value});
    }
    world.units[unit].signals[c] = std::move(changed);
  }
}

struct Moves {
  int elsewhere = 0;  // integers of other blocks' cells and other groups'
  int too_far = 0;    // statistics moved by more than a replaced value may
  int moved = 0;      // statistics moved at all
};

// One unit's readings of one block are changed in many worlds.
template <class Folding>
Moves change_blocks(const Folding& folding) {
  Moves moves;
  for (std::uint32_t seed = 0; seed < 600; ++seed) {
    SeededRandom random(seed);
    World world = random_world(random);
    const auto price = price_of(world.question, world.view);
    if (!price) continue;
    const Question& question = world.question;
    const auto exact = [&] {
      return *aggregate(question, world.view, *price, folding(fold(world)));
    };
    const ExactVectors before = exact();
    const std::size_t unit = random.below(world.units.size());
    const TimeWindow block =
        block_of(world.view, price->charges[random.below(price->charges.size())].start);
    change_block(random, world, unit, block);
    const ExactVectors after = exact();
    for (std::size_t cell = 0; cell < before.cells.size(); ++cell) {
      const auto& cells = question.groups[cell / question.tick_count()].cells;
      const bool own = std::find(cells.begin(), cells.end(), world.units[unit].cell) != cells.end();
      if (!own || !question.tick(cell % question.tick_count()).overlaps(block)) {
        moves.elsewhere += before.cells[cell] == after.cells[cell] ? 0 : 1;
        continue;
      }
      for (std::size_t s = 0; s < price->layout.size(); ++s) {
        const long double distance =
            squared_distance(*price, s, before.cells[cell], after.cells[cell]);
        const auto most = static_cast<long double>(2 * price->layout[s].bound());
        moves.too_far += distance > most * most ? 1 : 0;
        moves.moved += distance > 0 ? 1 : 0;
      }
    }
  }
  return moves;
}

}  // namespace

TEST_SUITE("query/statistics") {
  TEST_CASE("one unit's readings of one block move nothing but that block's cells of its group") {
    const Moves moves = change_blocks([](FoldedTable table) { return table; });
    CHECK(moves.elsewhere == 0);
    CHECK(moves.too_far == 0);
    CHECK(moves.moved > 500);
  }

  TEST_CASE("a fold that looks before its cell is caught") {
    CHECK(change_blocks(looking_back).elsewhere > 3);
  }

  TEST_CASE("no unit's block moves a statistic or costs more than stated, and some reach it") {
    Findings findings;
    for (std::uint32_t seed = 0; seed < 1'500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      examine(random_world(random), false, findings);
      REQUIRE(findings.moved_too_far == 0);
      REQUIRE(findings.more_than_charged == 0);
    }
    CHECK(findings.straddling > 500);
    // The charges are not merely generous.
    CHECK(findings.most_used_inside > 0.99L);
    CHECK(findings.most_used_straddling > 0.5L / kGrid);
  }

  TEST_CASE("a unit that contributes twice is caught") {
    Findings findings;
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      SeededRandom random(seed);
      examine(random_world(random), true, findings);
    }
    CHECK(findings.moved_too_far > 20);
    CHECK(findings.more_than_charged > 20);
    CHECK(findings.most_used_inside > 3.9L / kGrid);
  }

  TEST_CASE("items become coordinates in their order") {
    Plain plain;
    plain.question.columns.push_back({"wind", Reducer::max, -20, 50, {}});
    plain.question.items = {item_of(Aggregate::count), item_of(Aggregate::share),
                            item_of(Aggregate::sum, 1), item_of(Aggregate::mean, 1)};
    plain.question.items.push_back(item_of(Aggregate::count));
    plain.question.items.back().predicate = {Compare{0, Comparison::less, 1}};
    const auto layout = lay_out(plain.question, plain.view);
    REQUIRE(layout);
    using K = StatisticKind;
    const std::pair<std::size_t, K> expected[] = {
        {0, K::members},     {1, K::satisfying}, {1, K::decided},   {2, K::sum},
        {3, K::centred_sum}, {3, K::present},    {4, K::satisfying}};
    REQUIRE(layout->size() == std::size(expected));
    for (std::size_t s = 0; s < layout->size(); ++s) {
      CHECK((*layout)[s].items.front() == expected[s].first);
      CHECK((*layout)[s].kind == expected[s].second);
    }
    CHECK((*layout)[3].lattice.centre() == 0);
    CHECK((*layout)[4].lattice.centre() == 15);
    CHECK((*layout)[4].column == 1);
  }

  TEST_CASE("the coordinates share one charge equally, and noise is at least 2^10 steps wide") {
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto layout = lay_out(world.question, world.view);
      if (!layout) continue;
      const auto blocks = weigh(world.question, world.view);
      REQUIRE(blocks);
      const long double share =
          std::ldexp(static_cast<long double>(world.question.rho_per_block), -40) /
          static_cast<long double>(layout->size() * heaviest(*blocks));
      for (const StatisticLayout& one : *layout) {
        CHECK(one.variance >= std::uint64_t{1} << 20);
        CHECK(one.variance <= security::kVarianceMost);
        const auto bound = static_cast<long double>(one.bound());
        const long double rho = bound * bound / (2 * static_cast<long double>(one.variance));
        CHECK(rho <= share);
        CHECK(rho >= share / kGrid * (1 - 0x1p-19L));
      }
    }
  }

  TEST_CASE("asker and site lay out the same, and more charge never means more noise") {
    const Plain plain;
    const auto one = lay_out(plain.question, plain.view), two = lay_out(plain.question, plain.view);
    REQUIRE(one);
    CHECK((*one)[0].variance == (*two)[0].variance);
    CHECK((*one)[0].lattice.exponent() == (*two)[0].lattice.exponent());
    double before = INFINITY;
    for (int power = 20; power < 50; ++power) {
      Plain richer;
      richer.question.rho_per_block = std::uint64_t{1} << power;
      const auto layout = lay_out(richer.question, richer.view);
      REQUIRE(layout);
      const double sigma = std::ldexp(std::sqrt(static_cast<double>((*layout)[0].variance)),
                                      (*layout)[0].lattice.exponent());
      CHECK(sigma < before);
      // sigma = 100 sqrt(2 / (2 rho))
      const double asked = 100 * std::sqrt(std::ldexp(1.0, 40 - power));
      CHECK(rounded_up(sigma * sigma, asked * asked));
      before = sigma;
    }
  }

  TEST_CASE("questions whose noise or sums cannot be counted are refused") {
    const auto code_of = [](const Plain& plain) {
      const auto layout = lay_out(plain.question, plain.view);
      return layout ? std::string("answered") : std::string(code_name(layout.error().code));
    };
    CHECK(code_of({}) == "answered");
    Plain nothing;
    nothing.question.rho_per_block = 0;
    CHECK(code_of(nothing) == "epsilon_refused");
    Plain tiny;
    tiny.question.rho_per_block = 1;
    CHECK(code_of(tiny) == "epsilon_refused");
    for (const Aggregate aggregate :
         {Aggregate::mean, Aggregate::variance, Aggregate::stddev, Aggregate::min, Aggregate::max,
          Aggregate::median, Aggregate::quantile}) {
      CAPTURE(to_text(aggregate));
      Plain fine;
      fine.question.items = {item_of(aggregate, 0)};
      if (is_rank(aggregate)) {
        CHECK(code_of(fine) == "shape_refused");  // no height
        fine.question.tree_height = 3;
      }
      CHECK(code_of(fine) == "answered");
      Plain endless = fine;
      endless.question.columns[0].upper = INFINITY;
      CHECK(code_of(endless) == "shape_refused");
      Plain widest = fine;
      widest.question.columns[0].lower = -1.7e308;
      widest.question.columns[0].upper = 1.7e308;
      CHECK(code_of(widest) == "shape_refused");
      Plain empty = fine;
      empty.question.columns[0].upper = 0;
      CHECK(code_of(empty) == "shape_refused");
    }
    // Too close together for 4,096 parts that a double tells apart.
    Plain close;
    close.question.items = {item_of(Aggregate::median, 0)};
    close.question.tree_height = 3;
    close.question.columns[0].lower = 1;
    close.question.columns[0].upper = 1 + 0x1p-45;
    CHECK(code_of(close) == "shape_refused");
    Plain long_window;
    long_window.question.window.to = long_window.question.window.from + days(401);
    CHECK(code_of(long_window) == "shape_refused");
  }

  TEST_CASE("the finest steps and the most units there are do not overflow a sum") {
    Plain plain;
    plain.question.rho_per_block = UINT64_MAX;
    plain.view.cells[0].units = UINT32_MAX;
    const auto layout = lay_out(plain.question, plain.view);
    REQUIRE(layout);
    for (const StatisticLayout& one : *layout) CHECK(one.bound() < std::int64_t{1} << 29);
  }

  TEST_CASE("what several items read is there once and all of them share one charge") {
    using K = StatisticKind;
    const auto kinds = [](const Question& question) {
      std::vector<K> found;
      for (const StatisticShape& shape : shapes_of(question)) found.push_back(shape.kind);
      return found;
    };
    Plain plain;
    plain.question.items = {item_of(Aggregate::mean, 0), item_of(Aggregate::variance, 0),
                            item_of(Aggregate::stddev, 0), item_of(Aggregate::count),
                            item_of(Aggregate::count)};
    CHECK(kinds(plain.question) == std::vector{K::centred_sum, K::present, K::squares, K::members});
    CHECK(shapes_of(plain.question)[0].items == std::vector<std::size_t>{0, 1, 2});
    CHECK(shapes_of(plain.question)[2].items == std::vector<std::size_t>{1, 2});
    const auto layout = lay_out(plain.question, plain.view);
    REQUIRE(layout);
    // sigma^2 = Delta^2 4 / (2 rho) with rho = 1/4.
    for (const StatisticLayout& one : *layout) {
      const auto bound = static_cast<double>(one.bound());
      CHECK(rounded_up(static_cast<double>(one.variance), bound * bound * 8));
    }
    // Another column, condition or set of edges is another statistic.
    plain.question.columns.push_back({"wind", Reducer::mean, 0, 10, {}});
    plain.question.items = {item_of(Aggregate::mean, 0), item_of(Aggregate::mean, 1)};
    CHECK(kinds(plain.question).size() == 4);
    plain.question.items = {item_of(Aggregate::share), item_of(Aggregate::count)};
    plain.question.items[1].predicate = plain.question.items[0].predicate;
    CHECK(kinds(plain.question) == std::vector{K::satisfying, K::decided});
    plain.question.items[1].predicate = {Compare{0, Comparison::greater, 51}};
    CHECK(kinds(plain.question).size() == 3);
    plain.question.items.assign(2, item_of(Aggregate::histogram, 0));
    plain.question.items[0].edges = plain.question.items[1].edges = {0, 1, 2};
    CHECK(kinds(plain.question) == std::vector{K::bins});
    CHECK(shapes_of(plain.question)[0].width == 2);
    plain.question.items[1].edges[2] = 3;
    CHECK(kinds(plain.question).size() == 2);
  }

  TEST_CASE("median and quantiles and extremes of one column share one tree of height / (2 rho)") {
    Plain plain;
    plain.question.items = {item_of(Aggregate::median, 0), item_of(Aggregate::min, 0),
                            item_of(Aggregate::max, 0), item_of(Aggregate::quantile, 0)};
    for (std::uint8_t height = 1; height <= kTreeHeightMost; ++height) {
      plain.question.tree_height = height;
      const auto layout = lay_out(plain.question, plain.view);
      REQUIRE(layout);
      REQUIRE(layout->size() == height);
      std::uint32_t nodes = 16;
      for (const StatisticLayout& level : *layout) {
        CHECK(level.width == nodes);
        nodes *= 16;
        const auto one = static_cast<double>(level.lattice.bound());
        // rho = 1/4 on one block: h / (2 rho) = 2 h.
        CHECK(rounded_up(static_cast<double>(level.variance), one * one * 2 * height));
      }
    }
    plain.question.columns.push_back({"wind", Reducer::mean, 0, 10, {}});
    plain.question.items.push_back(item_of(Aggregate::median, 1));
    plain.question.tree_height = 2;
    CHECK(shapes_of(plain.question).size() == 4);
    CHECK(integers_of(shapes_of(plain.question)) == 2 * 272);
  }

  TEST_CASE("squares are as fine as their noise allows at every charge there is") {
    Plain plain;
    plain.question.items = {item_of(Aggregate::variance, 0)};
    int answered = 0;
    for (int power = 8; power < 64; ++power) {
      CAPTURE(power);
      plain.question.rho_per_block = std::uint64_t{1} << power;
      const auto layout = lay_out(plain.question, plain.view);
      if (!layout) {
        CHECK(layout.error().code == ErrorCode::epsilon_refused);
        continue;
      }
      ++answered;
      const StatisticLayout& squares = (*layout)[2];
      const std::int64_t most = squares.lattice.bound();
      CHECK(squares.bound() == (most * most + 1) / 2);
      CHECK(squares.exponent() == 2 * squares.lattice.exponent());
      CHECK(squares.variance >= std::uint64_t{1} << 38);
      CHECK(squares.variance <= security::kVarianceMost);
      const double sigma =
          std::ldexp(std::sqrt(static_cast<double>(squares.variance)), squares.exponent());
      // 100^2 / 2 sqrt(3 / (2 rho)), W rounded up to a whole step.
      const double least = 5'000 * std::sqrt(1.5 * std::ldexp(1.0, 40 - power));
      CHECK(sigma >= least * (1 - 1e-9));
      CHECK(sigma <= least * std::pow(1 + 1 / static_cast<double>(most), 2) * (1 + 1e-6) *
                         std::sqrt(static_cast<double>(kGrid)));
    }
    CHECK(answered > 45);
  }
}
