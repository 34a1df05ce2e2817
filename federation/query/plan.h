// From a sentence to what each member site is asked: everything absolute, nothing left to
// interpret.
//
// Names become public cells, columns and bounds; windows become instants; epsilon becomes what each
// block is charged. The planner reads only public descriptions (ExportView) and the clock. Equal
// meaning gives equal canonical Question bytes: conditions are flattened and sorted, columns sorted
// and shared, group keys put into the export's order, windows written as instants.
//
// A site never trusts the asker's planner: check_question() repeats every rule that the site's own
// description can judge. Threads: any; both functions are pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "federation/query/ast.h"
#include "schemas/agreement.h"
#include "schemas/base/result.h"
#include "schemas/question.h"

namespace entente::federation {

// One export that the target stands for. `label` names the organisation as the asker calls it; it
// is the value of the key `organisation`. The view outlives the call.
struct MemberView {
  const ExportView* view = nullptr;
  std::string label;
};

// A system twin's property may narrow the bounds of a folded signal below those of its members.
struct BoundsOverride {
  std::string signal;
  Reducer reducer = Reducer::mean;
  double lower = 0;
  double upper = 0;
};

struct PlanOptions {
  Instant now;
  // How far a member's clock may be behind: relative windows end that much earlier.
  Duration skew;
  // For local users: no epsilon, and signals without declared bounds are unbounded.
  bool exact = false;
  std::optional<double> default_epsilon;
  std::vector<BoundsOverride> bounds;
};

struct PlannedItem {
  std::string label;  // as written, blanks collapsed
  std::string unit;   // of the answer; empty = dimensionless
  Aggregate aggregate = Aggregate::count;
  std::vector<double> edges;  // histogram: one more than bins
  bool operator==(const PlannedItem&) const = default;
};

// What one member is asked; `plan.members[i]` belongs to `members[i]`.
struct MemberPlan {
  std::optional<Question> question;  // absent: none of its public cells satisfies WHERE
  std::vector<std::size_t> groups;   // question->groups[i] is Plan::groups[groups[i]]
  bool operator==(const MemberPlan&) const = default;
};

struct Plan {
  std::vector<PlannedItem> items;
  std::vector<std::string> group_keys;  // as written
  // Values in group_keys' order; members in order. Empty texts stand for the private keys' values,
  // which only the site knows: the value of question.private_keys[i] belongs to private_places[i].
  std::vector<std::vector<std::string>> groups;
  std::vector<std::size_t> private_places;
  TimeWindow window;
  std::vector<TimeWindow> ticks;    // the answer's cells in time, at least one
  std::vector<MemberPlan> members;  // one for each member given; at least one has a question
  std::optional<double> epsilon;    // what each member's blocks are charged; absent when exact
  std::string purpose;
  Mode mode = Mode::each;
};

// Refuses, pointing at the place in the sentence: query_unknown_name (signal, key or value, with
// the nearest); shape_refused (keys that are not public, private keys in WHERE or of several
// members, bounds, ticks, windows, sizes beyond the limits); window_open (with the time from which
// it is answered); query_unsupported (modes that releases do not answer yet, members that differ in
// unit); epsilon_refused. At least one member.
[[nodiscard]] Result<Plan> plan(const Sentence& sentence, std::span<const MemberView> members,
                                const PlanOptions& options);

// Whether a partner's question keeps within `view`, so that it may be released: same export and
// hash, cells and group values as declared, signals and reducers offered, bounds within, ticks
// aligned, window closed, sizes within the limits, a tree's height where items need one, a charge
// above zero. `question` came from question_from_bytes, which has the rules that need no view.
// Refuses: shape_refused, window_open, query_unsupported, epsilon_refused. Says public names only.
[[nodiscard]] Outcome check_question(const Question& question, const ExportView& view, Instant now);

}  // namespace entente::federation
