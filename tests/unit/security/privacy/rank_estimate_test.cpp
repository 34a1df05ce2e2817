// Quantiles from trees: exact trees against sorted values, least squares against its definition
// (normal equations, solved densely), ranges against the truth over a thousand seeded runs.
#include "security/privacy/rank_estimate.h"

#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

#include "schemas/base/random.h"
#include "security/privacy/noise.h"

using namespace entente;
using namespace entente::security;

namespace {

struct Bounds {
  double lower = 0;
  double upper = 0;
};

std::vector<double> exact_counts(const RankTreeShape& shape, Bounds bounds,
                                 const std::vector<double>& values) {
  std::vector<std::int64_t> counts(shape.nodes(), 0);
  for (const double value : values)
    add_unit(counts, shape.path(value, bounds.lower, bounds.upper), 1);
  return {counts.begin(), counts.end()};
}

RankTree tree_of(const RankTreeShape& shape, Bounds bounds, std::vector<double> counts,
                 std::vector<double> variances) {
  auto tree =
      RankTree::make(shape, bounds.lower, bounds.upper, std::move(counts), std::move(variances));
  REQUIRE(tree);
  return *std::move(tree);
}

RankTree exact_tree(const RankTreeShape& shape, Bounds bounds, const std::vector<double>& values) {
  return tree_of(shape, bounds, exact_counts(shape, bounds, values),
                 std::vector<double>(static_cast<std::size_t>(shape.height), 0));
}

// Exact discrete Gaussian noise in steps of 1/64 of a unit, as a release has it.
std::vector<double> with_noise(const RankTreeShape& shape, std::vector<double> counts,
                               const std::vector<double>& variances, NoiseSource& noise) {
  for (int level = 1; level <= shape.height; ++level) {
    const double variance = variances[static_cast<std::size_t>(level - 1)];
    const auto steps = static_cast<std::uint64_t>(std::llround(variance * 4'096));
    for (std::size_t i = 0; i < shape.level_size(level); ++i) {
      counts[shape.level_begin(level) + i] += static_cast<double>(noise.gaussian(steps)) / 64;
    }
  }
  return counts;
}

// Sums of four uniforms, and some values twice: neither flat nor symmetric.
std::vector<double> sample(Random& random, std::size_t units, Bounds bounds) {
  std::vector<double> values;
  while (values.size() < units) {
    double at = 0;
    for (int i = 0; i < 4; ++i) at += static_cast<double>(random.below(1u << 20)) * 0x1p-22;
    const double value = bounds.lower + (bounds.upper - bounds.lower) * at * at;
    values.push_back(value);
    if (random.below(4) == 0 && values.size() < units) values.push_back(value);
  }
  return values;
}

// The order statistics between which every definition of a quantile lies.
struct Between {
  double lower = 0;
  double upper = 0;
};
Between sorted_quantile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  const double n = static_cast<double>(values.size());
  const double at = std::clamp(p * n - 1, 0.0, n - 1);
  const double next = std::clamp(p * n, 0.0, n - 1);
  return {values[static_cast<std::size_t>(std::floor(at))],
          values[static_cast<std::size_t>(std::ceil(next))]};
}

// Each node as the sum of the leaves that it holds: nodes x leaves.
Eigen::MatrixXd membership(const RankTreeShape& shape) {
  Eigen::MatrixXd holds = Eigen::MatrixXd::Zero(static_cast<Eigen::Index>(shape.nodes()),
                                                static_cast<Eigen::Index>(shape.leaves()));
  for (std::size_t leaf = 0; leaf < shape.leaves(); ++leaf) {
    for (const std::size_t node : shape.path_of_leaf(leaf)) {
      holds(static_cast<Eigen::Index>(node), static_cast<Eigen::Index>(leaf)) = 1;
    }
  }
  return holds;
}

// Inverse of A' W A: the covariance of the leaves under weighted least squares.
Eigen::MatrixXd covariance(const RankTreeShape& shape, const std::vector<double>& variances) {
  Eigen::MatrixXd weighted = membership(shape);
  for (int level = 1; level <= shape.height; ++level) {
    const auto begin = static_cast<Eigen::Index>(shape.level_begin(level));
    const auto size = static_cast<Eigen::Index>(shape.level_size(level));
    weighted.middleRows(begin, size) /= variances[static_cast<std::size_t>(level - 1)];
  }
  const Eigen::MatrixXd normal = membership(shape).transpose() * weighted;
  return normal.ldlt().solve(Eigen::MatrixXd::Identity(normal.rows(), normal.cols()));
}

const double kRanks[] = {0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0};

}  // namespace

TEST_SUITE("security/rank_estimate") {
  TEST_CASE("known values give known quantiles") {
    // 1 to 16 in parts of one: each leaf holds one value.
    std::vector<double> values;
    for (int i = 0; i < 16; ++i) values.push_back(i + 0.5);
    const RankTree tree = exact_tree({1}, {0, 16}, values);
    CHECK(quantile(tree, 0.5).value == doctest::Approx(8).epsilon(1e-12));
    CHECK(quantile(tree, 0.25).value == doctest::Approx(4).epsilon(1e-12));
    CHECK(quantile(tree, 0).value == 0);
    CHECK(quantile(tree, 1).value == 16);
    // An exact tree's range is the leaves that touch the rank.
    CHECK(quantile(tree, 0.4).lower == 6);
    CHECK(quantile(tree, 0.4).upper == 7);
    CHECK(least(tree).value == 0);
    CHECK(greatest(tree).value == 16);
    // All in one leaf: linear inside it.
    const RankTree one = exact_tree({2}, {0, 256}, std::vector<double>(8, 100.25));
    CHECK(quantile(one, 0.75).value == doctest::Approx(100.75).epsilon(1e-12));
    CHECK(least(one).value == 100);
    CHECK(least(one).lower == 0);
    CHECK(least(one).upper == 101);
    CHECK(greatest(one).value == 101);
    CHECK(greatest(one).lower == 100);
    CHECK(greatest(one).upper == 256);
  }

  TEST_CASE("an exact tree's quantiles are those of the sorted values within a leaf") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const RankTreeShape shape{1 + static_cast<int>(random.below(3))};
      const Bounds bounds{-20, 40 + static_cast<double>(random.below(100))};
      const std::vector<double> values = sample(random, 1 + random.below(300), bounds);
      const RankTree tree = exact_tree(shape, bounds, values);
      const double leaf = (bounds.upper - bounds.lower) / static_cast<double>(shape.leaves());
      const double slack = leaf * (1 + 1e-9);
      double before = bounds.lower;
      for (const double p : kRanks) {
        CAPTURE(p);
        const Between truth = sorted_quantile(values, p);
        const RankEstimate estimate = quantile(tree, p);
        CHECK(estimate.value >= truth.lower - slack);
        CHECK(estimate.value <= truth.upper + slack);
        CHECK(estimate.lower <= estimate.value);
        CHECK(estimate.value <= estimate.upper);
        CHECK(estimate.value >= before);  // quantiles ascend with their rank
        before = estimate.value;
      }
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      CHECK(least(tree).value <= *low);
      CHECK(least(tree).value >= *low - slack);
      CHECK(greatest(tree).value >= *high);
      CHECK(greatest(tree).value <= *high + slack);
    }
  }

  TEST_CASE("consistency is the weighted least squares solution for any variances") {
    const RankTreeShape shape{2};
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::vector<double> variances, counts(shape.nodes());
      for (int level = 0; level < 2; ++level) {
        variances.push_back(std::ldexp(static_cast<double>(1 + random.below(1'000)), -4));
      }
      for (double& count : counts) count = static_cast<double>(random.below(2'000)) / 10 - 50;
      const RankTree tree = tree_of(shape, {0, 1}, counts, variances);
      const Eigen::MatrixXd holds = membership(shape);
      Eigen::VectorXd weighted = Eigen::Map<const Eigen::VectorXd>(
          counts.data(), static_cast<Eigen::Index>(counts.size()));
      weighted.head(16) /= variances[0];
      weighted.tail(256) /= variances[1];
      const Eigen::MatrixXd leaves_covariance = covariance(shape, variances);
      const Eigen::VectorXd expected = holds * (leaves_covariance * (holds.transpose() * weighted));
      for (std::size_t i = 0; i < shape.nodes(); ++i) {
        REQUIRE(std::fabs(tree.consistent()[i] - expected(static_cast<Eigen::Index>(i))) < 1e-8);
      }
      // The deviation that the range uses is that of the same solution.
      for (std::size_t edge = 0; edge <= shape.leaves(); edge += 1 + random.below(9)) {
        const double p = static_cast<double>(random.below(101)) / 100;
        Eigen::VectorXd functional = Eigen::VectorXd::Constant(256, -p);
        functional.head(static_cast<Eigen::Index>(edge)).array() += 1;
        const double variance = functional.dot(leaves_covariance * functional);
        REQUIRE(std::fabs(tree.deviation(edge, p) - std::sqrt(std::max(variance, 0.0))) < 1e-6);
      }
    }
  }

  TEST_CASE("three levels of different noise are weighted alike") {
    // Sparse check of optimality: the gradient of the weighted squares is orthogonal to every leaf.
    const RankTreeShape shape{3};
    const std::vector<double> variances = {400, 25, 3};
    SeededRandom random(3);
    std::vector<double> counts(shape.nodes());
    for (double& count : counts) count = static_cast<double>(random.below(4'000)) / 10 - 100;
    const RankTree tree = tree_of(shape, {0, 1}, counts, variances);
    for (std::size_t leaf = 0; leaf < shape.leaves(); ++leaf) {
      double gradient = 0;
      const RankPath path = shape.path_of_leaf(leaf);
      for (std::size_t level = 0; level < 3; ++level) {
        gradient += (counts[path.at[level]] - tree.consistent()[path.at[level]]) / variances[level];
      }
      REQUIRE(std::fabs(gradient) < 1e-9);
    }
  }

  TEST_CASE("counts add up and none is negative after the projection") {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      ExactNoise noise(random);
      const RankTreeShape shape{1 + static_cast<int>(seed % 3)};
      const std::vector<double> variances(static_cast<std::size_t>(shape.height), 100);
      const auto counts = exact_counts(shape, {0, 10}, sample(random, 80, {0, 10}));
      const RankTree tree =
          tree_of(shape, {0, 10}, with_noise(shape, counts, variances, noise), variances);
      double total = 0, consistent = 0;
      for (std::size_t i = 0; i < 16; ++i)
        total += tree.counts()[i], consistent += tree.consistent()[i];
      CHECK(total == doctest::Approx(std::max(consistent, 0.0)).epsilon(1e-9));
      for (int level = 1; level < shape.height; ++level) {
        for (std::size_t i = 0; i < shape.level_size(level); ++i) {
          double parts = 0;
          for (std::size_t part = 0; part < 16; ++part) {
            parts += tree.counts()[shape.level_begin(level + 1) + i * 16 + part];
          }
          REQUIRE(std::fabs(parts - tree.counts()[shape.level_begin(level) + i]) < 1e-9);
        }
      }
      for (const double count : tree.counts()) REQUIRE(count >= 0);
    }
  }

  TEST_CASE("consistency and projection reduce the error of ranks") {
    const RankTreeShape shape{3};
    const Bounds bounds{0, 200};
    const std::vector<double> variances(3, 25);
    double raw = 0, consistent = 0, projected = 0;
    constexpr std::uint32_t kSeeds = 100;
    for (std::uint32_t seed = 0; seed < kSeeds; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      ExactNoise noise(random);
      const auto truth = exact_counts(shape, bounds, sample(random, 500, bounds));
      const RankTree tree =
          tree_of(shape, bounds, with_noise(shape, truth, variances, noise), variances);
      // The rank of an edge, from the fewest nodes of the raw tree and from the leaves of the
      // others.
      double before = 0, before_consistent = 0, before_projected = 0;
      for (std::size_t leaf = 0; leaf < shape.leaves(); ++leaf) {
        double fewest = 0;
        std::size_t at = leaf;
        for (int level = 3; level >= 1; --level) {
          for (std::size_t i = at - at % 16; i < at; ++i) {
            fewest += tree.noisy()[shape.level_begin(level) + i];
          }
          at /= 16;
        }
        raw += (fewest - before) * (fewest - before);
        consistent += (before_consistent - before) * (before_consistent - before);
        projected += (before_projected - before) * (before_projected - before);
        const std::size_t node = shape.level_begin(3) + leaf;
        before += truth[node];
        before_consistent += tree.consistent()[node];
        before_projected += tree.counts()[node];
      }
    }
    const double edges = static_cast<double>(kSeeds) * 4'096;
    MESSAGE("mean square error of a rank: raw ", raw / edges, ", consistent ", consistent / edges,
            ", projected ", projected / edges, " (seeds 0 to 99)");
    // Raw: 7.5 nodes of each level on average.
    CHECK(raw / edges == doctest::Approx(3 * 7.5 * 25).epsilon(0.1));
    CHECK(consistent < 0.6 * raw);
    CHECK(projected < consistent);
  }

  TEST_CASE("the range holds the quantile in at least 930 of 1000 runs") {
    enum class Law { spread, one_value, two_clusters };
    const struct {
      int height;
      std::size_t units;
      double deviation, p;
      Law law;
    } rows[] = {{2, 400, 10, 0.5, Law::spread},       {3, 400, 10, 0.5, Law::spread},
                {2, 2'000, 10, 0.9, Law::spread},     {2, 60, 8, 0.25, Law::spread},
                {1, 100, 5, 0.5, Law::spread},        {2, 300, 10, 0.9, Law::one_value},
                {2, 300, 10, 0.05, Law::one_value},   {2, 400, 10, 0.3, Law::two_clusters},
                {2, 400, 10, 0.55, Law::two_clusters}};
    for (const auto& row : rows) {
      CAPTURE(row.height);
      CAPTURE(row.units);
      CAPTURE(row.p);
      CAPTURE(static_cast<int>(row.law));
      const RankTreeShape shape{row.height};
      const Bounds bounds{0, 200};
      const std::vector<double> variances(static_cast<std::size_t>(row.height),
                                          row.deviation * row.deviation);
      int held = 0, held_by_half = 0;
      double width = 0, error = 0;
      const int runs = 1'000;
      for (int seed = 0; seed < runs; ++seed) {
        SeededRandom random(static_cast<std::uint64_t>(seed));
        ExactNoise noise(random);
        std::vector<double> values = sample(random, row.units, bounds);
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (row.law == Law::one_value) values[i] = 123.25;
          if (row.law == Law::two_clusters) values[i] = (i % 2 == 0 ? 10 : 170) + values[i] / 50;
        }
        const auto counts = exact_counts(shape, bounds, values);
        const auto noisy = with_noise(shape, counts, variances, noise);
        const RankTree tree = tree_of(shape, bounds, noisy, variances);
        const RankEstimate estimate = quantile(tree, row.p);
        const Between truth = sorted_quantile(values, row.p);
        const double middle = (truth.lower + truth.upper) / 2;
        held += estimate.lower <= truth.upper && truth.lower <= estimate.upper ? 1 : 0;
        width += estimate.upper - estimate.lower;
        error += std::fabs(estimate.value - middle);
        // Control: noise whose variance is understated sixteen times.
        const RankTree sure =
            tree_of(shape, bounds, noisy,
                    std::vector<double>(variances.size(), row.deviation * row.deviation / 16));
        const RankEstimate narrow = quantile(sure, row.p);
        held_by_half += narrow.lower <= truth.upper && truth.lower <= narrow.upper ? 1 : 0;
      }
      MESSAGE("height ", row.height, ", ", row.units, " units, sigma ", row.deviation, ", p ",
              row.p, ": held ", held, " of 1000, mean width ", width / runs, ", mean error ",
              error / runs, "; control ", held_by_half);
      CHECK(held >= 930);
      if (row.height > 1) CHECK(held_by_half < held);
    }
  }

  TEST_CASE("the least and the greatest value are bounded on their far side in 99 of 100 runs") {
    const RankTreeShape shape{3};
    const Bounds bounds{0, 200};
    const std::vector<double> variances(3, 9);
    int wrong = 0, beyond_control = 0;
    for (std::uint32_t seed = 0; seed < 1'000; ++seed) {
      SeededRandom random(seed);
      ExactNoise noise(random);
      std::vector<double> values = sample(random, 800, {60, 110});
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const RankTree tree = tree_of(
          shape, bounds, with_noise(shape, exact_counts(shape, bounds, values), variances, noise),
          variances);
      const RankEstimate at_least = least(tree), at_most = greatest(tree);
      REQUIRE(at_least.lower == bounds.lower);
      REQUIRE(at_most.upper == bounds.upper);
      REQUIRE(at_least.value <= at_least.upper);
      REQUIRE(at_most.lower <= at_most.value);
      wrong += *low > at_least.upper || *high < at_most.lower ? 1 : 0;
      // Control: the outermost leaf that is merely above zero, as a naive minimum would take it.
      std::size_t leaf = 0;
      while (leaf + 1 < shape.leaves() && tree.noisy()[shape.level_begin(3) + leaf] <= 0) ++leaf;
      beyond_control += tree.edge(leaf + 1) < *low ? 1 : 0;
    }
    MESSAGE("wrong in ", wrong, " of 1000 runs; control ", beyond_control);
    CHECK(wrong <= 30);  // two sides, three levels of beta / 2 each
    CHECK(beyond_control > 900);
  }

  TEST_CASE("a few far values are found by a coarser level when no leaf stands out") {
    // 250 values, each in a leaf of its own, all within one sixteenth: no leaf is above the noise.
    const RankTreeShape shape{3};
    std::vector<double> values;
    for (int i = 0; i < 250; ++i) values.push_back(1'024 + i);
    const std::vector<double> variances(3, 100);
    SeededRandom random(7);
    ExactNoise noise(random);
    const RankTree tree = tree_of(
        shape, {0, 4'096},
        with_noise(shape, exact_counts(shape, {0, 4'096}, values), variances, noise), variances);
    CHECK(least(tree).value == 1'024);
    CHECK(least(tree).upper == 1'280);
    CHECK(greatest(tree).value == 1'280);
    CHECK(greatest(tree).lower == 1'024);
  }

  TEST_CASE("a tree of nothing knows only the bounds") {
    const RankTree tree = exact_tree({2}, {-10, 30}, {});
    const RankEstimate middle = quantile(tree, 0.5);
    CHECK(middle.value == 10);
    CHECK(middle.lower == -10);
    CHECK(middle.upper == 30);
    CHECK(least(tree).value == -10);
    CHECK(least(tree).upper == 30);
    CHECK(greatest(tree).value == 30);
    CHECK(greatest(tree).lower == -10);
    // Nor does one whose noise drowns it: the range is what is left.
    const RankTree drowned = tree_of({1}, {-10, 30}, std::vector<double>(16, 1), {1e6});
    CHECK(quantile(drowned, 0.5).lower == -10);
    CHECK(quantile(drowned, 0.5).upper == 30);
  }

  TEST_CASE("answers stay within the bounds for any counts") {
    for (std::uint32_t seed = 0; seed < 500; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const RankTreeShape shape{1 + static_cast<int>(random.below(3))};
      std::vector<double> counts(shape.nodes()), variances;
      const int scale = static_cast<int>(random.below(80)) - 20;
      for (double& count : counts) {
        count = std::ldexp(static_cast<double>(random.below(2'001)) - 1'000, scale);
      }
      for (int level = 0; level < shape.height; ++level) {
        variances.push_back(
            random.below(4) == 0 ? 0 : std::ldexp(1.0, static_cast<int>(random.below(60)) - 10));
      }
      const RankTree tree = tree_of(shape, {-7, 9}, counts, variances);
      const double p = static_cast<double>(random.below(1'001)) / 1'000;
      for (const RankEstimate& estimate : {quantile(tree, p), least(tree), greatest(tree)}) {
        CHECK(-7 <= estimate.lower);
        CHECK(estimate.lower <= estimate.value);
        CHECK(estimate.value <= estimate.upper);
        CHECK(estimate.upper <= 9);
      }
    }
  }

  TEST_CASE("trees that a partner cannot have released are refused") {
    const double infinite = HUGE_VAL, nan = std::nan("");
    const auto refused = [](int height, Bounds bounds, std::vector<double> counts,
                            std::vector<double> variances) {
      auto tree = RankTree::make({height}, bounds.lower, bounds.upper, std::move(counts),
                                 std::move(variances));
      return !tree && tree.error().code == ErrorCode::shape_refused;
    };
    const std::vector<double> counts(16, 1);
    CHECK_FALSE(refused(1, {0, 1}, counts, {1}));
    CHECK(refused(0, {0, 1}, counts, {1}));
    CHECK(refused(5, {0, 1}, counts, {1}));
    CHECK(refused(1, {1, 1}, counts, {1}));
    CHECK(refused(1, {0, infinite}, counts, {1}));
    CHECK(refused(2, {0, 1}, counts, {1, 1}));
    CHECK(refused(1, {0, 1}, counts, {1, 1}));
    CHECK(refused(1, {0, 1}, counts, {-1}));
    CHECK(refused(1, {0, 1}, counts, {nan}));
    std::vector<double> wrong = counts;
    wrong[3] = nan;
    CHECK(refused(1, {0, 1}, wrong, {1}));
    wrong[3] = -infinite;
    CHECK(refused(1, {0, 1}, wrong, {1}));
  }
}
