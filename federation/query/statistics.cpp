#include "federation/query/statistics.h"

#include <algorithm>
#include <cmath>

#include "security/privacy/noise.h"

namespace entente::federation {
namespace {

using security::Lattice;

// Steps per standard deviation of the noise, as a power of two.
constexpr int kFineness = 10;
// What a sum may reach, with noise: privacy.md 2.2, overflow condition.
constexpr unsigned __int128 kSumMost = static_cast<unsigned __int128>(1) << 62;

struct Shape {
  std::size_t item;
  StatisticKind kind;
  std::uint16_t column;
};

Result<std::vector<Shape>> shapes_of(const Question& question) {
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < question.items.size(); ++i) {
    const Item& item = question.items[i];
    const std::uint16_t column = item.column.value_or(0);
    switch (item.aggregate) {
      case Aggregate::count:
        shapes.push_back(
            {i, item.predicate.empty() ? StatisticKind::members : StatisticKind::satisfying,
             column});
        break;
      case Aggregate::share:
        shapes.push_back({i, StatisticKind::satisfying, column});
        shapes.push_back({i, StatisticKind::decided, column});
        break;
      case Aggregate::sum:
        shapes.push_back({i, StatisticKind::sum, column});
        break;
      case Aggregate::mean:
        shapes.push_back({i, StatisticKind::centred_sum, column});
        shapes.push_back({i, StatisticKind::present, column});
        break;
      default:
        return make_error(ErrorCode::query_unsupported,
                          std::string(to_text(item.aggregate)) +
                              " is not answered for partners yet; count, share, sum and mean are");
    }
  }
  return shapes;
}

// The largest amount by which one unit moves the coordinate, in its own unit of measure.
double reach_of(const Shape& shape, const Question& question) {
  const Column& column = question.columns.empty() ? Column{} : question.columns[shape.column];
  if (shape.kind == StatisticKind::sum) {
    return std::max(std::fabs(column.lower), std::fabs(column.upper));
  }
  if (shape.kind == StatisticKind::centred_sum) return (column.upper - column.lower) / 2;
  return 1;
}

Result<Lattice> lattice_of(const Shape& shape, const Question& question, int exponent) {
  const Column& column = question.columns.empty() ? Column{} : question.columns[shape.column];
  if (shape.kind == StatisticKind::sum) {
    return Lattice::make(column.lower, column.upper, 0, exponent);
  }
  if (shape.kind == StatisticKind::centred_sum) {
    return Lattice::make(column.lower, column.upper,
                         column.lower + (column.upper - column.lower) / 2, exponent);
  }
  return Lattice::make(0, 1, 0, exponent);
}

// ceil(bound^2 k M 2^40 / (2 rho)): 2^100 at most, since bound <= 2^25 or so by choice of exponent.
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
  return std::max<std::uint64_t>(static_cast<std::uint64_t>(variance), 1);
}

Outcome check_overflow(std::int64_t bound, std::uint64_t units, std::uint64_t variance) {
  const auto deviation = static_cast<std::uint64_t>(std::sqrt(static_cast<double>(variance))) + 1;
  const unsigned __int128 reach = static_cast<unsigned __int128>(bound) * units +
                                  (static_cast<unsigned __int128>(deviation) << 13);
  if (reach < kSumMost) return {};
  return make_error(ErrorCode::shape_refused, "the sums of this question could overflow");
}

}  // namespace

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

Result<std::vector<StatisticLayout>> lay_out(const Question& question, const ExportView& view) {
  if (question.rho_per_block == 0) {
    return make_error(ErrorCode::epsilon_refused, "the question names no charge");
  }
  auto shapes = shapes_of(question);
  if (!shapes) return std::move(shapes).error();
  auto blocks = weigh(question, view);
  if (!blocks) return std::move(blocks).error();
  const std::uint64_t weight = heaviest(*blocks), parts = shapes->size();
  // sigma of a coordinate that one unit moves by 1. Square roots are exactly rounded, and ilogb
  // reads an exponent: every machine chooses the same lattice.
  const double deviation = std::sqrt(static_cast<double>(parts) * static_cast<double>(weight) *
                                     0x1p39 / static_cast<double>(question.rho_per_block));
  std::vector<StatisticLayout> layout;
  for (const Shape& shape : *shapes) {
    const double reach = reach_of(shape, question);
    if (!(reach > 0) || !std::isfinite(reach)) {
      return make_error(ErrorCode::shape_refused, "bounds must be finite, lower below upper");
    }
    const bool counts =
        shape.kind != StatisticKind::sum && shape.kind != StatisticKind::centred_sum;
    const int coarsest = counts ? 0 : std::ilogb(reach) - kFineness;
    const int exponent = std::min(std::ilogb(reach * deviation) - kFineness, coarsest);
    auto lattice = lattice_of(shape, question, exponent);
    if (!lattice) return std::move(lattice).error();
    auto variance = variance_of(lattice->bound(), parts, weight, question.rho_per_block);
    if (!variance) return std::move(variance).error();
    if (auto fits = check_overflow(lattice->bound(), view.declared_units(), *variance); !fits) {
      return std::move(fits).error();
    }
    layout.push_back({shape.item, shape.kind, shape.column, *lattice, *variance});
  }
  return layout;
}

}  // namespace entente::federation
