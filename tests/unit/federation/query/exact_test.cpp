#include "federation/query/exact.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "federation/query/release.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

constexpr Aggregate kAll[] = {Aggregate::count,    Aggregate::share,    Aggregate::sum,
                              Aggregate::mean,     Aggregate::variance, Aggregate::stddev,
                              Aggregate::min,      Aggregate::max,      Aggregate::median,
                              Aggregate::quantile, Aggregate::histogram};

// Every aggregate over one column, computed from its definition; the values are few.
std::vector<double> naive(const Item& item, const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto n = static_cast<long double>(values.size());
  long double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  std::multiset<double> sorted(values.begin(), values.end());
  const auto quantile = [&](double rank) {
    const long double h = (n - 1) * rank;
    const auto nth = [&](long double i) {
      return *std::next(sorted.begin(), static_cast<std::ptrdiff_t>(i));
    };
    return static_cast<double>(nth(std::floor(h)) +
                               (h - std::floor(h)) * (nth(std::ceil(h)) - nth(std::floor(h))));
  };
  switch (item.aggregate) {
    case Aggregate::count:
      return {static_cast<double>(n)};
    case Aggregate::sum:
      return {static_cast<double>(sum)};
    case Aggregate::mean:
      return {static_cast<double>(sum / n)};
    case Aggregate::variance:
      return {static_cast<double>(squares / n)};
    case Aggregate::stddev:
      return {static_cast<double>(std::sqrt(squares / n))};
    case Aggregate::min:
      return {*sorted.begin()};
    case Aggregate::max:
      return {*sorted.rbegin()};
    case Aggregate::median:
      return {quantile(0.5)};
    case Aggregate::quantile:
      return {quantile(item.rank)};
    case Aggregate::histogram:
      break;
    case Aggregate::share:
      return {};
  }
  std::vector<double> counts(item.edges.size() - 1, 0);
  for (const double v : values) {
    for (std::size_t b = 0; b < counts.size(); ++b) {
      const bool last = b + 1 == counts.size() && v == item.edges.back();
      if (item.edges[b] <= v && (v < item.edges[b + 1] || last)) counts[b] += 1;
    }
  }
  return counts;
}

bool in_group(const Question& question, std::uint32_t cell, const ExactRow& row) {
  for (std::size_t g = 0; g < question.groups.size(); ++g) {
    const auto& cells = question.groups[g].cells;
    if (std::find(cells.begin(), cells.end(), cell) == cells.end()) continue;
    return row.total || row.group == g;
  }
  return false;
}

std::vector<double> expected(const World& world, const FoldedTable& table, const ExactRow& row,
                             const Item& item) {
  std::vector<double> values;
  double members = 0, satisfying = 0, decided = 0;
  for (const FoldedUnit& unit : table.units) {
    if (!in_group(world.question, unit.cell, row)) continue;
    ++members;
    const double* own = &unit.values[row.tick * table.columns];
    if (!item.predicate.empty()) {
      const auto truth = holds(item.predicate, own);
      decided += truth ? 1 : 0;
      satisfying += truth && *truth ? 1 : 0;
    } else if (item.column && !std::isnan(own[*item.column])) {
      const Column& column = world.question.columns[*item.column];
      values.push_back(std::clamp(own[*item.column], column.lower, column.upper));
    }
  }
  if (item.aggregate == Aggregate::share) {
    return decided > 0 ? std::vector<double>{satisfying / decided} : std::vector<double>{};
  }
  if (!item.predicate.empty()) return {satisfying};
  if (!item.column) return {members};
  return naive(item, values);
}

// A question with every aggregate there is, over a random world.
World every_aggregate(Random& random) {
  World world = random_world(random);
  world.question.items.clear();
  for (const Aggregate aggregate : kAll) {
    Item item;
    item.aggregate = aggregate;
    if (aggregate == Aggregate::share) {
      item.predicate = random_predicate(random, world.question.columns);
    } else {
      item.column = static_cast<std::uint16_t>(random.below(world.question.columns.size()));
    }
    item.rank = uniform(random, 0, 1);
    if (aggregate == Aggregate::histogram) {
      const Column& column = world.question.columns[*item.column];
      for (int i = 0; i <= 4; ++i) {
        item.edges.push_back(column.lower + (column.upper - column.lower) * i / 4);
      }
    }
    world.question.items.push_back(std::move(item));
  }
  Item members, satisfying;
  satisfying.predicate = random_predicate(random, world.question.columns);
  world.question.items.push_back(members);
  world.question.items.push_back(satisfying);
  return world;
}

FoldedTable table_of(const std::vector<double>& values) {
  FoldedTable table{1, 1, {}};
  for (const double value : values) table.units.push_back({0, {value}});
  return table;
}

std::vector<double> ask(const Item& item, const std::vector<double>& values,
                        double lower = -1e9, double upper = 1e9) {
  ExportView view;
  view.cells = {{{}, 4}};
  Question question;
  question.columns = {{"s", Reducer::mean, lower, upper, {}}};
  question.items = {item};
  question.groups = {{{}, {0}}};
  question.window = {{0}, {1'000}};
  return blend_exact(question, view, table_of(values)).at(0).values.at(0);
}

}  // namespace

TEST_SUITE("query/exact") {
  TEST_CASE("every aggregate is that of its definition, for each group, tick and total") {
    int empty = 0, totals = 0;
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = every_aggregate(random);
      const FoldedTable table = fold(world);
      const auto rows = blend_exact(world.question, world.view, table);
      const std::size_t groups = world.question.groups.size();
      REQUIRE(rows.size() == (groups + (groups > 1 ? 1 : 0)) * table.ticks);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        CHECK(rows[r].tick == r % table.ticks);
        CHECK(rows[r].total == (r >= groups * table.ticks));
        totals += rows[r].total ? 1 : 0;
        for (std::size_t i = 0; i < world.question.items.size(); ++i) {
          CAPTURE(i);
          const auto own = expected(world, table, rows[r], world.question.items[i]);
          REQUIRE(rows[r].values[i].size() == own.size());
          empty += own.empty() ? 1 : 0;
          for (std::size_t v = 0; v < own.size(); ++v) {
            CHECK(rows[r].values[i][v] == doctest::Approx(own[v]).epsilon(1e-9));
          }
        }
      }
    }
    CHECK(empty > 50);
    CHECK(totals > 100);
  }

  TEST_CASE("quantiles interpolate as type 7, and a histogram's last bin holds its edge") {
    Item item;
    item.column = 0;
    item.aggregate = Aggregate::quantile;
    item.rank = 0.9;
    // R: quantile(c(1, 2, 4, 8), 0.9, type = 7) is 6.8.
    CHECK(ask(item, {8, 1, 4, 2})[0] == doctest::Approx(6.8));
    item.rank = 1;
    CHECK(ask(item, {8, 1, 4, 2})[0] == 8);
    item.rank = 0;
    CHECK(ask(item, {8, 1, 4, 2})[0] == 1);
    item.aggregate = Aggregate::histogram;
    item.edges = {0, 5, 10};
    CHECK(ask(item, {0, 5, 10, 4.999, 10.1, -0.1, kAbsent}) == std::vector<double>{2, 2});
  }

  TEST_CASE("values are limited to their column's bounds, as in a release") {
    Item item;
    item.column = 0;
    item.aggregate = Aggregate::mean;
    CHECK(ask(item, {-5, 2, 100}, 0, 10)[0] == 4);
    CHECK(ask(item, {-5, 2, 100})[0] == doctest::Approx(97.0 / 3));
  }

  TEST_CASE("values are not rounded, and the spread is the population's") {
    Item item;
    item.column = 0;
    item.aggregate = Aggregate::mean;
    CHECK(ask(item, {1'000, 2'000.5})[0] == 1'500.25);
    item.aggregate = Aggregate::variance;
    CHECK(ask(item, {1, 3})[0] == 1);
  }

  TEST_CASE("nobody's values are nothing, not zero") {
    for (const Aggregate aggregate : kAll) {
      if (aggregate == Aggregate::count || aggregate == Aggregate::share) continue;
      Item item;
      item.aggregate = aggregate;
      item.column = 0;
      item.rank = 0.5;
      item.edges = {0, 1};
      CHECK(ask(item, {}).empty());
      CHECK(ask(item, {kAbsent}).empty());
    }
    Item members;
    CHECK(ask(members, {kAbsent}) == std::vector<double>{1});
    CHECK(ask(members, {}) == std::vector<double>{0});
  }

  TEST_CASE("without noise a release says the same as the exact blend") {
    for (std::uint32_t seed = 0; seed < 200; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      const FoldedTable table = fold(world);
      const auto sums = aggregate(world.question, world.view, *price, table);
      REQUIRE(sums);
      const auto rows = blend_exact(world.question, world.view, table);
      for (std::size_t cell = 0; cell < sums->cells.size(); ++cell) {
        std::size_t begin = 0;
        for (const StatisticLayout& layout : price->layout) {
          const std::int64_t* first = &sums->cells[cell][begin];
          begin += layout.width;
          const auto& own = rows[cell].values[layout.items.front()];
          if (layout.kind == StatisticKind::bins) {
            for (std::size_t b = 0; b < own.size(); ++b) {
              CHECK(static_cast<double>(first[b]) == own[b] * static_cast<double>(layout.bound()));
            }
          }
          if (layout.kind != StatisticKind::sum && layout.kind != StatisticKind::members) continue;
          const double step = std::ldexp(1.0, layout.lattice.exponent());
          const double released = static_cast<double>(*first) * step;
          const double reach = static_cast<double>(layout.lattice.bound()) * step;
          CHECK(std::fabs(released - (own.empty() ? 0 : own[0])) <=
                step / 2 * static_cast<double>(world.units.size()) + 1e-9 * reach);
        }
      }
    }
  }
}
