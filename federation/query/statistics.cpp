#include "federation/query/statistics.h"

#include <algorithm>
#include <cmath>

#include "federation/query/contribution.h"
#include "security/privacy/noise.h"
#include "security/privacy/noise_grid.h"
#include "security/privacy/rank_tree.h"

namespace entente::federation {
namespace {

using security::Lattice;

static_assert(kTreeHeightMost == security::kRankHeightMost);

// Steps per standard deviation of the noise, as a power of two.
constexpr int kFineness = 10;
// What a sum may reach, with noise: privacy.md 2.2, overflow condition.
constexpr unsigned __int128 kSumMost = static_cast<unsigned __int128>(1) << 62;

// The same for squares, whose sigma lies between 2^20 and 2^24 steps.
constexpr int kSquareFineness = 22;

bool reads_predicate(StatisticKind kind) {
  return kind == StatisticKind::satisfying || kind == StatisticKind::decided;
}

// Whether both count or sum the same, so that one of them is enough.
bool same_statistic(const StatisticShape& a, const Item& of_a, const StatisticShape& b,
                    const Item& of_b) {
  if (a.kind != b.kind || a.column != b.column || a.level != b.level) return false;
  if (reads_predicate(a.kind)) return of_a.predicate == of_b.predicate;
  return a.kind != StatisticKind::bins || of_a.edges == of_b.edges;
}

// The coordinates of one item alone.
std::vector<StatisticShape> shapes_of(const Item& item, std::size_t index, std::uint8_t height) {
  using K = StatisticKind;
  const std::uint16_t column = item.column.value_or(0);
  const auto one = [&](K kind) { return StatisticShape{kind, {index}, column, 0, 1}; };
  switch (item.aggregate) {
    case Aggregate::count:
      return {one(item.predicate.empty() ? K::members : K::satisfying)};
    case Aggregate::share:
      return {one(K::satisfying), one(K::decided)};
    case Aggregate::sum:
      return {one(K::sum)};
    case Aggregate::mean:
      return {one(K::centred_sum), one(K::present)};
    case Aggregate::variance:
    case Aggregate::stddev:
      return {one(K::centred_sum), one(K::present), one(K::squares)};
    case Aggregate::histogram:
      return {{K::bins, {index}, column, 0, static_cast<std::uint32_t>(item.edges.size() - 1)}};
    case Aggregate::min:
    case Aggregate::max:
    case Aggregate::median:
    case Aggregate::quantile:
      break;
  }
  std::vector<StatisticShape> levels;
  for (std::uint8_t level = 1; level <= height; ++level) {
    const auto nodes = security::RankTreeShape{height}.level_size(level);
    levels.push_back({K::tree_level, {index}, column, level, static_cast<std::uint32_t>(nodes)});
  }
  return levels;
}

// The largest amount by which one unit's value moves a sum of them, in its own unit of measure.
double reach_of(const StatisticShape& shape, const Question& question) {
  if (counts_units(shape.kind)) return 1;
  const Column& column = question.columns[shape.column];
  if (shape.kind == StatisticKind::sum) {
    return std::max(std::fabs(column.lower), std::fabs(column.upper));
  }
  return (column.upper - column.lower) / 2;
}

// The step of the lattice, as a power of two; `deviation` is sigma of a coordinate that one unit
// moves by 1. ilogb reads an exponent, so every machine chooses the same.
int exponent_of(const StatisticShape& shape, double reach, double deviation) {
  if (shape.kind == StatisticKind::squares) {
    // W^2 / 2 times the deviation shall be 2^kSquareFineness or so; W is 2^half to 2^(half + 1).
    const int half = std::max((kSquareFineness - std::ilogb(deviation)) / 2, 0);
    return std::ilogb(reach) - half;
  }
  const int coarsest = counts_units(shape.kind) ? 0 : std::ilogb(reach) - kFineness;
  return std::min(std::ilogb(reach * deviation) - kFineness, coarsest);
}

Result<Lattice> lattice_of(const StatisticShape& shape, const Question& question, int exponent) {
  if (counts_units(shape.kind)) return Lattice::make(0, 1, 0, exponent);
  const Column& column = question.columns[shape.column];
  const double centre =
      shape.kind == StatisticKind::sum ? 0 : column.lower + (column.upper - column.lower) / 2;
  return Lattice::make(column.lower, column.upper, centre, exponent);
}

Outcome check_shape(const StatisticShape& shape, const Question& question) {
  if (shape.kind != StatisticKind::tree_level) return {};
  const Column& column = question.columns[shape.column];
  return security::check_rank_tree({question.tree_height}, column.lower, column.upper);
}

// ceil(bound^2 k M 2^40 / (2 rho)): what does not fit 128 bits is refused.
Result<std::uint64_t> variance_of(std::int64_t bound, std::uint64_t parts, std::uint64_t weight,
                                  std::uint64_t rho) {
  using Wide = unsigned __int128;
  const Wide squared = static_cast<Wide>(bound) * static_cast<Wide>(bound);
  const Wide factor = static_cast<Wide>(parts) * weight;
  Wide product = 0;
  if (__builtin_mul_overflow(squared, factor, &product) ||
      __builtin_mul_overflow(product, static_cast<Wide>(1) << 39, &product)) {
    return make_error(ErrorCode::epsilon_refused, "epsilon is too small for this question");
  }
  const Wide variance = (product + rho - 1) / rho;
  if (variance > security::kVarianceMost) {
    return make_error(ErrorCode::epsilon_refused, "epsilon is too small for this question");
  }
  // A grid point has a pool of draws; less than 19 % more variance buys that no answer waits.
  return security::grid_variance(std::max<std::uint64_t>(static_cast<std::uint64_t>(variance), 1));
}

Outcome check_overflow(std::int64_t bound, std::uint64_t units, std::uint64_t variance) {
  const auto deviation = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(variance))) + 1;
  const unsigned __int128 reach = static_cast<unsigned __int128>(bound) * units +
                                  (static_cast<unsigned __int128>(deviation) << 13);
  if (reach < kSumMost) return {};
  return make_error(ErrorCode::shape_refused, "the sums of this question could overflow");
}

}  // namespace

bool counts_units(StatisticKind kind) {
  return kind != StatisticKind::sum && kind != StatisticKind::centred_sum &&
         kind != StatisticKind::squares;
}

// floor(W^2 / 2) below and ceil(W^2 / 2) above zero.
std::int64_t StatisticLayout::bound() const {
  const std::int64_t most = lattice.bound();
  return kind == StatisticKind::squares ? (most * most + 1) / 2 : most;
}

int StatisticLayout::exponent() const {
  return kind == StatisticKind::squares ? 2 * lattice.exponent() : lattice.exponent();
}

Result<std::vector<security::BlockWeight>> weigh(const Question& question, const ExportView& view) {
  std::vector<TimeWindow> ticks;
  for (std::size_t i = 0; i < question.tick_count(); ++i) ticks.push_back(question.tick(i));
  return security::weigh_blocks(ticks, view.block, view.zone);
}

std::uint64_t heaviest(const std::vector<security::BlockWeight>& blocks) {
  std::uint64_t most = 1;
  for (const security::BlockWeight& block : blocks) most = std::max(most, block.weight);
  return most;
}

std::vector<StatisticShape> shapes_of(const Question& question) {
  std::vector<StatisticShape> shapes;
  for (std::size_t i = 0; i < question.items.size(); ++i) {
    for (StatisticShape& shape : shapes_of(question.items[i], i, question.tree_height)) {
      const auto known =
          std::find_if(shapes.begin(), shapes.end(), [&](const StatisticShape& other) {
            return same_statistic(shape, question.items[i], other,
                                  question.items[other.items.front()]);
          });
      if (known == shapes.end()) {
        shapes.push_back(std::move(shape));
      } else {
        known->items.push_back(i);
      }
    }
  }
  const auto members = [](const StatisticShape& one) { return one.kind == StatisticKind::members; };
  if (!question.private_keys.empty() && std::none_of(shapes.begin(), shapes.end(), members)) {
    shapes.push_back({StatisticKind::members, {}, 0, 0, 1});
  }
  return shapes;
}

Result<std::vector<StatisticLayout>> lay_out(const Question& question, const ExportView& view) {
  if (question.rho_per_block == 0) {
    return make_error(ErrorCode::epsilon_refused, "epsilon is 0: the question names no charge");
  }
  if (question.tree_height == 0 &&
      std::any_of(question.items.begin(), question.items.end(),
                  [](const Item& item) { return is_rank(item.aggregate); })) {
    return make_error(ErrorCode::shape_refused, "the question names no height of its trees");
  }
  auto shapes = shapes_of(question);
  auto blocks = weigh(question, view);
  if (!blocks) return std::move(blocks).error();
  const std::uint64_t weight = heaviest(*blocks);
  const std::uint64_t parts = shapes.size() * groups_touched(question, view);
  // Square roots are exactly rounded: every machine has the same.
  const double deviation = std::sqrt(static_cast<double>(parts) * static_cast<double>(weight) *
                                     0x1p39 / static_cast<double>(question.rho_per_block));
  std::vector<StatisticLayout> layout;
  for (StatisticShape& shape : shapes) {
    const double reach = reach_of(shape, question);
    if (!(reach > 0) || !std::isfinite(reach)) {
      return make_error(ErrorCode::shape_refused, "bounds must be finite, lower below upper");
    }
    if (auto fits = check_shape(shape, question); !fits) return std::move(fits).error();
    auto lattice = lattice_of(shape, question, exponent_of(shape, reach, deviation));
    if (!lattice) return std::move(lattice).error();
    StatisticLayout one{std::move(shape), *lattice, 0};
    auto variance = variance_of(one.bound(), parts, weight, question.rho_per_block);
    if (!variance) return std::move(variance).error();
    one.variance = *variance;
    if (auto fits = check_overflow(one.bound(), view.declared_units(), one.variance); !fits) {
      return std::move(fits).error();
    }
    layout.push_back(std::move(one));
  }
  return layout;
}

}  // namespace entente::federation
