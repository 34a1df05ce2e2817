#include "security/privacy/rank_tree.h"

#include <algorithm>
#include <cmath>

#include "schemas/base/check.h"

namespace entente::security {

double RankTreeShape::edge(std::size_t i, double lower, double upper) const {
  if (i == 0) return lower;
  if (i >= leaves()) return upper;
  // The number of leaves is a power of two, so the fraction is exact.
  return lower + (upper - lower) * (static_cast<double>(i) / static_cast<double>(leaves()));
}

std::size_t RankTreeShape::leaf(double value, double lower, double upper) const {
  ENTENTE_CHECK(!std::isnan(value));
  if (value <= lower) return 0;
  if (value >= upper) return leaves() - 1;
  const double at = (value - lower) / (upper - lower) * static_cast<double>(leaves());
  std::size_t found = std::min(static_cast<std::size_t>(at), leaves() - 1);
  // The quotient is rounded: the edges decide.
  while (found > 0 && value < edge(found, lower, upper)) --found;
  while (found + 1 < leaves() && value >= edge(found + 1, lower, upper)) ++found;
  return found;
}

RankPath RankTreeShape::path_of_leaf(std::size_t leaf) const {
  ENTENTE_CHECK(height >= 1 && height <= kRankHeightMost && leaf < leaves());
  RankPath path;
  path.size = static_cast<std::size_t>(height);
  for (int level = height; level >= 1; --level) {
    path.at[static_cast<std::size_t>(level - 1)] = level_begin(level) + leaf;
    leaf /= kRankFanOut;
  }
  return path;
}

RankPath RankTreeShape::path(double value, double lower, double upper) const {
  return path_of_leaf(leaf(value, lower, upper));
}

Outcome check_rank_tree(const RankTreeShape& shape, double lower, double upper) {
  if (shape.height < 1 || shape.height > kRankHeightMost) {
    return make_error(ErrorCode::shape_refused, "the height of a tree of ranks is 1 to 4, not " +
                                                    std::to_string(shape.height));
  }
  if (!std::isfinite(lower) || !std::isfinite(upper) || !(lower < upper)) {
    return make_error(ErrorCode::shape_refused, "bounds must be finite, lower below upper");
  }
  const double leaf_width = (upper - lower) / static_cast<double>(shape.leaves());
  const double largest = std::max(std::fabs(lower), std::fabs(upper));
  if (!std::isfinite(leaf_width) || !(leaf_width > largest * 0x1p-50) ||
      !(leaf_width >= 0x1p-1022)) {
    return make_error(ErrorCode::shape_refused,
                      "the bounds are too wide or too narrow to be cut into " +
                          std::to_string(shape.leaves()) + " parts");
  }
  return {};
}

void add_unit(std::span<std::int64_t> counts, const RankPath& path, std::int64_t one) {
  for (const std::size_t node : path) {
    ENTENTE_CHECK(node < counts.size());
    counts[node] += one;
  }
}

}  // namespace entente::security
