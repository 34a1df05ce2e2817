// From released integers to figures with their error: merging the members' releases.
//
// Post-processing only: nothing here costs budget, and doubles are welcome. Counts and sums add;
// means and shares are ratios of sums, with the error of both propagated; their 95 % range is
// Fieller's (1954): all ratios r with (A - r C)^2 <= z^2 (Var A + r^2 Var C), which is exact for
// Gaussian noise however uncertain the denominator is, and falls back to the declared bounds when
// it may be zero. The range covers the noise alone, as its name in every output says. Totals over
// groups are sums of the same released cells, so they are free. Threads: any; pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "federation/query/plan.h"
#include "federation/query/price.h"
#include "schemas/answer.h"

namespace entente::federation {

inline constexpr double kZ95 = 1.959963984540054;  // 97.5 % quantile of the standard normal

struct Estimate {
  double value = 0;
  double standard_error = 0;
  double lower = 0;  // of the 95 % range
  double upper = 0;
};

// One member's release of its part of a plan.
struct MemberRelease {
  const MemberPlan* plan = nullptr;
  const Price* price = nullptr;
  const Release* release = nullptr;
};

struct AnswerRow {
  std::vector<std::string> group;  // empty in a total
  std::uint32_t tick = 0;
  bool total = false;                           // over all groups of the plan
  std::vector<std::optional<Estimate>> values;  // one per item; absent when nobody answered for it
};

// Groups outer, ticks inner; then, when there is more than one group, a total for each tick.
std::vector<AnswerRow> merge_rows(const Plan& plan, const std::vector<MemberRelease>& releases);

// What a preview states: the expected half width of the 95 % range of each item in each group, from
// declared sizes and bounds only. Rows as merge_rows gives them, without ticks.
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
