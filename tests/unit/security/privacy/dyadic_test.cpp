// Windows from dyadic nodes against counting; the charge against every placement of a unit.
// Vectors: privacy.md 3.4 (window r; noise terms after t steps; charges of a tree).
#include "security/privacy/dyadic.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>

using namespace entente::security;

TEST_SUITE("security/dyadic") {
  TEST_CASE("the nodes of a range cover it once and are the fewest there are") {
    for (int level_most = 0; level_most <= 4; ++level_most) {
      // Fewest nodes for [from, to) by dynamic programming over all nodes.
      constexpr std::uint64_t kTicks = 40;
      for (std::uint64_t from = 0; from <= kTicks; ++from) {
        std::vector<std::size_t> fewest(kTicks + 1, 1'000);
        fewest[from] = 0;
        for (std::uint64_t at = from; at < kTicks; ++at) {
          for (int level = 0; level <= level_most; ++level) {
            const std::uint64_t size = std::uint64_t{1} << level;
            if (at % size != 0 || at + size > kTicks) continue;
            fewest[at + size] = std::min(fewest[at + size], fewest[at] + 1);
          }
        }
        for (std::uint64_t to = from; to <= kTicks; ++to) {
          const auto nodes = dyadic_nodes({from, to}, level_most);
          std::uint64_t at = from;
          for (const DyadicNode& node : nodes) {
            REQUIRE(node.level <= level_most);
            REQUIRE(node.begin() == at);
            REQUIRE(node.end() > at);
            at = node.end();
          }
          REQUIRE(at == to);
          REQUIRE(nodes.size() == fewest[to]);
        }
      }
    }
    CHECK(dyadic_nodes({7, 3}, 5).empty());
  }

  TEST_CASE("a window's variance is the published one") {
    const struct {
      std::uint64_t ticks;
      double most, mean;
    } rows[] = {
        {32, 36, 30.2}, {64, 49, 42.1}, {128, 64, 56.1}, {256, 81, 72.0}, {1'024, 121, 110}};
    for (const auto& row : rows) {
      CAPTURE(row.ticks);
      const int level = dyadic_level_of(row.ticks);
      // Each node has the variance of its share of one charge, in units of D^2 / (2 rho).
      const auto each = static_cast<double>(dyadic_weight(1, level));
      double most = 0, sum = 0;
      for (std::uint64_t from = 0; from < row.ticks; ++from) {
        const double variance =
            each * static_cast<double>(dyadic_nodes({from, from + row.ticks}, level).size());
        most = std::max(most, variance);
        sum += variance;
      }
      CHECK(most == row.most);
      CHECK(sum / static_cast<double>(row.ticks) == doctest::Approx(row.mean).epsilon(0.003));
      // Buckets per tick would have r: the nodes pay off from 64 on.
      CHECK((most < static_cast<double>(row.ticks)) == (row.ticks >= 64));
    }
  }

  TEST_CASE("a running total has a noise term for each binary digit of its length") {
    const std::pair<std::uint64_t, std::size_t> rows[] = {
        {16, 1}, {17, 2}, {19, 3}, {1'024, 1}, {1'027, 3}};
    for (const auto& [ticks, terms] : rows) {
      CHECK(dyadic_nodes({0, ticks}, kDyadicLevelMost).size() == terms);
    }
    for (std::uint64_t ticks = 0; ticks < 5'000; ++ticks) {
      REQUIRE(dyadic_nodes({0, ticks}, kDyadicLevelMost).size() ==
              static_cast<std::size_t>(std::popcount(ticks)));
    }
  }

  TEST_CASE("an event pays once for each level") {
    // z = 10: rho = levels / (2 z^2) is .05 at 1000 steps and .055 at 1024.
    CHECK(dyadic_weight(1, dyadic_level_of(1'000)) / 200.0 == 0.05);
    CHECK(dyadic_weight(1, dyadic_level_of(1'024)) / 200.0 == 0.055);
    for (const std::uint64_t ticks : {1u, 2u, 3u, 63u, 64u, 1'600u}) {
      CHECK(dyadic_weight(1, dyadic_level_of(ticks)) ==
            static_cast<std::uint64_t>(std::bit_width(ticks)));
    }
  }

  TEST_CASE("the charge of a longer unit is what its worst placement moves and no more") {
    for (std::uint32_t unit = 1; unit <= 40; ++unit) {
      for (int level = 0; level <= 6; ++level) {
        CAPTURE(unit);
        CAPTURE(level);
        const std::uint64_t size = std::uint64_t{1} << level;
        std::uint64_t worst = 0;
        for (std::uint64_t begin = 0; begin < size; ++begin) {
          std::vector<std::uint64_t> moved((begin + unit) / size + 1, 0);
          for (std::uint64_t tick = begin; tick < begin + unit; ++tick) ++moved[tick / size];
          std::uint64_t squares = 0;
          for (const std::uint64_t by : moved) squares += by * by;
          worst = std::max(worst, squares);
        }
        CHECK(dyadic_squares(unit, level) == worst);
        if (unit % size == 0) CHECK(worst == unit * size);            // T 2^level
        if (unit < size) CHECK(worst == std::uint64_t{unit} * unit);  // T^2
        CHECK(worst <= unit * size);
      }
    }
  }
}
