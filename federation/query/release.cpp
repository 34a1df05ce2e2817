#include "federation/query/release.h"

#include <cmath>
#include <limits>

#include "federation/query/fold.h"

namespace entente::federation {
namespace {

// What a sum may reach; noise, at most 2^37, fits above it (noise.h).
constexpr unsigned __int128 kSumMost = static_cast<unsigned __int128>(1) << 62;
constexpr std::uint32_t kNoGroup = std::numeric_limits<std::uint32_t>::max();

// The group of each public cell; a cell is in one group at most.
std::vector<std::uint32_t> group_of_cell(const Question& question, const ExportView& view) {
  std::vector<std::uint32_t> groups(view.cells.size(), kNoGroup);
  for (std::uint32_t g = 0; g < question.groups.size(); ++g) {
    for (const std::uint32_t cell : question.groups[g].cells) groups.at(cell) = g;
  }
  return groups;
}

// What one unit adds to one statistic, in steps.
std::int64_t contribution(const StatisticLayout& layout, const Item& item, const double* values) {
  const std::int64_t one = layout.lattice.bound();
  switch (layout.kind) {
    case StatisticKind::members:
      return one;
    case StatisticKind::present:
      return std::isnan(values[layout.column]) ? 0 : one;
    case StatisticKind::satisfying:
      return holds(item.predicate, values).value_or(false) ? one : 0;
    case StatisticKind::decided:
      return holds(item.predicate, values).has_value() ? one : 0;
    case StatisticKind::sum:
    case StatisticKind::centred_sum:
      return std::isnan(values[layout.column]) ? 0 : layout.lattice.quantise(values[layout.column]);
  }
  return 0;
}

}  // namespace

std::optional<bool> holds(const Predicate& predicate, const double* values) {
  for (const PredicateNode& node : predicate) {
    const Compare* test = std::get_if<Compare>(&node);
    if (test != nullptr && std::isnan(values[test->column])) return {};
  }
  return satisfied(predicate, [&](std::uint16_t column) { return values[column]; });
}

Result<ExactVectors> aggregate(const Question& question, const ExportView& view, const Price& price,
                               const FoldedTable& folded) {
  const std::size_t ticks = question.tick_count(), columns = question.columns.size();
  for (const StatisticLayout& layout : price.layout) {
    const auto bound = static_cast<unsigned __int128>(layout.lattice.bound());
    if (bound * folded.units.size() >= kSumMost) {
      return make_error(ErrorCode::shape_refused, "the sums of this question could overflow");
    }
  }
  ExactVectors exact;
  exact.cells.assign(question.groups.size() * ticks,
                     std::vector<std::int64_t>(price.layout.size(), 0));
  const std::vector<std::uint32_t> groups = group_of_cell(question, view);
  for (const FoldedUnit& unit : folded.units) {
    const std::uint32_t group = groups.at(unit.cell);
    if (group == kNoGroup) continue;
    for (std::size_t tick = 0; tick < ticks; ++tick) {
      std::vector<std::int64_t>& sums = exact.cells[group * ticks + tick];
      const double* values = unit.values.data() + tick * columns;
      for (std::size_t s = 0; s < price.layout.size(); ++s) {
        const StatisticLayout& layout = price.layout[s];
        sums[s] += contribution(layout, question.items[layout.item], values);
      }
    }
  }
  return exact;
}

std::vector<ReleasedCell> add_noise(const Question& question, const Price& price,
                                    const ExactVectors& exact, security::NoiseSource& noise) {
  const std::size_t ticks = question.tick_count();
  std::vector<ReleasedCell> cells;
  for (std::size_t i = 0; i < exact.cells.size(); ++i) {
    ReleasedCell cell{
        static_cast<std::uint32_t>(i / ticks), static_cast<std::uint32_t>(i % ticks), {}};
    for (std::size_t s = 0; s < price.layout.size(); ++s) {
      cell.mantissas.push_back(exact.cells[i][s] + noise.gaussian(price.layout[s].variance));
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace entente::federation
