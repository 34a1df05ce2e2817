// From released integers to figures with their error: merging the members' releases.
//
// Post-processing only: nothing here costs budget, and doubles are welcome. The members' integers
// are added one by one, bin to bin and node to node, and their noise's variances with them; only
// then are figures made of the sums (estimators.h; of a tree security/privacy/rank_estimate.h,
// whose range of ranks is given as the range of values it spans). Totals over groups are sums of
// the same released cells, so they are free. The range covers the noise alone, as its name in every
// output says. Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/query/estimators.h"
#include "federation/query/plan.h"
#include "federation/query/price.h"
#include "schemas/answer.h"

namespace entente::federation {

// One member's release of its part of a plan.
struct MemberRelease {
  const MemberPlan* plan = nullptr;
  const Price* price = nullptr;
  const Release* release = nullptr;
};

struct AnswerRow {
  std::vector<std::string> group;  // empty in a total
  std::uint32_t tick = 0;
  bool total = false;  // over all groups of the plan
  // One per item; absent when nobody answered for it, and of histograms. The standard error of
  // quantiles, min and max is their range's half width in standard errors.
  std::vector<std::optional<Estimate>> values;
  std::vector<std::vector<Estimate>> bins;  // one per item; of histograms that somebody answered
};

// Groups outer, ticks inner; then, when there is more than one group, a total for each tick, unless
// a unit may be counted in several groups. Of private keys the cells that were released, in their
// order, and no total.
std::vector<AnswerRow> merge_rows(const Plan& plan, const std::vector<MemberRelease>& releases);

// What a preview states: the expected half width of the 95 % range of each item (of a histogram:
// of each bin) in each group, from declared sizes and bounds only: as if every declared unit had a
// value, spread evenly over the bounds, and half of them satisfied a predicate. Rows as merge_rows
// gives them, without ticks.
struct ExpectedError {
  std::vector<std::string> group;
  bool total = false;
  std::vector<double> half_width;  // one per item
};
struct PreviewMember {
  const MemberPlan* plan = nullptr;
  const Price* price = nullptr;
  const ExportView* view = nullptr;
};
std::vector<ExpectedError> expected_errors(const Plan& plan,
                                           const std::vector<PreviewMember>& members);

}  // namespace entente::federation
