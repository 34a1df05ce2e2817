#include "federation/query/price.h"

#include <algorithm>

#include "federation/query/contribution.h"
#include "schemas/base/limits.h"
#include "security/privacy/blocks.h"
#include "security/privacy/threshold.h"

namespace entente::federation {

namespace {

// So that nobody pays for an answer that is too long to be read.
// Private keys may have as many values as there are units, each with a row of its own while it is
// not known which are named: bounded by what is declared, before anything is read.
Outcome check_private(const Question& question, const ExportView& view, std::size_t integers) {
  constexpr std::uint64_t kIntegers = 4'000'000;
  if (question.private_keys.empty()) return {};
  std::uint64_t units = 0;
  for (const auto& group : question.groups) units += view.units_within(group.cells);
  const unsigned __int128 rows = static_cast<unsigned __int128>(units) *
                                 groups_touched(question, view) * question.tick_count();
  if (rows * integers <= kIntegers) return {};
  return make_error(ErrorCode::shape_refused,
                    "private keys of " + std::to_string(units) + " units with " +
                        std::to_string(integers) + " numbers each and " +
                        std::to_string(question.tick_count()) + " cells in time are too many",
                    "ask with fewer cells in time, items or bins");
}

Outcome check_size(const Question& question, const std::vector<StatisticLayout>& layout,
                   std::size_t blocks) {
  const std::size_t integers = integers_of(layout);
  const std::size_t bytes = release_bytes(question, layout.size(), integers, blocks);
  if (bytes <= limits::kReleaseBytes) return {};
  return make_error(ErrorCode::shape_refused,
                    "the answer would have " + std::to_string(bytes) + " bytes, at most " +
                        std::to_string(limits::kReleaseBytes) +
                        " are sent: " + std::to_string(question.groups.size()) + " groups times " +
                        std::to_string(question.tick_count()) + " cells in time of " +
                        std::to_string(integers) + " numbers each",
                    "ask with fewer groups, cells in time, items or bins; each signal's median, "
                    "quantile, min and max need 272 numbers together, 4,368 where 1,000 units or "
                    "more are declared");
}

bool counts_members(const std::vector<StatisticLayout>& layout) {
  return std::any_of(layout.begin(), layout.end(),
                     [](const StatisticLayout& one) { return one.kind == StatisticKind::members; });
}

// Who is a member belongs to no day: counted day after day it would be asked of as many budgets. So
// count(*) is charged to the domain's lifetime besides, once for every tick that repeats it.
RhoUnits membership_charge(const Question& question, std::uint64_t heaviest_block) {
  const unsigned __int128 all =
      static_cast<unsigned __int128>(question.rho_per_block) * question.tick_count();
  const unsigned __int128 charge = (all + heaviest_block - 1) / heaviest_block;
  return {charge > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(charge)};
}

// All cells that one unit can be in, in any tick, stay unnamed together with probability 1 - delta
// if nobody else is in them.
Result<NamingRule> naming_rule(const Question& question, const ExportView& view,
                               const std::vector<StatisticLayout>& layout) {
  NamingRule rule;
  auto at = layout.begin();
  for (; at->kind != StatisticKind::members; ++at) rule.integer += at->width;
  const std::int64_t one = at->bound();
  security::ThresholdTerms terms{at->variance, one, view.private_delta, 1};
  terms.groups = static_cast<std::uint32_t>(groups_touched(question, view) * question.tick_count());
  auto threshold = security::threshold_of(terms);
  if (!threshold) return std::move(threshold).error();
  rule.exact_least = one * view.private_min_units;
  rule.noisy_least = *threshold + one * (std::int64_t{view.private_min_units} - 1);
  return rule;
}

}  // namespace

std::size_t release_bytes(const Question& question, std::size_t statistics, std::size_t integers,
                          std::size_t blocks) {
  constexpr std::size_t kFixed = 1'024, kCell = 16, kEach = 16, kMantissa = 8;
  const std::size_t cells = question.groups.size() * question.tick_count();
  return kFixed + cells * (kCell + kMantissa * integers) + kEach * (statistics + blocks);
}

Result<Price> price_of(const Question& question, const ExportView& view) {
  auto layout = lay_out(question, view);
  if (!layout) return std::move(layout).error();
  auto blocks = weigh(question, view);
  if (!blocks) return std::move(blocks).error();
  if (auto fits = check_size(question, *layout, blocks->size()); !fits) {
    return std::move(fits).error();
  }
  if (auto fits = check_private(question, view, integers_of(*layout)); !fits) {
    return std::move(fits).error();
  }
  Price price;
  for (const StatisticLayout& one : *layout) {
    price.statistics.push_back({one.exponent(), one.variance, one.width});
  }
  price.layout = std::move(*layout);
  price.groups_touched = groups_touched(question, view);
  const std::uint64_t most = heaviest(*blocks);
  for (const security::BlockWeight& block : *blocks) {
    const unsigned __int128 share =
        static_cast<unsigned __int128>(question.rho_per_block) * block.weight;
    price.charges.push_back({block.start, {static_cast<std::uint64_t>((share + most - 1) / most)}});
  }
  if (!question.private_keys.empty()) {
    auto naming = naming_rule(question, view, price.layout);
    if (!naming) return std::move(naming).error();
    price.naming = *naming;
    price.delta = view.private_delta;
  }
  if (counts_members(price.layout) && view.block.ns != 0) {
    price.charges.insert(price.charges.begin(),
                         {security::kLifetimeBlock, membership_charge(question, most)});
  }
  return price;
}

}  // namespace entente::federation
