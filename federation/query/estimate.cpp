#include "federation/query/estimate.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "security/privacy/rank_estimate.h"

namespace entente::federation {
namespace {

// One coordinate of a row, added over members (and over groups for a total).
struct Sum {
  std::vector<double> values;  // as many as the statistic is wide
  double variance = 0;         // of the noise on each
  Noisy first() const { return {values.front(), variance}; }
};

// The coordinates in the layout's order; empty when nobody answered.
using Row = std::vector<Sum>;

void add(Row& into, const Row& from) {
  if (from.empty()) return;
  if (into.empty()) {
    into = from;
    return;
  }
  ENTENTE_CHECK(into.size() == from.size());
  for (std::size_t s = 0; s < into.size(); ++s) {
    ENTENTE_CHECK(into[s].values.size() == from[s].values.size());
    for (std::size_t i = 0; i < into[s].values.size(); ++i) {
      into[s].values[i] += from[s].values[i];
    }
    into[s].variance += from[s].variance;
  }
}

double variance_of(const StatisticLayout& layout) {
  return std::ldexp(static_cast<double>(layout.variance), 2 * layout.exponent());
}

// A unit adds q^2 - floor(W^2 / 2) steps, W being half the width of the bounds rounded up to whole
// steps; from here on as if it had been half of the square of that width itself.
void even_squares(const Question& question, const Price& price, Row& row) {
  for (std::size_t s = 0; s < price.layout.size(); ++s) {
    const StatisticLayout& squares = price.layout[s];
    if (squares.kind != StatisticKind::squares) continue;
    const Column& column = question.columns[squares.column];
    const double half = (column.upper - column.lower) / 2;
    const std::int64_t most = squares.lattice.bound();
    const double taken = std::ldexp(static_cast<double>(most * most / 2), squares.exponent());
    for (std::size_t p = 0; p < price.layout.size(); ++p) {
      const StatisticLayout& present = price.layout[p];
      if (present.kind != StatisticKind::present || present.column != squares.column) continue;
      row[s].values.front() += row[p].values.front() * (taken - half * half / 2);
    }
  }
}

// Exponents and variances are the price's, but for cells of earlier releases that were added up.
Row row_of(const Question& question, const Price& price, const Release& release,
           const ReleasedCell& cell) {
  Row row;
  std::size_t next = 0;
  const bool composed = !release.composed_of.empty();
  for (const Statistic& statistic : composed ? release.statistics : price.statistics) {
    Sum sum{{}, std::ldexp(static_cast<double>(statistic.variance), 2 * statistic.exponent)};
    sum.values.reserve(statistic.width);
    for (std::uint32_t i = 0; i < statistic.width; ++i) {
      const auto mantissa = static_cast<double>(cell.mantissas.at(next++));
      sum.values.push_back(std::ldexp(mantissa, statistic.exponent));
    }
    row.push_back(std::move(sum));
  }
  even_squares(question, price, row);
  return row;
}

// What the sums of one row say about each item of a question; all members' questions have the same
// items, columns and statistics.
class Reading {
 public:
  Reading(const Question& question, const std::vector<StatisticShape>& shapes, const Row& row)
      : question_(question), shapes_(shapes), row_(row) {}

  std::optional<Estimate> value(std::size_t item) {
    const Item& asked = question_.items[item];
    using K = StatisticKind;
    switch (asked.aggregate) {
      case Aggregate::count:
        return of_sum(noisy(item, asked.predicate.empty() ? K::members : K::satisfying), 0);
      case Aggregate::sum:
        return of_sum(noisy(item, K::sum), -INFINITY);
      case Aggregate::share:
        return of_ratio(noisy(item, K::satisfying), noisy(item, K::decided), 0, 0, 1);
      case Aggregate::mean: {
        const Column& column = question_.columns[*asked.column];
        return of_ratio(noisy(item, K::centred_sum), noisy(item, K::present),
                        column.lower + half_width(column), column.lower, column.upper);
      }
      case Aggregate::variance:
        return variance(item);
      case Aggregate::stddev:
        return of_deviation(variance(item));
      case Aggregate::min:
      case Aggregate::max:
      case Aggregate::median:
      case Aggregate::quantile:
        return rank(item);
      case Aggregate::histogram:
        break;
    }
    return {};
  }

  std::vector<Estimate> bins(std::size_t item) const {
    if (question_.items[item].aggregate != Aggregate::histogram) return {};
    const Sum& sum = row_[index(item, StatisticKind::bins)];
    std::vector<Estimate> bins;
    for (const double count : sum.values) bins.push_back(of_sum({count, sum.variance}, 0));
    return bins;
  }

 private:
  static double half_width(const Column& column) { return (column.upper - column.lower) / 2; }

  std::size_t index(std::size_t item, StatisticKind kind) const {
    for (std::size_t s = 0; s < shapes_.size(); ++s) {
      const auto& items = shapes_[s].items;
      if (shapes_[s].kind == kind && std::find(items.begin(), items.end(), item) != items.end()) {
        return s;
      }
    }
    ENTENTE_CHECK(false);
    return 0;
  }
  Noisy noisy(std::size_t item, StatisticKind kind) const {
    return row_[index(item, kind)].first();
  }

  Estimate variance(std::size_t item) const {
    const Column& column = question_.columns[*question_.items[item].column];
    return of_variance(noisy(item, StatisticKind::squares), noisy(item, StatisticKind::centred_sum),
                       noisy(item, StatisticKind::present), half_width(column));
  }

  // The column's tree, made consistent once for all items that read it.
  const std::optional<security::RankTree>& tree(std::size_t item) {
    const std::size_t first = index(item, StatisticKind::tree_level);
    const auto [found, is_new] = trees_.try_emplace(first);
    if (!is_new) return found->second;
    const Column& column = question_.columns[shapes_[first].column];
    std::vector<double> counts, variances;
    for (std::size_t s = first; s < first + question_.tree_height; ++s) {
      counts.insert(counts.end(), row_[s].values.begin(), row_[s].values.end());
      variances.push_back(row_[s].variance);
    }
    auto made = security::RankTree::make({question_.tree_height}, column.lower, column.upper,
                                         std::move(counts), std::move(variances));
    if (made) found->second = *std::move(made);
    return found->second;
  }

  std::optional<Estimate> rank(std::size_t item) {
    const Item& asked = question_.items[item];
    const auto& counts = tree(item);
    if (!counts) return {};
    security::RankEstimate found;
    if (asked.aggregate == Aggregate::min) {
      found = security::least(*counts);
    } else if (asked.aggregate == Aggregate::max) {
      found = security::greatest(*counts);
    } else {
      found = security::quantile(*counts, asked.aggregate == Aggregate::median ? 0.5 : asked.rank);
    }
    return Estimate{found.value, (found.upper - found.lower) / (2 * kZ95), found.lower,
                    found.upper};
  }

  const Question& question_;
  const std::vector<StatisticShape>& shapes_;
  const Row& row_;
  std::map<std::size_t, std::optional<security::RankTree>> trees_;  // by their first level
};

// The items and statistics that all members share.
struct Shared {
  const Question* question = nullptr;
  std::vector<StatisticShape> shapes;
  explicit Shared(const Plan& plan) {
    for (const MemberPlan& member : plan.members) {
      if (member.question) question = &*member.question;
    }
    ENTENTE_CHECK(question != nullptr);
    shapes = shapes_of(*question);
  }
};

AnswerRow figures_of(const Shared& shared, const Row& sums) {
  AnswerRow row;
  const std::size_t items = shared.question->items.size();
  row.values.resize(items);
  row.bins.resize(items);
  if (sums.empty()) return row;
  Reading reading(*shared.question, shared.shapes, sums);
  for (std::size_t i = 0; i < items; ++i) {
    row.values[i] = reading.value(i);
    row.bins[i] = reading.bins(i);
  }
  return row;
}

// A group's values with those of the private keys in their places.
std::vector<std::string> named_group(const Plan& plan, std::size_t group,
                                     const std::vector<std::string>& values) {
  std::vector<std::string> name = plan.groups[group];
  for (std::size_t i = 0; i < plan.private_places.size(); ++i) {
    name[plan.private_places[i]] = values.at(i);
  }
  return name;
}

// One site's cells as they were named: groups outer, then values, then ticks. No totals, since
// nobody knows what is missing from them.
std::vector<AnswerRow> named_rows(const Plan& plan, const Shared& shared,
                                  const std::vector<MemberRelease>& releases) {
  ENTENTE_CHECK(releases.size() <= 1);
  std::vector<AnswerRow> rows;
  for (const MemberRelease& member : releases) {
    for (const ReleasedCell& cell : member.release->cells) {
      AnswerRow row =
          figures_of(shared, row_of(*member.plan->question, *member.price, *member.release, cell));
      row.group = named_group(plan, member.plan->groups.at(cell.group), cell.values);
      row.tick = cell.tick;
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

// The declared units of a member's group; of one of private keys, as many as it takes to be named.
double declared(const PreviewMember& member, std::size_t group) {
  if (member.price->naming) return member.view->private_min_units;
  double units = 0;
  for (const std::uint32_t cell : member.plan->question->groups[group].cells) {
    units += member.view->cells[cell].units;
  }
  return units;
}

// What a statistic is expected to count or sum over `units` spread evenly over the bounds.
Sum expected_sum(const StatisticLayout& layout, const Question& question, double units) {
  Sum sum{std::vector<double>(layout.width, 0), variance_of(layout)};
  const auto each = [&](double value) { std::fill(sum.values.begin(), sum.values.end(), value); };
  switch (layout.kind) {
    case StatisticKind::members:
    case StatisticKind::present:
    case StatisticKind::decided:
    case StatisticKind::bins:
    case StatisticKind::tree_level:
      each(units / layout.width);
      break;
    case StatisticKind::satisfying:
      each(units / 2);
      break;
    case StatisticKind::squares: {
      // A third of the largest on the average, less the half that is taken from each.
      const Column& column = question.columns[layout.column];
      const double half = (column.upper - column.lower) / 2;
      each(-units * half * half / 6);
      break;
    }
    case StatisticKind::sum:
    case StatisticKind::centred_sum:
      break;
  }
  return sum;
}

ExpectedError errors_of(const Shared& shared, const Row& sums) {
  ExpectedError errors;
  const AnswerRow figures = figures_of(shared, sums);
  for (std::size_t i = 0; i < figures.values.size(); ++i) {
    const auto& bins = figures.bins[i];
    const auto one = bins.empty() ? figures.values[i] : std::optional(bins.front());
    errors.half_width.push_back(one ? kZ95 * one->standard_error : 0);
  }
  return errors;
}

}  // namespace

std::vector<AnswerRow> merge_rows(const Plan& plan, const std::vector<MemberRelease>& releases) {
  const Shared shared(plan);
  if (!plan.private_places.empty()) return named_rows(plan, shared, releases);
  const std::size_t ticks = plan.ticks.size();
  std::vector<Row> table(plan.groups.size() * ticks);
  for (const MemberRelease& member : releases) {
    for (const ReleasedCell& cell : member.release->cells) {
      add(table.at(member.plan->groups.at(cell.group) * ticks + cell.tick),
          row_of(*member.plan->question, *member.price, *member.release, cell));
    }
  }
  std::vector<AnswerRow> rows;
  for (std::size_t g = 0; g < plan.groups.size(); ++g) {
    for (std::size_t t = 0; t < ticks; ++t) {
      AnswerRow row = figures_of(shared, table[g * ticks + t]);
      row.group = plan.groups[g];
      row.tick = static_cast<std::uint32_t>(t);
      rows.push_back(std::move(row));
    }
  }
  const bool once = std::all_of(releases.begin(), releases.end(), [](const MemberRelease& one) {
    return one.price->groups_touched == 1;
  });
  if (plan.groups.size() < 2 || !once) return rows;
  for (std::size_t t = 0; t < ticks; ++t) {
    Row total;
    for (std::size_t g = 0; g < plan.groups.size(); ++g) add(total, table[g * ticks + t]);
    AnswerRow row = figures_of(shared, total);
    row.tick = static_cast<std::uint32_t>(t);
    row.total = true;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<ExpectedError> expected_errors(const Plan& plan,
                                           const std::vector<PreviewMember>& members) {
  const Shared shared(plan);
  std::vector<Row> table(plan.groups.size());
  for (const PreviewMember& member : members) {
    for (std::size_t g = 0; g < member.plan->groups.size(); ++g) {
      Row row;
      for (const StatisticLayout& layout : member.price->layout) {
        row.push_back(expected_sum(layout, *member.plan->question, declared(member, g)));
      }
      add(table[member.plan->groups[g]], row);
    }
  }
  std::vector<ExpectedError> rows;
  Row total;
  for (std::size_t g = 0; g < plan.groups.size(); ++g) {
    rows.push_back(errors_of(shared, table[g]));
    rows.back().group = named_group(
        plan, g, std::vector<std::string>(plan.private_places.size(), "(each named value)"));
    add(total, table[g]);
  }
  const bool once = std::all_of(members.begin(), members.end(), [](const PreviewMember& one) {
    return one.price->groups_touched == 1 && !one.price->naming;
  });
  if (plan.groups.size() > 1 && once) {
    rows.push_back(errors_of(shared, total));
    rows.back().total = true;
  }
  return rows;
}

}  // namespace entente::federation
