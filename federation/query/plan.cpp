#include "federation/query/plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "federation/query/canonical_text.h"
#include "federation/query/limits.h"
#include "federation/query/plan_parts.h"
#include "federation/query/price.h"
#include "federation/query/suggest.h"
#include "schemas/base/limits.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace planning {

Error refuse_at(const Sentence& sentence, Span at, ErrorCode code, std::string what,
                std::string remedy) {
  const std::string& text = sentence.source.text;
  if (!text.empty()) {
    what = place(text, at.offset) + ": " + what + "\n" + pointed(text, at.offset);
  }
  return make_error(code, std::move(what), std::move(remedy));
}

std::string member_name(const MemberView& member) {
  return "'" + member.view->name + (member.label.empty() ? "" : "@" + member.label) + "'";
}

}  // namespace planning

namespace {

using planning::member_name;
using planning::refuse_at;

Result<std::optional<double>> epsilon_of(const Sentence& sentence, const PlanOptions& options) {
  const auto& written = sentence.options.epsilon;
  if (written && !(std::isfinite(written->value) && written->value > 0)) {
    return refuse_at(sentence, written->at, ErrorCode::epsilon_refused,
                     "epsilon is a positive number, not " + number_text(written->value),
                     "ask with an epsilon such as 0.2");
  }
  if (options.exact) return std::optional<double>();
  const std::optional<double> epsilon =
      written ? std::optional(written->value) : options.default_epsilon;
  if (!epsilon) {
    return make_error(ErrorCode::epsilon_refused, "the question does not say what it may cost",
                      "add WITH (epsilon = 0.2)");
  }
  if (!std::isfinite(*epsilon) || *epsilon <= 0) {
    return make_error(ErrorCode::epsilon_refused, "the default epsilon is not a positive number",
                      "set it to a number such as 0.2");
  }
  return epsilon;
}

// What each block of the member is charged, in 2^-40 rho: the most that epsilon allows, rounded
// down as a cap is, so that a question which names the whole cap fits it. The noise follows from
// this integer, so rounding it down errs on the side of privacy. An epsilon below one unit costs
// the least that counts.
Result<std::uint64_t> rho_of(const Sentence& sentence, const std::optional<double>& epsilon,
                             const MemberView& member) {
  if (!epsilon) return std::uint64_t{0};
  auto rho = security::rho_cap_of(*epsilon, member.view->delta);
  if (!rho) rho = security::rho_cost_of(*epsilon, member.view->delta);
  if (rho) return rho->units;
  const Span at = sentence.options.epsilon ? sentence.options.epsilon->at : Span{};
  return refuse_at(sentence, at, ErrorCode::epsilon_refused,
                   member_name(member) + ": " + rho.error().what, rho.error().remedy);
}

Outcome check_size(const Sentence& sentence, const MemberView& member, std::size_t groups,
                   std::size_t ticks) {
  if (groups * ticks <= limits::kCells) return {};
  const Span at = sentence.every              ? sentence.every->at
                  : sentence.group_by.empty() ? Span{}
                                              : sentence.group_by.front().at;
  return refuse_at(sentence, at, ErrorCode::shape_refused,
                   std::to_string(groups) + " groups times " + std::to_string(ticks) +
                       " cells in time at " + member_name(member) + " are more than " +
                       std::to_string(limits::kCells),
                   "ask for fewer groups, longer cells or a shorter window");
}

bool fits_with(Question question, std::uint8_t height) {
  question.tree_height = height;
  const auto shapes = shapes_of(question);
  return release_bytes(question, shapes.size(), integers_of(shapes), limits::kBlocks) <=
         limits::kReleaseBytes;
}

// One height for all members, since trees are added node by node, from what everybody knows: as
// many levels as the largest member's declared units can fill, fewer where an answer would be too
// long. Two levels tell 256 parts of the bounds apart, and are refused later where even they do not
// fit.
void choose_trees(std::span<const MemberView> members, Plan& plan) {
  const bool ranks = std::any_of(plan.items.begin(), plan.items.end(),
                                 [](const PlannedItem& item) { return is_rank(item.aggregate); });
  if (!ranks) return;
  std::uint8_t height = kTreeHeightFew;
  for (std::size_t m = 0; m < plan.members.size(); ++m) {
    const bool many = members[m].view->declared_units() >= kTreeUnitsMany;
    if (plan.members[m].question && many) height = kTreeHeightMany;
  }
  for (const MemberPlan& member : plan.members) {
    const auto& question = member.question;
    while (question && height > kTreeHeightFew && !fits_with(*question, height)) --height;
  }
  for (MemberPlan& member : plan.members) {
    if (member.question) member.question->tree_height = height;
  }
}

}  // namespace

Result<Plan> plan(const Sentence& sentence, std::span<const MemberView> members,
                  const PlanOptions& options) {
  ENTENTE_CHECK(!members.empty());
  if (sentence.options.mode == Mode::sum) {
    return refuse_at(sentence, sentence.options.mode_at, ErrorCode::query_unsupported,
                     "mode 'sum' (secure aggregation) is not answered in this version",
                     "ask with mode = 'each', which is the default");
  }
  const auto epsilon = epsilon_of(sentence, options);
  if (!epsilon) return epsilon.error();
  auto grouping = planning::plan_groups(sentence, members);
  if (!grouping) return std::move(grouping).error();
  std::vector<MemberView> asked;
  for (std::size_t m = 0; m < members.size(); ++m) {
    if (!grouping->members[m].groups.empty()) asked.push_back(members[m]);
  }
  const auto window = planning::plan_window(sentence, asked, options);
  if (!window) return window.error();
  const Duration cell_length = window->every.value_or(window->window.length());
  auto selection = planning::plan_selection(sentence, asked, options, cell_length);
  if (!selection) return std::move(selection).error();

  Plan plan;
  plan.items = std::move(selection->labels);
  for (const Name& key : sentence.group_by) plan.group_keys.push_back(key.text);
  plan.groups = std::move(grouping->groups);
  plan.window = window->window;
  plan.epsilon = *epsilon;
  if (sentence.options.purpose) plan.purpose = sentence.options.purpose->text;
  const std::size_t tick_count =
      static_cast<std::size_t>(window->window.length().ns / cell_length.ns);
  for (std::size_t i = 0; i < tick_count; ++i) {
    const Instant from = window->window.from + cell_length * static_cast<std::int64_t>(i);
    plan.ticks.push_back({from, from + cell_length});
  }
  // Of one member alone, as plan_groups has checked.
  for (const std::string& key : grouping->members.front().private_keys) {
    const auto at = std::find(plan.group_keys.begin(), plan.group_keys.end(), key);
    plan.private_places.push_back(static_cast<std::size_t>(at - plan.group_keys.begin()));
  }
  std::map<DeltaUnits, std::uint64_t> rho_by_delta;  // the conversion is a search, and slow
  for (std::size_t m = 0; m < members.size(); ++m) {
    auto& groups = grouping->members[m];
    MemberPlan& made = plan.members.emplace_back();
    if (groups.groups.empty()) continue;
    auto fits = check_size(sentence, members[m], groups.groups.size(), tick_count);
    if (!fits) return std::move(fits).error();
    const auto [rho, is_new] = rho_by_delta.emplace(members[m].view->delta, 0);
    if (is_new) {
      const auto cost = rho_of(sentence, *epsilon, members[m]);
      if (!cost) return cost.error();
      rho->second = *cost;
    }
    made.groups = std::move(groups.global);
    made.question = {members[m].view->name,
                     export_hash(*members[m].view),
                     selection->columns,
                     selection->items,
                     std::move(groups.keys),
                     std::move(groups.groups),
                     window->window,
                     window->every,
                     rho->second,
                     0,
                     std::move(groups.private_keys)};
  }
  if (!options.exact) choose_trees(members, plan);
  return plan;
}

}  // namespace entente::federation
