// The tree of counts from which quantiles, the least and the greatest value are answered.
//
// The declared bounds are cut into 16 equal parts, each of these into 16, and so on for `height`
// levels; each node counts the units whose value lies in its part. The root is left out, since it
// says nothing that the first level does not. Counts of this kind are linear: trees of several
// sites are added node by node (privacy.md 2.5; fan-out and height are the defaults of Google's
// differential privacy library).
//
// Sensitivity: a unit adds one to one node of each level, so a tree moves by sqrt(height) in L2 and
// a charge rho buys the noise sigma^2 = height / (2 rho) on every node. Where a value falls never
// changes that, so the comparison below that finds the leaf carries no privacy. What becomes of
// the noisy counts stands in rank_estimate.h. Threads: any; pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "schemas/base/result.h"

namespace entente::security {

inline constexpr std::size_t kRankFanOut = 16;
inline constexpr int kRankHeightMost = 4;

// The nodes that one unit counts in, from the first level to the leaf, as indices into the vector.
struct RankPath {
  std::array<std::size_t, kRankHeightMost> at{};
  std::size_t size = 0;  // the height
  const std::size_t* begin() const { return at.data(); }
  const std::size_t* end() const { return at.data() + size; }
};

// Layout of a tree as one vector: the 16 nodes of level 1 ascending, the 256 of level 2, …, the
// leaves last. Levels count from 1 to `height`.
struct RankTreeShape {
  int height = 1;

  // 16 + 256 + … ; 69,904 at most.
  std::size_t nodes() const { return level_begin(height) + leaves(); }
  // 16^height.
  std::size_t leaves() const { return level_size(height); }
  std::size_t level_size(int level) const { return std::size_t{1} << (4 * level); }
  // The index of the level's first node.
  std::size_t level_begin(int level) const { return (level_size(level) - 1) / 15 - 1; }

  // The leaf of a value, 0 to leaves() - 1: leaf i holds [edge(i), edge(i + 1)), values beyond the
  // bounds count as the bound, and `upper` is in the last. `value` is not NaN; bounds as check().
  std::size_t leaf(double value, double lower, double upper) const;
  // The lower end of leaf i, 0 <= i <= leaves(); the bounds themselves at both ends.
  double edge(std::size_t i, double lower, double upper) const;
  // The nodes above and with this leaf.
  RankPath path_of_leaf(std::size_t leaf) const;
  RankPath path(double value, double lower, double upper) const;

  bool operator==(const RankTreeShape&) const = default;
};

// Refuses (shape_refused): a height outside 1 to 4, bounds that are not finite, not ascending, or
// too close together or too far apart to be told apart at the leaves.
[[nodiscard]] Outcome check_rank_tree(const RankTreeShape& shape, double lower, double upper);

// Adds `one` (what a unit counts, in lattice steps) to each node of a path. `counts` is a vector of
// shape.nodes().
void add_unit(std::span<std::int64_t> counts, const RankPath& path, std::int64_t one);

}  // namespace entente::security
