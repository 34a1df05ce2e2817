#include "federation/query/exact.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "federation/query/bins.h"
#include "federation/query/release.h"

namespace entente::federation {
namespace {

// The units of one row, as pointers to their columns in one tick.
using Units = std::vector<const double*>;

double quantile_of(std::vector<double> values, double rank) {
  std::sort(values.begin(), values.end());
  const double at = rank * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

std::vector<double> histogram_of(const std::vector<double>& values,
                                 const std::vector<double>& edges) {
  std::vector<double> counts(edges.size() - 1, 0);
  for (const double value : values) {
    if (const auto bin = bin_of(edges, value)) counts[*bin] += 1;
  }
  return counts;
}

std::vector<double> of_values(const Item& item, const std::vector<double>& values) {
  if (values.empty()) return {};
  const double n = static_cast<double>(values.size());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  const auto variance = [&] {
    const double mean = sum / n;
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return squares / n;
  };
  switch (item.aggregate) {
    case Aggregate::sum:
      return {sum};
    case Aggregate::mean:
      return {sum / n};
    case Aggregate::variance:
      return {variance()};
    case Aggregate::stddev:
      return {std::sqrt(variance())};
    case Aggregate::min:
      return {*std::min_element(values.begin(), values.end())};
    case Aggregate::max:
      return {*std::max_element(values.begin(), values.end())};
    case Aggregate::median:
      return {quantile_of(values, 0.5)};
    case Aggregate::quantile:
      return {quantile_of(values, item.rank)};
    case Aggregate::histogram:
      return histogram_of(values, item.edges);
    case Aggregate::count:
      return {n};
    case Aggregate::share:
      return {};
  }
  return {};
}

std::vector<double> blend(const Item& item, const std::vector<Column>& columns,
                          const Units& units) {
  if (!item.predicate.empty()) {
    double satisfying = 0, decided = 0;
    for (const double* values : units) {
      const auto truth = holds(item.predicate, values);
      decided += truth.has_value() ? 1 : 0;
      satisfying += truth.value_or(false) ? 1 : 0;
    }
    if (item.aggregate == Aggregate::count) return {satisfying};
    return decided > 0 ? std::vector<double>{satisfying / decided} : std::vector<double>{};
  }
  if (!item.column) return {static_cast<double>(units.size())};
  std::vector<double> present;
  for (const double* values : units) {
    const Column& column = columns[*item.column];
    const double value = values[*item.column];
    if (!std::isnan(value)) present.push_back(std::clamp(value, column.lower, column.upper));
  }
  return of_values(item, present);
}

}  // namespace

std::vector<ExactRow> blend_exact(const Question& question, const ExportView& view,
                                  const FoldedTable& folded) {
  const std::size_t ticks = question.tick_count(), groups = question.groups.size();
  constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::vector<std::size_t> group_of(view.cells.size(), kNone);
  for (std::size_t g = 0; g < groups; ++g) {
    for (const std::uint32_t cell : question.groups[g].cells) group_of.at(cell) = g;
  }
  using Place = std::pair<std::size_t, std::vector<std::string>>;
  std::map<Place, std::vector<const FoldedUnit*>> members;
  if (question.private_keys.empty()) {
    for (std::size_t g = 0; g < groups; ++g) members[{g, {}}];
  }
  std::vector<const FoldedUnit*> all;
  for (const FoldedUnit& unit : folded.units) {
    if (group_of.at(unit.cell) == kNone) continue;
    members[{group_of[unit.cell], unit.keys}].push_back(&unit);
    all.push_back(&unit);
  }
  const auto row = [&](ExactRow made, const std::vector<const FoldedUnit*>& of) {
    Units units;
    for (const FoldedUnit* unit : of) {
      units.push_back(unit->values.data() + made.tick * question.columns.size());
    }
    for (const Item& item : question.items)
      made.values.push_back(blend(item, question.columns, units));
    return made;
  };
  std::vector<ExactRow> rows;
  for (const auto& [place, of] : members) {
    for (std::uint32_t t = 0; t < ticks; ++t) {
      rows.push_back(row({place.first, t, false, {}, place.second}, of));
    }
  }
  // A unit that lies in several groups would count more than once in a total.
  if (groups > 1 && view.unit == "twin" && question.private_keys.empty()) {
    for (std::uint32_t t = 0; t < ticks; ++t) rows.push_back(row({0, t, true, {}, {}}, all));
  }
  return rows;
}

}  // namespace entente::federation
