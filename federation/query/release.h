// From folded values to the integers of a release, in two halves: the exact sums, which are private
// and stay on the site, and the noise, which is added inside the transaction that charges for it.
#pragma once

#include <vector>

#include "federation/query/price.h"
#include "federation/query/twin_source.h"
#include "security/privacy/noise.h"

namespace entente::federation {

// One vector per group and tick (groups outer, ticks inner): the statistics' integers one after the
// other, each statistic as many as it is wide. Private.
// With private keys the groups are those of `named`: each that some unit inhabits, ascending.
struct NamedGroup {
  std::uint32_t group = 0;          // index into Question::groups
  std::vector<std::string> values;  // of the private keys
  auto operator<=>(const NamedGroup&) const = default;
};
struct ExactVectors {
  std::vector<std::vector<std::int64_t>> cells;
  std::vector<NamedGroup> named = {};
};

// Each unit adds one rounded value to one integer of each statistic of one cell per tick, for every
// entry that it has in `folded`: bound_contributions (contribution.h) comes before. A value
// is limited to its column's bounds before anything is made of it. A unit whose column has no value
// is absent from that statistic; members are counted with or without readings. Refuses:
// shape_refused when there are more units than declared so widely that sums could overflow.
[[nodiscard]] Result<ExactVectors> aggregate(const Question& question, const ExportView& view,
                                             const Price& price, const FoldedTable& folded);

// Every declared cell, empty or not, with exact discrete Gaussian noise on each integer. With
// private keys: the cells that price.naming lets be named, those with the most noisy members where
// they would be more than a release may hold.
std::vector<ReleasedCell> add_noise(const Question& question, const Price& price,
                                    const ExactVectors& exact, security::NoiseSource& noise);

// The truth of a postfix predicate for one unit; nothing when a column it reads has no value.
// `values` are the unit's columns in one tick.
std::optional<bool> holds(const Predicate& predicate, const double* values);

}  // namespace entente::federation
