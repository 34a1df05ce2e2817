// Sensitivities and charges by brute force: what one unit's readings in one block really move.
#include "federation/query/statistics.h"

#include <doctest/doctest.h>

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

// sum of (Delta / sigma)^2 / 2 between two exact answers.
long double rho_between(const Price& price, const ExactVectors& a, const ExactVectors& b) {
  long double rho = 0;
  for (std::size_t cell = 0; cell < a.cells.size(); ++cell) {
    for (std::size_t s = 0; s < price.layout.size(); ++s) {
      const auto delta = static_cast<long double>(distance(a.cells[cell][s], b.cells[cell][s]));
      rho += delta * delta / (2 * static_cast<long double>(price.layout[s].variance));
    }
  }
  return rho;
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
      const std::int64_t most = times * trial.price.layout[s].lattice.bound();
      if (distance(trial.all.cells[cell][s], without.cells[cell][s]) > most) {
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

}  // namespace

TEST_SUITE("query/statistics") {
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
    CHECK(findings.most_used_straddling > 0.5L);
  }

  TEST_CASE("a unit that contributes twice is caught") {
    Findings findings;
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      SeededRandom random(seed);
      examine(random_world(random), true, findings);
    }
    CHECK(findings.moved_too_far > 20);
    CHECK(findings.more_than_charged > 20);
    CHECK(findings.most_used_inside > 3.9L);
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
      CHECK((*layout)[s].item == expected[s].first);
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
        const auto bound = static_cast<long double>(one.lattice.bound());
        const long double rho = bound * bound / (2 * static_cast<long double>(one.variance));
        CHECK(rho <= share);
        CHECK(rho >= share * (1 - 0x1p-19L));
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
      CHECK(sigma == doctest::Approx(100 * std::sqrt(std::ldexp(1.0, 40 - power))).epsilon(1e-5));
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
         {Aggregate::variance, Aggregate::stddev, Aggregate::min, Aggregate::max, Aggregate::median,
          Aggregate::quantile, Aggregate::histogram}) {
      Plain later;
      later.question.items = {item_of(aggregate, 0)};
      CHECK(code_of(later) == "query_unsupported");
    }
    Plain endless;
    endless.question.columns[0].upper = INFINITY;
    CHECK(code_of(endless) == "shape_refused");
    Plain widest;
    widest.question.columns[0].lower = -1.7e308;
    widest.question.columns[0].upper = 1.7e308;
    CHECK(code_of(widest) == "shape_refused");
    Plain empty;
    empty.question.columns[0].upper = 0;
    CHECK(code_of(empty) == "shape_refused");
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
    for (const StatisticLayout& one : *layout) CHECK(one.lattice.bound() < std::int64_t{1} << 29);
  }
}
