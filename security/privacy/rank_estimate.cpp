#include "security/privacy/rank_estimate.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "schemas/base/check.h"

namespace entente::security {
namespace {

constexpr double kFanOut = static_cast<double>(kRankFanOut);
constexpr double kTwoSided95 = 1.959963984540054;

// The nearest point of {x >= 0, sum x = total}: all are lowered by one amount, and what would fall
// below zero stays there (Held, Wolfe, Crowder 1974).
void project_on_simplex(std::span<double> parts, double total) {
  std::array<double, kRankFanOut> descending{};
  std::copy(parts.begin(), parts.end(), descending.begin());
  std::sort(descending.begin(), descending.end(), std::greater<>());
  double sum = 0, lowered_by = 0;
  for (std::size_t i = 0; i < descending.size(); ++i) {
    sum += descending[i];
    const double candidate = (sum - total) / static_cast<double>(i + 1);
    if (i > 0 && descending[i] <= candidate) break;
    lowered_by = candidate;
  }
  for (double& part : parts) part = std::max(part - lowered_by, 0.0);
}

double sum_of(std::span<const double> parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

Error refused(std::string what) {
  return make_error(ErrorCode::shape_refused, std::move(what));
}

}  // namespace

Result<RankTree> RankTree::make(const RankTreeShape& shape, double lower, double upper,
                                std::vector<double> counts, std::vector<double> variances) {
  if (auto fits = check_rank_tree(shape, lower, upper); !fits) return std::move(fits).error();
  if (counts.size() != shape.nodes()) {
    return refused("a tree of ranks of height " + std::to_string(shape.height) + " has " +
                   std::to_string(shape.nodes()) + " counts, not " + std::to_string(counts.size()));
  }
  if (variances.size() != static_cast<std::size_t>(shape.height)) {
    return refused("a tree of ranks has one variance for each level");
  }
  const auto finite = [](double x) { return std::fabs(x) <= 0x1p100; };
  if (!std::all_of(counts.begin(), counts.end(), finite) ||
      !std::all_of(variances.begin(), variances.end(),
                   [&](double x) { return finite(x) && x >= 0; })) {
    return refused("counts and variances of a tree of ranks must be finite");
  }
  RankTree tree;
  tree.shape_ = shape;
  tree.lower_ = lower;
  tree.upper_ = upper;
  tree.noisy_ = std::move(counts);
  tree.variances_ = std::move(variances);
  tree.consistent_ = tree.noisy_;
  tree.average_upwards();
  tree.spread_downwards();
  tree.counts_ = tree.consistent_;
  tree.project();
  return tree;
}

void RankTree::average_upwards() {
  combined_ = variances_;
  for (int level = shape_.height - 1; level >= 1; --level) {
    double& own = combined_[static_cast<std::size_t>(level - 1)];
    const double of_parts = kFanOut * combined_[static_cast<std::size_t>(level)];
    const double trust = own + of_parts > 0 ? of_parts / (own + of_parts) : 1;
    own *= trust;
    double* nodes = consistent_.data() + shape_.level_begin(level);
    const double* parts = consistent_.data() + shape_.level_begin(level + 1);
    for (std::size_t i = 0; i < shape_.level_size(level); ++i) {
      nodes[i] = trust * nodes[i] + (1 - trust) * sum_of({parts + i * kRankFanOut, kRankFanOut});
    }
  }
}

void RankTree::spread_downwards() {
  for (int level = 1; level < shape_.height; ++level) {
    const double* nodes = consistent_.data() + shape_.level_begin(level);
    double* parts = consistent_.data() + shape_.level_begin(level + 1);
    for (std::size_t i = 0; i < shape_.level_size(level); ++i) {
      const std::span<double> own(parts + i * kRankFanOut, kRankFanOut);
      const double each = (nodes[i] - sum_of(own)) / kFanOut;
      for (double& part : own) part += each;
    }
  }
}

void RankTree::project() {
  const std::span<double> first(counts_.data(), kRankFanOut);
  project_on_simplex(first, std::max(sum_of(first), 0.0));
  for (int level = 1; level < shape_.height; ++level) {
    const double* nodes = counts_.data() + shape_.level_begin(level);
    double* parts = counts_.data() + shape_.level_begin(level + 1);
    for (std::size_t i = 0; i < shape_.level_size(level); ++i) {
      project_on_simplex({parts + i * kRankFanOut, kRankFanOut}, nodes[i]);
    }
  }
}

// [D] Given its parent's total u, a part's consistent count is u / 16 + r_i, where the r_i are the
// parts' combined counts less their mean: independent of u, of covariance v (I - 11'/16) with v the
// combined variance of the level. So the count below an edge inside a node is a u + e: with k whole
// parts before the edge and (a', e') for the part that it lies in,
//   a = (k + a') / 16,   var e = v (k + a'^2 - (k + a')^2 / 16) + var e',
// from a' = 0 at the leaf that begins at the edge. At the root, which has no count of its own, u
// has variance 16 v.
double RankTree::deviation(std::size_t i, double p) const {
  ENTENTE_CHECK(i <= shape_.leaves());
  double share = 0, variance = 0;
  std::size_t at = i;
  for (int level = shape_.height; level >= 1; --level) {
    // An edge at a node's very end would begin the next node, and so would a = 1, e = 0 within it.
    const double whole = static_cast<double>(at % kRankFanOut);
    const double v = combined_[static_cast<std::size_t>(level - 1)];
    const double before = whole + share;
    variance += v * std::max(whole + share * share - before * before / kFanOut, 0.0);
    share = before / kFanOut;
    at /= kRankFanOut;
  }
  if (i == shape_.leaves()) share = 1;
  return std::sqrt((share - p) * (share - p) * kFanOut * combined_[0] + variance);
}

RankEstimate quantile(const RankTree& tree, double p) {
  ENTENTE_CHECK(p >= 0 && p <= 1);
  const std::size_t leaves = tree.shape().leaves();
  const std::size_t begin = tree.shape().level_begin(tree.shape().height);
  const double* counts = tree.counts().data() + begin;
  const double total = sum_of({counts, leaves});
  if (!(total > 0)) {
    return {tree.lower() + (tree.upper() - tree.lower()) / 2, tree.lower(), tree.upper()};
  }
  RankEstimate estimate{tree.upper(), tree.lower(), tree.upper()};
  const double target = p * total;
  double below = 0;
  for (std::size_t i = 0; i < leaves; ++i) {
    if (counts[i] > 0 && below + counts[i] >= target) {
      const double inside = std::clamp((target - below) / counts[i], 0.0, 1.0);
      estimate.value = std::clamp(tree.edge(i) + inside * (tree.edge(i + 1) - tree.edge(i)),
                                  tree.lower(), tree.upper());
      break;
    }
    below += counts[i];
  }
  // The range: leaf i stays while neither "too few lie below its end" nor "too many lie below its
  // beginning" is certain.
  std::size_t first = leaves, last = 0;
  below = 0;
  for (std::size_t i = 0; i < leaves; ++i) {
    const double after = below + counts[i];
    const bool reaches = after - target + kTwoSided95 * tree.deviation(i + 1, p) >= 0;
    const bool begins = below - target - kTwoSided95 * tree.deviation(i, p) <= 0;
    if (reaches && first == leaves) first = i;
    if (begins) last = i;
    below = after;
  }
  estimate.lower = first < leaves ? std::min(tree.edge(first), estimate.value) : estimate.value;
  estimate.upper = std::max(tree.edge(last + 1), estimate.value);
  return estimate;
}

namespace {

// The inhabited node whose inner end lies furthest out, seen from the lower or the upper bound.
enum class Side { least, greatest };
RankEstimate outermost(const RankTree& tree, Side side) {
  const RankTreeShape& shape = tree.shape();
  std::size_t leaves_out = shape.leaves() + 1;  // between the bound and the inner end, in leaves
  std::size_t width = 0;
  for (int level = shape.height; level >= 1; --level) {
    const std::size_t size = shape.level_size(level), per_node = shape.leaves() / size;
    const double threshold =
        std::sqrt(tree.variance(level) * 2 * std::log(static_cast<double>(size) / kRankBeta));
    const double* counts = tree.noisy().data() + shape.level_begin(level);
    for (std::size_t i = 0; i < size && (i + 1) * per_node < leaves_out; ++i) {
      const double count = side == Side::least ? counts[i] : counts[size - 1 - i];
      if (!(count > threshold)) continue;
      leaves_out = (i + 1) * per_node;
      width = per_node;
      break;
    }
  }
  if (width == 0) {
    return {side == Side::least ? tree.lower() : tree.upper(), tree.lower(), tree.upper()};
  }
  if (side == Side::least) {
    return {tree.edge(leaves_out - width), tree.lower(), tree.edge(leaves_out)};
  }
  const std::size_t last = shape.leaves() - leaves_out;
  return {tree.edge(last + width), tree.edge(last), tree.upper()};
}

}  // namespace

RankEstimate least(const RankTree& tree) {
  return outermost(tree, Side::least);
}
RankEstimate greatest(const RankTree& tree) {
  return outermost(tree, Side::greatest);
}

}  // namespace entente::security
