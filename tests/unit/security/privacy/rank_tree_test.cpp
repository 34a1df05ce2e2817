// The layout of the tree of ranks against its definition: the path by division, the edges by
// arithmetic in whole numbers, the sensitivity by counting.
#include "security/privacy/rank_tree.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

TEST_SUITE("security/rank_tree") {
  TEST_CASE("a tree has as many nodes as its levels add up to") {
    const std::size_t nodes[] = {16, 272, 4'368, 69'904};
    std::size_t leaves = 1;
    for (int height = 1; height <= kRankHeightMost; ++height) {
      leaves *= 16;
      const RankTreeShape shape{height};
      CHECK(shape.nodes() == nodes[height - 1]);
      CHECK(shape.leaves() == leaves);
      CHECK(shape.level_begin(1) == 0);
      CHECK(shape.level_begin(height) + shape.leaves() == shape.nodes());
    }
  }

  TEST_CASE("every value counts in one node of each level and in the parts of that node only") {
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const RankTreeShape shape{1 + static_cast<int>(random.below(4))};
      const double lower = static_cast<double>(random.below(2'000)) / 7 - 150;
      const double upper = lower + 1 + static_cast<double>(random.below(9'000)) / 11;
      const double value =
          lower + (upper - lower) * static_cast<double>(random.below(1'100)) / 1'000;
      const RankPath path = shape.path(value, lower, upper);
      REQUIRE(path.size == static_cast<std::size_t>(shape.height));
      std::size_t parent = 0;
      for (int level = 1; level <= shape.height; ++level) {
        const std::size_t node = path.at[static_cast<std::size_t>(level - 1)];
        const std::size_t in_level = node - shape.level_begin(level);
        REQUIRE(node >= shape.level_begin(level));
        REQUIRE(in_level < shape.level_size(level));
        if (level > 1) CHECK(in_level / 16 == parent);
        parent = in_level;
      }
      const std::size_t leaf = shape.leaf(value, lower, upper);
      CHECK(leaf == parent);
      if (value < upper) {
        CHECK(shape.edge(leaf, lower, upper) <= value);
        CHECK(value < shape.edge(leaf + 1, lower, upper));
      } else {
        CHECK(leaf == shape.leaves() - 1);
      }
    }
  }

  TEST_CASE("a value on an edge belongs to the leaf that begins there") {
    for (const auto& [lower, upper] : {std::pair{-0.1, 0.3}, {0.0, 200.0}, {1e9, 1e9 + 7}}) {
      for (int height = 1; height <= 3; ++height) {
        const RankTreeShape shape{height};
        for (std::size_t i = 0; i < shape.leaves(); ++i) {
          const double edge = shape.edge(i, lower, upper);
          REQUIRE(shape.leaf(edge, lower, upper) == i);
          if (i == 0) continue;
          const double before = std::nextafter(edge, lower);
          REQUIRE(shape.leaf(before, lower, upper) == i - 1);
        }
        CHECK(shape.edge(0, lower, upper) == lower);
        CHECK(shape.edge(shape.leaves(), lower, upper) == upper);
      }
    }
  }

  TEST_CASE("values beyond the bounds count as the bound") {
    const double infinite = std::numeric_limits<double>::infinity();
    const RankTreeShape shape{4};
    for (const double low : {-infinite, -1e300, -40.0000001, -40.0}) {
      CHECK(shape.leaf(low, -40, 60) == 0);
    }
    for (const double high : {infinite, 1e300, 60.0}) {
      CHECK(shape.leaf(high, -40, 60) == shape.leaves() - 1);
    }
  }

  TEST_CASE("a unit moves a tree by the square root of its height and no more") {
    for (int height = 1; height <= kRankHeightMost; ++height) {
      const RankTreeShape shape{height};
      std::vector<std::int64_t> counts(shape.nodes(), 0);
      add_unit(counts, shape.path(12.5, 0, 100), 3);
      std::int64_t squares = 0, sum = 0;
      for (const std::int64_t count : counts) squares += count * count, sum += count;
      CHECK(sum == 3 * height);
      CHECK(squares == 9 * height);
    }
  }

  TEST_CASE("trees add up node by node") {
    const RankTreeShape shape{3};
    std::vector<std::int64_t> together(shape.nodes()), one(shape.nodes()), other(shape.nodes());
    SeededRandom random(5);
    for (int i = 0; i < 500; ++i) {
      const double value = static_cast<double>(random.below(1'000));
      const RankPath path = shape.path(value, 0, 1'000);
      add_unit(together, path, 1);
      add_unit(i % 3 == 0 ? one : other, path, 1);
    }
    for (std::size_t i = 0; i < shape.nodes(); ++i) REQUIRE(together[i] == one[i] + other[i]);
    for (int level = 1; level < 3; ++level) {
      for (std::size_t i = 0; i < shape.level_size(level); ++i) {
        std::int64_t parts = 0;
        for (std::size_t part = 0; part < 16; ++part) {
          parts += together[shape.level_begin(level + 1) + i * 16 + part];
        }
        REQUIRE(parts == together[shape.level_begin(level) + i]);
      }
    }
  }

  TEST_CASE("heights and bounds that cannot be cut into leaves are refused") {
    const double infinite = std::numeric_limits<double>::infinity(), nan = std::nan("");
    CHECK(check_rank_tree({4}, 0, 200));
    CHECK(check_rank_tree({4}, -1e300, 1e300));
    for (const int height : {-1, 0, 5, 1'000}) {
      CAPTURE(height);
      const auto outcome = check_rank_tree({height}, 0, 1);
      REQUIRE_FALSE(outcome);
      CHECK(outcome.error().code == ErrorCode::shape_refused);
    }
    const std::pair<double, double> wrong[] = {
        {1, 1},        {2, 1},         {nan, 1},        {0, nan},
        {0, infinite}, {-infinite, 0}, {-1e308, 1e308}, {1, std::nextafter(1, 2)},
        {0, 5e-324}};
    for (const auto& [lower, upper] : wrong) {
      CAPTURE(lower);
      CAPTURE(upper);
      CHECK_FALSE(check_rank_tree({2}, lower, upper));
    }
  }
}
