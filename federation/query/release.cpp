#include "federation/query/release.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "federation/query/bins.h"
#include "federation/query/fold.h"
#include "schemas/base/limits.h"
#include "security/privacy/rank_tree.h"

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

// What one unit adds to a statistic: `steps` to the integer `at`, zero at most.
struct Contribution {
  std::int64_t steps = 0;
  std::size_t at = 0;
};

Contribution of_unit(const StatisticLayout& layout, const Question& question,
                     const double* values) {
  const std::int64_t one = layout.lattice.bound();
  if (layout.kind == StatisticKind::members) return {one};
  const auto truth = holds(question.items[layout.items.front()].predicate, values);
  const bool decided = layout.kind == StatisticKind::decided;
  return {(decided ? truth.has_value() : truth.value_or(false)) ? one : 0};
}

// The same for statistics of a column, of a unit that has a value.
Contribution of_value(const StatisticLayout& layout, const Question& question,
                      const double* values) {
  const std::int64_t one = layout.lattice.bound();
  const Column& column = question.columns[layout.column];
  switch (layout.kind) {
    case StatisticKind::sum:
    case StatisticKind::centred_sum:
      return {layout.lattice.quantise(values[layout.column])};
    case StatisticKind::squares: {
      const std::int64_t steps = layout.lattice.quantise(values[layout.column]);
      return {steps * steps - one * one / 2};
    }
    case StatisticKind::bins: {
      const auto bin = bin_of(question.items[layout.items.front()].edges,
                              std::clamp(values[layout.column], column.lower, column.upper));
      return bin ? Contribution{one, *bin} : Contribution{};
    }
    case StatisticKind::tree_level: {
      const security::RankTreeShape tree{question.tree_height};
      const auto path = tree.path(values[layout.column], column.lower, column.upper);
      return {one, path.at[layout.level - std::size_t{1}] - tree.level_begin(layout.level)};
    }
    default:
      return {one};
  }
}

bool reads_column(StatisticKind kind) {
  return kind != StatisticKind::members && kind != StatisticKind::satisfying &&
         kind != StatisticKind::decided;
}

// What one unit adds to one cell: every statistic once, to one of its integers.
void add_unit(const Question& question, const Price& price, const double* values,
              std::vector<std::int64_t>& sums) {
  std::size_t begin = 0;
  for (const StatisticLayout& layout : price.layout) {
    const bool column = reads_column(layout.kind);
    if (!column || !std::isnan(values[layout.column])) {
      const Contribution own =
          column ? of_value(layout, question, values) : of_unit(layout, question, values);
      sums[begin + own.at] += own.steps;
    }
    begin += layout.width;
  }
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
    const auto bound = static_cast<unsigned __int128>(layout.bound());
    if (bound * folded.units.size() >= kSumMost) {
      return make_error(ErrorCode::shape_refused, "the sums of this question could overflow");
    }
  }
  ExactVectors exact;
  const std::vector<std::uint32_t> groups = group_of_cell(question, view);
  const auto named = [&](const FoldedUnit& unit) {
    return NamedGroup{groups.at(unit.cell), unit.keys};
  };
  std::map<NamedGroup, std::size_t> place;
  if (price.naming) {
    for (const FoldedUnit& unit : folded.units) {
      if (groups.at(unit.cell) != kNoGroup) place.emplace(named(unit), 0);
    }
    for (auto& [group, at] : place) {
      at = exact.named.size();
      exact.named.push_back(group);
    }
  }
  exact.cells.assign((price.naming ? exact.named.size() : question.groups.size()) * ticks,
                     std::vector<std::int64_t>(integers_of(price.layout), 0));
  for (const FoldedUnit& unit : folded.units) {
    const std::uint32_t group = groups.at(unit.cell);
    if (group == kNoGroup) continue;
    const std::size_t row = price.naming ? place.at(named(unit)) : group;
    for (std::size_t tick = 0; tick < ticks; ++tick) {
      const double* values = unit.values.data() + tick * columns;
      add_unit(question, price, values, exact.cells[row * ticks + tick]);
    }
  }
  return exact;
}

namespace {

// What one more cell of a release comes to, at most, beyond what release_bytes counts for it.
std::size_t bytes_of_values(const ReleasedCell& cell) {
  std::size_t bytes = 16;
  for (const std::string& value : cell.values) bytes += 16 + value.size() + 8;
  return bytes;
}

// What a release may hold: the cells with the most noisy members, which were released anyway, so
// that leaving out the others tells nothing more.
std::vector<ReleasedCell> within_limits(const Question& question, const Price& price,
                                        std::vector<ReleasedCell> cells) {
  std::vector<std::size_t> order(cells.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return cells[a].mantissas[price.naming->integer] > cells[b].mantissas[price.naming->integer];
  });
  const std::size_t integers = integers_of(price.layout), statistics = price.layout.size();
  const std::size_t blocks = price.charges.size();
  const std::size_t own = question.groups.size() * question.tick_count();
  const std::size_t fixed = release_bytes(question, statistics, 0, blocks) - own * 16;
  std::vector<bool> kept(cells.size(), false);
  std::size_t bytes = fixed, count = 0;
  for (const std::size_t i : order) {
    bytes += 16 + 8 * integers + bytes_of_values(cells[i]);
    if (bytes > limits::kReleaseBytes || ++count > limits::kCells) break;
    kept[i] = true;
  }
  std::vector<ReleasedCell> out;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (kept[i]) out.push_back(std::move(cells[i]));
  }
  return out;
}

// Groups are named by their noisy number of members; only of those that are named the rest is
// drawn.
std::vector<ReleasedCell> named_cells(const Question& question, const Price& price,
                                      const ExactVectors& exact, security::NoiseSource& noise) {
  const std::size_t ticks = question.tick_count();
  const NamingRule& rule = *price.naming;
  std::vector<ReleasedCell> cells;
  for (std::size_t i = 0; i < exact.cells.size(); ++i) {
    const std::vector<std::int64_t>& sums = exact.cells[i];
    if (sums[rule.integer] < rule.exact_least) continue;
    const NamedGroup& group = exact.named[i / ticks];
    ReleasedCell cell{group.group, static_cast<std::uint32_t>(i % ticks), {}, group.values};
    std::int64_t members = 0;
    for (const StatisticLayout& layout : price.layout) {
      if (layout.kind == StatisticKind::members) {
        members = sums[rule.integer] + noise.gaussian(layout.variance);
      }
    }
    if (members < rule.noisy_least) continue;
    for (const StatisticLayout& layout : price.layout) {
      for (std::uint32_t of = 0; of < layout.width; ++of) {
        const std::size_t at = cell.mantissas.size();
        cell.mantissas.push_back(at == rule.integer ? members
                                                    : sums[at] + noise.gaussian(layout.variance));
      }
    }
    cells.push_back(std::move(cell));
  }
  return within_limits(question, price, std::move(cells));
}

}  // namespace

std::vector<ReleasedCell> add_noise(const Question& question, const Price& price,
                                    const ExactVectors& exact, security::NoiseSource& noise) {
  if (price.naming) return named_cells(question, price, exact, noise);
  const std::size_t ticks = question.tick_count();
  std::vector<ReleasedCell> cells;
  for (std::size_t i = 0; i < exact.cells.size(); ++i) {
    ReleasedCell cell{
        static_cast<std::uint32_t>(i / ticks), static_cast<std::uint32_t>(i % ticks), {}, {}};
    cell.mantissas.reserve(exact.cells[i].size());
    for (const StatisticLayout& layout : price.layout) {
      for (std::uint32_t of = 0; of < layout.width; ++of) {
        const std::int64_t sum = exact.cells[i][cell.mantissas.size()];
        cell.mantissas.push_back(sum + noise.gaussian(layout.variance));
      }
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

}  // namespace entente::federation
