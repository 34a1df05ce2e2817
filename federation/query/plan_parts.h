// The steps of plan(), one file each. Internal to this folder.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "federation/query/plan.h"

namespace entente::federation::planning {

// A refusal that shows the sentence and points at `at`; without text (a sentence made by a program)
// just the words.
Error refuse_at(const Sentence& sentence, Span at, ErrorCode code, std::string what,
                std::string remedy = {});
// "air@washington".
std::string member_name(const MemberView& member);

// WHERE and GROUP BY (plan_groups.cpp).
struct MemberGroups {
  std::vector<std::string> keys;          // the group keys that the view declares, in its order
  std::vector<std::string> private_keys;  // likewise
  std::vector<Group> groups;
  std::vector<std::size_t> global;
};
struct Grouping {
  std::vector<std::vector<std::string>> groups;
  std::vector<MemberGroups> members;  // one for each member; without groups where nothing matches
};
[[nodiscard]] Result<Grouping> plan_groups(const Sentence& sentence,
                                           std::span<const MemberView> members);

// OVER and EVERY (plan_window.cpp), for the members that are asked.
struct PlannedWindow {
  TimeWindow window;
  std::optional<Duration> every;  // absent when one cell spans the window
};
[[nodiscard]] Result<PlannedWindow> plan_window(const Sentence& sentence,
                                                std::span<const MemberView> asked,
                                                const PlanOptions& options);
// The rules of a window that one view can judge; the error has no place in a sentence.
[[nodiscard]] Outcome check_window(const TimeWindow& window, std::optional<Duration> every,
                                   const ExportView& view, Instant now);

// SELECT (plan_columns.cpp), for the members that are asked.
struct Selection {
  std::vector<Column> columns;  // sorted, none twice
  std::vector<Item> items;
  std::vector<PlannedItem> labels;
};
[[nodiscard]] Result<Selection> plan_selection(const Sentence& sentence,
                                               std::span<const MemberView> asked,
                                               const PlanOptions& options, Duration cell_length);

}  // namespace entente::federation::planning
