// Quantiles, the least and the greatest value from the noisy counts of a tree of ranks.
//
// Post-processing only: it sees what was released and public constants, costs nothing, and runs
// wherever the sum of the sites' trees is known. In doubles.
//
// 1. Consistency: the counts that satisfy "a node is the sum of its 16 parts" and lie nearest to
//    the noisy ones, each weighted by its variance. Source: Hay, Rastogi, Miklau, Suciu, "Boosting
//    the Accuracy of Differentially Private Histograms Through Consistency" (2010), section 4, here
//    with weights: upwards, a node's own count and its parts' sum are averaged by their precision;
//    downwards, what a parent knows better is spread over its parts.
// 2. Non-negativity: downwards again, the parts of each node become the nearest counts that are not
//    negative and still add up to it (projection on a simplex), so that empty parts do not gather
//    the positive halves of their noise.
// 3. Rank: the value at which the counts reach p of their sum, linear inside the leaf.
// 4. Range: every value that a two-sided 5 % test does not reject. The test at a leaf's edge
//    compares the count below it with p of the total, by the standard deviation that this
//    difference has after step 1, which follows exactly from the variances [D, in the .cpp]. Step 2
//    makes it smaller still in all that was measured, so the range errs on the wide side: it is
//    given in whole leaves and held the quantile in 980 to 1,000 of 1,000 runs.
//
// The least and the greatest value are never released as such: a node counts as inhabited when its
// noisy count exceeds T = sigma sqrt(2 ln(nodes of its level / beta)), beta = 0.01, which an empty
// node of one level does with probability at most beta / 2. A value beyond which fewer than about T
// units lie is missed: the least value errs upwards, the greatest downwards, and the range
// therefore extends to the declared bound. Threads: any; pure.
#pragma once

#include <vector>

#include "security/privacy/rank_tree.h"

namespace entente::security {

// lower <= value <= upper, all within the declared bounds.
struct RankEstimate {
  double value = 0;
  double lower = 0;
  double upper = 0;
};

inline constexpr double kRankBeta = 0.01;

class RankTree {
 public:
  // `counts`: shape.nodes(), in units, in the shape's layout; `variances`: of the noise of one node
  // at level 1, 2, … height, in units squared, 0 for an exact tree. Sites' trees, and their
  // variances, are added before. Refuses: shape_refused (see check_rank_tree; a wrong number of
  // counts or variances, or one that is not finite or negative: a partner sends them).
  [[nodiscard]] static Result<RankTree> make(const RankTreeShape& shape, double lower, double upper,
                                             std::vector<double> counts,
                                             std::vector<double> variances);

  const RankTreeShape& shape() const { return shape_; }
  double lower() const { return lower_; }
  double upper() const { return upper_; }
  // As given.
  const std::vector<double>& noisy() const { return noisy_; }
  // After step 1: least squares, parts add up, may be negative.
  const std::vector<double>& consistent() const { return consistent_; }
  // After step 2: parts add up, none negative.
  const std::vector<double>& counts() const { return counts_; }
  // Of one node at `level`, as given.
  double variance(int level) const { return variances_[static_cast<std::size_t>(level - 1)]; }
  // The standard deviation of (consistent count below leaf `i`) - p (consistent total).
  double deviation(std::size_t i, double p) const;
  double edge(std::size_t i) const { return shape_.edge(i, lower_, upper_); }

 private:
  RankTree() = default;
  void average_upwards();
  void spread_downwards();
  void project();

  RankTreeShape shape_;
  double lower_ = 0;
  double upper_ = 0;
  std::vector<double> noisy_;
  std::vector<double> variances_;
  std::vector<double> combined_;  // of a node's own count and its parts', by level
  std::vector<double> consistent_;
  std::vector<double> counts_;
};

// The p-quantile, 0 <= p <= 1 (a bug otherwise). A tree whose counts add up to nothing knows only
// the bounds: it gives their middle, and both.
RankEstimate quantile(const RankTree& tree, double p);

// The outermost inhabited node's outer end; the range reaches from the declared bound to its inner
// end, and misses with probability at most height * beta / 2. Of several levels the node that says
// most counts. No inhabited node: the declared bound, and both as range.
RankEstimate least(const RankTree& tree);
RankEstimate greatest(const RankTree& tree);

}  // namespace entente::security
