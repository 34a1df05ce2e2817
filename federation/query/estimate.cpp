#include "federation/query/estimate.h"

#include <algorithm>
#include <cmath>

namespace entente::federation {
namespace {

// A sum of released coordinates: its value and the variance of its noise.
struct Noisy {
  double value = 0;
  double variance = 0;
  void add(double v, double noise) { value += v, variance += noise; }
};

// The coordinates of one item, added over members (and over groups for a total).
struct ItemSums {
  Noisy first;   // count, sum, satisfying, or the centred sum
  Noisy second;  // present or decided: the denominator
  double centre = 0;
  double lower = 0;
  double upper = 0;
  bool any = false;
};

Estimate of_sum(const Noisy& sum, double least) {
  Estimate estimate;
  estimate.standard_error = std::sqrt(sum.variance);
  estimate.value = std::max(sum.value, least);
  estimate.lower = std::max(sum.value - kZ95 * estimate.standard_error, least);
  estimate.upper = std::max(sum.value + kZ95 * estimate.standard_error, least);
  return estimate;
}

// numerator / denominator, shifted by `centre`, within [lower, upper].
Estimate of_ratio(const Noisy& top, const Noisy& bottom, double centre, double lower,
                  double upper) {
  Estimate estimate;
  const double ratio = top.value / std::max(bottom.value, 1.0);
  estimate.value = std::clamp(centre + ratio, lower, upper);
  const double error = std::sqrt(top.variance + ratio * ratio * bottom.variance);
  estimate.standard_error = error / std::max(bottom.value, 1.0);
  const double z2 = kZ95 * kZ95;
  const double a = bottom.value * bottom.value - z2 * bottom.variance;
  if (bottom.value <= 0 || a <= 0) {
    estimate.lower = lower;
    estimate.upper = upper;
    return estimate;
  }
  const double b = top.value * bottom.value;
  const double c = top.value * top.value - z2 * top.variance;
  const double root = std::sqrt(std::max(b * b - a * c, 0.0));
  estimate.lower = std::clamp(centre + (b - root) / a, lower, upper);
  estimate.upper = std::clamp(centre + (b + root) / a, lower, upper);
  return estimate;
}

std::optional<Estimate> estimate_of(Aggregate aggregate, const ItemSums& sums) {
  if (!sums.any) return {};
  switch (aggregate) {
    case Aggregate::count:
      return of_sum(sums.first, 0);
    case Aggregate::sum:
      return of_sum(sums.first, -INFINITY);
    case Aggregate::share:
      return of_ratio(sums.first, sums.second, 0, 0, 1);
    case Aggregate::mean:
      return of_ratio(sums.first, sums.second, sums.centre, sums.lower, sums.upper);
    default:
      return {};
  }
}

bool is_denominator(StatisticKind kind) {
  return kind == StatisticKind::present || kind == StatisticKind::decided;
}

void add_statistic(ItemSums& sums, const StatisticLayout& layout, const Question& question,
                   double value, double variance) {
  sums.any = true;
  (is_denominator(layout.kind) ? sums.second : sums.first).add(value, variance);
  if (layout.kind == StatisticKind::centred_sum) {
    const Column& column = question.columns[layout.column];
    sums.centre = layout.lattice.centre();
    sums.lower = column.lower;
    sums.upper = column.upper;
  }
}

// One row of sums per global group and tick.
using Table = std::vector<std::vector<ItemSums>>;

Table sums_of(const Plan& plan, const std::vector<MemberRelease>& releases) {
  const std::size_t ticks = plan.ticks.size();
  Table table(plan.groups.size() * ticks, std::vector<ItemSums>(plan.items.size()));
  for (const MemberRelease& member : releases) {
    for (const ReleasedCell& cell : member.release->cells) {
      std::vector<ItemSums>& row = table.at(member.plan->groups.at(cell.group) * ticks + cell.tick);
      for (std::size_t s = 0; s < member.price->layout.size(); ++s) {
        const StatisticLayout& layout = member.price->layout[s];
        const int exponent = layout.lattice.exponent();
        add_statistic(row[layout.item], layout, *member.plan->question,
                      std::ldexp(static_cast<double>(cell.mantissas[s]), exponent),
                      std::ldexp(static_cast<double>(layout.variance), 2 * exponent));
      }
    }
  }
  return table;
}

void add_sums(ItemSums& into, const ItemSums& from) {
  if (!from.any) return;
  into.any = true;
  into.first.add(from.first.value, from.first.variance);
  into.second.add(from.second.value, from.second.variance);
  into.centre = from.centre;
  into.lower = from.lower;
  into.upper = from.upper;
}

AnswerRow row_of(const Plan& plan, const std::vector<ItemSums>& sums) {
  AnswerRow row;
  for (std::size_t i = 0; i < plan.items.size(); ++i) {
    row.values.push_back(estimate_of(plan.items[i].aggregate, sums[i]));
  }
  return row;
}

// The declared units of a member's group.
double declared(const PreviewMember& member, std::size_t group) {
  double units = 0;
  for (const std::uint32_t cell : member.plan->question->groups[group].cells) {
    units += member.view->cells[cell].units;
  }
  return units;
}

}  // namespace

std::vector<AnswerRow> merge_rows(const Plan& plan, const std::vector<MemberRelease>& releases) {
  const Table table = sums_of(plan, releases);
  const std::size_t ticks = plan.ticks.size();
  std::vector<AnswerRow> rows;
  for (std::size_t g = 0; g < plan.groups.size(); ++g) {
    for (std::size_t t = 0; t < ticks; ++t) {
      AnswerRow row = row_of(plan, table[g * ticks + t]);
      row.group = plan.groups[g];
      row.tick = static_cast<std::uint32_t>(t);
      rows.push_back(std::move(row));
    }
  }
  if (plan.groups.size() < 2) return rows;
  for (std::size_t t = 0; t < ticks; ++t) {
    std::vector<ItemSums> total(plan.items.size());
    for (std::size_t g = 0; g < plan.groups.size(); ++g) {
      for (std::size_t i = 0; i < total.size(); ++i) add_sums(total[i], table[g * ticks + t][i]);
    }
    AnswerRow row = row_of(plan, total);
    row.tick = static_cast<std::uint32_t>(t);
    row.total = true;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ExpectedError> expected_errors(const Plan& plan,
                                           const std::vector<PreviewMember>& members) {
  // As if every declared unit had a value in the middle of its bounds: half of them satisfy a
  // predicate, and a mean's numerator is the noise alone.
  Table table(plan.groups.size(), std::vector<ItemSums>(plan.items.size()));
  for (const PreviewMember& member : members) {
    for (std::size_t g = 0; g < member.plan->groups.size(); ++g) {
      const double units = declared(member, g);
      for (const StatisticLayout& layout : member.price->layout) {
        const double variance =
            std::ldexp(static_cast<double>(layout.variance), 2 * layout.lattice.exponent());
        const bool half = layout.kind == StatisticKind::satisfying;
        const bool counts =
            layout.kind != StatisticKind::sum && layout.kind != StatisticKind::centred_sum;
        add_statistic(table[member.plan->groups[g]][layout.item], layout, *member.plan->question,
                      counts ? units * (half ? 0.5 : 1.0) : 0.0, variance);
      }
    }
  }
  const auto errors = [&](const std::vector<ItemSums>& sums) {
    ExpectedError row;
    for (std::size_t i = 0; i < plan.items.size(); ++i) {
      const auto estimate = estimate_of(plan.items[i].aggregate, sums[i]);
      row.half_width.push_back(estimate ? kZ95 * estimate->standard_error : 0);
    }
    return row;
  };
  std::vector<ExpectedError> rows;
  std::vector<ItemSums> total(plan.items.size());
  for (std::size_t g = 0; g < plan.groups.size(); ++g) {
    rows.push_back(errors(table[g]));
    rows.back().group = plan.groups[g];
    for (std::size_t i = 0; i < total.size(); ++i) add_sums(total[i], table[g][i]);
  }
  if (plan.groups.size() > 1) {
    rows.push_back(errors(total));
    rows.back().total = true;
  }
  return rows;
}

}  // namespace entente::federation
