#include <algorithm>

#include "federation/query/plan.h"
#include "federation/query/plan_parts.h"
#include "schemas/base/limits.h"

namespace entente::federation {
namespace {

Error shape(std::string what) {
  return make_error(ErrorCode::shape_refused, std::move(what));
}

Outcome check_columns(const Question& question, const ExportView& view) {
  std::vector<bool> used(question.columns.size(), false);
  const auto use = [&](const Predicate& predicate) {
    for (const PredicateNode& node : predicate) {
      if (const auto* compare = std::get_if<Compare>(&node)) used[compare->column] = true;
    }
  };
  for (const Item& item : question.items) {
    if (item.column) used[*item.column] = true;
    use(item.predicate);
  }
  for (std::size_t i = 0; i < question.columns.size(); ++i) {
    const Column& column = question.columns[i];
    const std::string name = std::string(to_text(column.reducer)) + " of '" + column.signal + "'";
    if (!used[i]) return shape(name + " is folded for no item");
    if (std::find(question.columns.begin(),
                  question.columns.begin() + static_cast<std::ptrdiff_t>(i),
                  column) != question.columns.begin() + static_cast<std::ptrdiff_t>(i)) {
      return shape(name + " is folded twice in the same way");
    }
    const Measure* measure = view.measure(column.signal);
    if (measure == nullptr) return shape("'" + view.name + "' offers no '" + column.signal + "'");
    const ReducerBounds* bounds = measure->bounds_for(column.reducer);
    if (bounds == nullptr) return shape("'" + view.name + "' declares no bounds for " + name);
    if (column.lower < bounds->lower || column.upper > bounds->upper) {
      return shape("the bounds asked for " + name + " are wider than the export's");
    }
  }
  return {};
}

Outcome check_groups(const Question& question, const ExportView& view) {
  std::vector<std::size_t> keys;
  for (const std::string& key : question.group_keys) {
    const auto found = std::find(view.keys.begin(), view.keys.end(), key);
    if (found == view.keys.end())
      return shape("'" + key + "' is no public key of '" + view.name + "'");
    keys.push_back(static_cast<std::size_t>(found - view.keys.begin()));
    if (keys.size() > 1 && keys[keys.size() - 2] >= keys.back()) {
      return shape("the group keys are not in the export's order");
    }
  }
  auto next = view.private_keys.begin();
  for (const std::string& key : question.private_keys) {
    next = std::find(next, view.private_keys.end(), key);
    if (next == view.private_keys.end()) {
      return shape("'" + key + "' is no private key of '" + view.name +
                   "', or not in the export's order");
    }
    ++next;
  }
  std::uint32_t first = 0;
  for (std::size_t g = 0; g < question.groups.size(); ++g) {
    const Group& group = question.groups[g];
    if (g > 0 && group.cells.front() <= first)
      return shape("the groups are not in the cells' order");
    first = group.cells.front();
    for (const std::uint32_t cell : group.cells) {
      if (cell >= view.cells.size()) return shape("a cell is not one of '" + view.name + "'");
      for (std::size_t k = 0; k < keys.size(); ++k) {
        if (view.cells[cell].values[keys[k]] != group.values[k]) {
          return shape("a cell does not have its group's value of '" + question.group_keys[k] +
                       "'");
        }
      }
    }
  }
  return {};
}

Outcome check_items(const Question& question) {
  for (const Item& item : question.items) {
    if (!is_rank(item.aggregate) || question.tree_height > 0) continue;
    return shape(std::string(to_text(item.aggregate)) + " is asked for without a tree's height");
  }
  if (question.rho_per_block == 0) {
    return make_error(ErrorCode::epsilon_refused, "epsilon is 0: the question offers no charge");
  }
  return {};
}

}  // namespace

Outcome check_question(const Question& question, const ExportView& view, Instant now) {
  if (question.export_name != view.name)
    return shape("the question is not about '" + view.name + "'");
  if (question.export_hash != export_hash(view)) {
    return shape("the question was planned for another version of '" + view.name + "'");
  }
  if (auto valid = check_items(question); !valid) return valid;
  if (auto valid = check_groups(question, view); !valid) return valid;
  if (auto valid = check_columns(question, view); !valid) return valid;
  if (question.every == question.window.length()) return shape("EVERY is as long as the window");
  return planning::check_window(question.window, question.every, view, now);
}

}  // namespace entente::federation
