#include "federation/query/release.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "tests/support/noise_checks.h"
#include "tests/support/question_cases.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

Compare greater(std::uint16_t column, double constant) {
  return {column, Comparison::greater, constant};
}

// Hands out 1, 2, 3, … and remembers what it was asked for.
class CountingNoise final : public security::NoiseSource {
 public:
  std::int64_t gaussian(std::uint64_t variance) override {
    variances.push_back(variance);
    return static_cast<std::int64_t>(variances.size());
  }
  std::int64_t laplace(std::uint64_t) override { std::abort(); }
  std::vector<std::uint64_t> variances;
};

// Two signals over three counties, of which the last is in no group.
struct Fixture {
  ExportView view;
  Question question;
  FoldedTable folded;
  Fixture() {
    view.keys = {"county"};
    view.cells = {{{"a"}, 2}, {{"b"}, 2}, {{"c"}, 2}};
    question.columns = {{"pm25", Reducer::mean, 0, 200, {}}, {"wind", Reducer::mean, -10, 30, {}}};
    question.groups = {{{"a"}, {0}}, {{"b"}, {1}}};
    question.window = {*parse_instant("2015-08-23"), *parse_instant("2015-08-24")};
    question.every = hours(12);
    question.rho_per_block = std::uint64_t{1} << 39;
    folded = {2, 2, {}};
  }
  void ask(Aggregate aggregate, std::optional<std::uint16_t> column, Predicate predicate = {}) {
    Item item;
    item.aggregate = aggregate;
    item.column = column;
    item.predicate = std::move(predicate);
    question.items.push_back(std::move(item));
  }
  Price price() const { return *price_of(question, view); }
  // Back in units of measure: rows by group and tick.
  std::vector<std::vector<double>> values() const {
    const Price priced = price();
    const auto exact = aggregate(question, view, priced, folded);
    REQUIRE(exact);
    std::vector<std::vector<double>> rows;
    for (const auto& cell : exact->cells) {
      rows.emplace_back();
      for (const StatisticLayout& layout : priced.layout) {
        for (std::uint32_t i = 0; i < layout.width; ++i) {
          rows.back().push_back(
              std::ldexp(static_cast<double>(cell.at(rows.back().size())), layout.exponent()));
        }
      }
      REQUIRE(rows.back().size() == cell.size());
    }
    return rows;
  }
};

}  // namespace

TEST_SUITE("query/release") {
  TEST_CASE("each unit adds its clamped value once to its group and tick") {
    Fixture fixture;
    fixture.ask(Aggregate::count, {});
    fixture.ask(Aggregate::sum, 0);
    fixture.ask(Aggregate::mean, 1);
    fixture.folded.units = {{0, {10, 0, 20, 30}},
                            {0, {500, 10, -7, 10}},  // clamped to 200 and 0
                            {1, {1, -10, 2, 90}},    // clamped to 30
                            {2, {99, 9, 99, 9}}};    // in no group
    const auto rows = fixture.values();
    // members, sum(pm25), sum(wind - 10), present(wind)
    REQUIRE(rows.size() == 4);
    CHECK(rows[0] == std::vector<double>{2, 210, -10, 2});
    CHECK(rows[1] == std::vector<double>{2, 20, 20, 2});
    CHECK(rows[2] == std::vector<double>{1, 1, -20, 1});
    CHECK(rows[3] == std::vector<double>{1, 2, 20, 1});
  }

  TEST_CASE("a unit without a value is a member but absent from the statistic") {
    Fixture fixture;
    fixture.ask(Aggregate::count, {});
    fixture.ask(Aggregate::sum, 0);
    fixture.ask(Aggregate::mean, 0);
    fixture.ask(Aggregate::share, {}, {greater(0, 50)});
    fixture.ask(Aggregate::count, {}, {greater(0, 50)});
    fixture.folded.units = {{0, {60, 0, kAbsent, 0}}, {0, {kAbsent, 0, kAbsent, 0}}};
    const auto rows = fixture.values();
    // members, sum, centred sum, present, satisfying, decided
    CHECK(rows[0] == std::vector<double>{2, 60, -40, 1, 1, 1});
    CHECK(rows[1] == std::vector<double>{2, 0, 0, 0, 0, 0});
    CHECK(rows[2] == std::vector<double>{0, 0, 0, 0, 0, 0});
  }

  TEST_CASE("a variance adds squares of distances from the middle less half of the largest") {
    Fixture fixture;
    fixture.ask(Aggregate::variance, 0);
    fixture.folded.units = {{0, {100, 0, 0, 0}},        // 0, then 100^2
                            {0, {kAbsent, 0, 999, 0}},  // absent, then clamped to 200
                            {1, {150, 0, kAbsent, 0}}};
    const auto rows = fixture.values();
    // centred sum, present, squares less 5,000 each
    CHECK(rows[0] == std::vector<double>{0, 1, -5'000});
    CHECK(rows[1] == std::vector<double>{0, 2, 10'000});
    CHECK(rows[2] == std::vector<double>{50, 1, -2'500});
    CHECK(rows[3] == std::vector<double>{0, 0, 0});
  }

  TEST_CASE("a histogram counts each unit in one bin or in none") {
    Fixture fixture;
    fixture.ask(Aggregate::histogram, 0);
    fixture.question.items[0].edges = {-50, 0, 50, 50.5, 100, 200};
    fixture.ask(Aggregate::histogram, 1);
    fixture.question.items[1].edges = {0, 10, 20};  // part of the bounds only
    const double pm25[] = {-7, 0, 49.9, 50, 100, 200, 999, kAbsent};
    const double wind[] = {-5, 0, 9.9, 10, 20, 20.1, 35, kAbsent};
    for (int i = 0; i < 8; ++i) fixture.folded.units.push_back({0, {pm25[i], wind[i], 1, 1}});
    const auto rows = fixture.values();
    // Values below the bounds count as the bound; the last bin has its upper edge.
    CHECK(rows[0] == std::vector<double>{0, 3, 1, 0, 3, 2, 2});
    CHECK(rows[1] == std::vector<double>{0, 8, 0, 0, 0, 8, 0});
    CHECK(rows[2] == std::vector<double>(7, 0));
  }

  TEST_CASE("a tree counts each unit in one node of every level") {
    Fixture fixture;
    fixture.ask(Aggregate::median, 0);
    fixture.ask(Aggregate::max, 0);
    fixture.question.tree_height = 2;
    // A leaf is 200 / 256 = 0.78125 wide.
    const double values[] = {-3, 0, 0.78, 0.78125, 12.5, 199.9, 200, 400, kAbsent};
    for (const double value : values) fixture.folded.units.push_back({0, {value, 0, 7, 0}});
    const auto rows = fixture.values();
    REQUIRE(rows[0].size() == 16 + 256);
    std::vector<double> expected(272, 0);
    expected[0] = 4, expected[1] = 1, expected[15] = 3;
    expected[16] = 3, expected[16 + 1] = 1, expected[16 + 16] = 1, expected[16 + 255] = 3;
    CHECK(rows[0] == expected);
    expected.assign(272, 0);
    expected[0] = 9, expected[16 + 8] = 9;
    CHECK(rows[1] == expected);
  }

  TEST_CASE("every integer of a run has noise of its own with the run's variance") {
    Fixture fixture;
    fixture.ask(Aggregate::count, {});
    fixture.ask(Aggregate::histogram, 0);
    fixture.question.items[1].edges = {0, 50, 100, 200};
    fixture.ask(Aggregate::sum, 1);
    const Price price = fixture.price();
    const auto exact = aggregate(fixture.question, fixture.view, price, fixture.folded);
    REQUIRE(exact);
    CountingNoise noise;
    const auto cells = add_noise(fixture.question, price, *exact, noise);
    REQUIRE(noise.variances.size() == 4 * 5);
    const std::size_t statistic[] = {0, 1, 1, 1, 2};
    for (std::size_t i = 0; i < noise.variances.size(); ++i) {
      CHECK(noise.variances[i] == price.layout[statistic[i % 5]].variance);
      CHECK(cells[i / 5].mantissas.at(i % 5) == static_cast<std::int64_t>(i) + 1);
    }
    CHECK(price.statistics[1].width == 3);
  }

  TEST_CASE("a predicate is decided only when every column it names has a value") {
    const double present[] = {60, 5}, half[] = {60, kAbsent};
    const Predicate both = {greater(0, 50), greater(1, 1), Connective::and_};
    const Predicate either = {greater(0, 50), greater(1, 1), Connective::or_};
    const Predicate neither = {greater(0, 50), greater(1, 1), Connective::or_, Connective::not_};
    CHECK(holds(both, present) == std::optional(true));
    CHECK(holds(neither, present) == std::optional(false));
    // Even where the other operand would settle it.
    CHECK(holds(either, half) == std::nullopt);
    CHECK(holds({greater(0, 50)}, half) == std::optional(true));
    const struct {
      Comparison comparison;
      bool below, same, above;
    } rows[] = {
        {Comparison::less, true, false, false},    {Comparison::less_equal, true, true, false},
        {Comparison::greater, false, false, true}, {Comparison::greater_equal, false, true, true},
        {Comparison::equal, false, true, false},   {Comparison::not_equal, true, false, true}};
    for (const auto& row : rows) {
      const Predicate test = {Compare{0, row.comparison, 10}};
      const double below = 9, same = 10, above = 11;
      CHECK(*holds(test, &below) == row.below);
      CHECK(*holds(test, &same) == row.same);
      CHECK(*holds(test, &above) == row.above);
    }
  }

  TEST_CASE("infinite values are clamped and cannot move a sum further than the bound") {
    Fixture fixture;
    fixture.ask(Aggregate::sum, 0);
    fixture.folded.units = {{0, {INFINITY, 0, -INFINITY, 0}}};
    const auto rows = fixture.values();
    CHECK(rows[0][0] == 200);
    CHECK(rows[1][0] == 0);
  }

  TEST_CASE("sums do not depend on the order of the units") {
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      FoldedTable table = fold(world);
      const auto forward = aggregate(world.question, world.view, *price, table);
      std::reverse(table.units.begin(), table.units.end());
      const auto backward = aggregate(world.question, world.view, *price, table);
      CHECK(forward->cells == backward->cells);
    }
  }

  TEST_CASE("every declared cell is released with noise of its own, empty or not") {
    Fixture fixture;
    fixture.ask(Aggregate::mean, 0);
    const Price price = fixture.price();
    const auto exact = aggregate(fixture.question, fixture.view, price, fixture.folded);
    REQUIRE(exact);
    CountingNoise noise;
    const auto cells = add_noise(fixture.question, price, *exact, noise);
    REQUIRE(cells.size() == 4);
    std::int64_t next = 0;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      CHECK(cells[i].group == i / 2);
      CHECK(cells[i].tick == i % 2);
      REQUIRE(cells[i].mantissas.size() == 2);
      for (const std::int64_t mantissa : cells[i].mantissas) CHECK(mantissa == ++next);
    }
    REQUIRE(noise.variances.size() == 8);
    for (std::size_t i = 0; i < noise.variances.size(); ++i) {
      CHECK(noise.variances[i] == price.layout[i % 2].variance);
    }
  }

  TEST_CASE("noise is added to the exact integers and to nothing else") {
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const World world = random_world(random);
      const auto price = price_of(world.question, world.view);
      if (!price) continue;
      const auto exact = aggregate(world.question, world.view, *price, fold(world));
      REQUIRE(exact);
      NoNoise none;
      const auto bare = add_noise(world.question, *price, *exact, none);
      SeededRandom bits(seed), same_bits(seed);
      security::ExactNoise noise(bits), same_noise(same_bits);
      std::vector<std::uint64_t> variances;
      for (const StatisticLayout& layout : price->layout) {
        variances.insert(variances.end(), layout.width, layout.variance);
      }
      const auto cells = add_noise(world.question, *price, *exact, noise);
      for (std::size_t i = 0; i < cells.size(); ++i) {
        CHECK(bare[i].mantissas == exact->cells[i]);
        for (std::size_t s = 0; s < cells[i].mantissas.size(); ++s) {
          const std::int64_t drawn = same_noise.gaussian(variances[s]);
          CHECK(cells[i].mantissas[s] == exact->cells[i][s] + drawn);
        }
      }
    }
  }

  TEST_CASE("more units than were declared are answered, unless sums could overflow") {
    Fixture fixture;
    fixture.ask(Aggregate::count, {});
    for (int i = 0; i < 1'000; ++i) fixture.folded.units.push_back({0, {1, 1, 1, 1}});
    CHECK(fixture.values()[0][0] == 1'000);
    // A statistic of 2^50 steps to a unit, as no layout makes it.
    Price price = fixture.price();
    price.layout[0].lattice = *security::Lattice::make(0, 1, 0, -50);
    fixture.folded.units.resize(4'095);
    for (auto& unit : fixture.folded.units) unit = {0, {1, 1, 1, 1}};
    CHECK(aggregate(fixture.question, fixture.view, price, fixture.folded));
    fixture.folded.units.push_back({0, {1, 1, 1, 1}});
    const auto refused = aggregate(fixture.question, fixture.view, price, fixture.folded);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::shape_refused);
  }
}
