#include "federation/compose/merge.h"

#include <algorithm>
#include <map>
#include <set>

namespace entente::federation {
namespace {

using Parts = std::vector<std::shared_ptr<const AnsweredPart>>;
using PartSet = std::set<std::size_t>;  // indices of parts

Error overflow() {
  return make_error(ErrorCode::shape_refused, "the members' sums do not fit together in 64 bits",
                    "ask for fewer groups at once, or narrower bounds");
}

// Which parts have each group.
std::map<std::size_t, PartSet> owners(const Parts& parts) {
  std::map<std::size_t, PartSet> out;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    for (const ReleasedCell& cell : parts[p]->release.cells) {
      out[parts[p]->plan.groups.at(cell.group)].insert(p);
    }
  }
  return out;
}

// By how many steps of the finest lattice a step of each part's is longer, as a power of two.
constexpr int kShiftMost = 62;

class Merger {
 public:
  explicit Merger(const Parts& parts) : parts_(parts) {}

  Result<Release> merge(const PartSet& members, const std::set<std::size_t>& groups) {
    Release out;
    if (!squares_alike(members)) {
      return make_error(ErrorCode::shape_refused,
                        "the members' squares are on different lattices and cannot be added up",
                        "ask for variance and stddev of the members apart, or routed");
    }
    const std::vector<Statistic>& first = parts_[*members.begin()]->release.statistics;
    for (std::size_t s = 0; s < first.size(); ++s) {
      auto statistic = merged(members, s);
      if (!statistic) return std::move(statistic).error();
      out.statistics.push_back(*statistic);
    }
    std::map<std::pair<std::size_t, std::uint32_t>, std::vector<std::int64_t>> cells;
    for (const std::size_t p : members) {
      for (const ReleasedCell& cell : parts_[p]->release.cells) {
        const std::size_t group = parts_[p]->plan.groups[cell.group];
        if (!groups.contains(group)) continue;
        auto& sums = cells[{group, cell.tick}];
        sums.resize(cell.mantissas.size());
        if (!add(out.statistics, parts_[p]->release.statistics, cell.mantissas, sums)) {
          return overflow();
        }
      }
    }
    for (auto& [place, mantissas] : cells) {
      out.cells.push_back(
          {static_cast<std::uint32_t>(place.first), place.second, std::move(mantissas)});
    }
    return out;
  }

 private:
  // A unit's square is counted from the middle of its lattice's: the same for all, or no sum.
  bool squares_alike(const PartSet& members) const {
    const Price& first = parts_[*members.begin()]->price;
    for (std::size_t s = 0; s < first.layout.size(); ++s) {
      if (first.layout[s].kind != StatisticKind::squares) continue;
      for (const std::size_t p : members) {
        const Price& own = parts_[p]->price;
        if (own.layout.size() != first.layout.size() ||
            own.layout[s].bound() != first.layout[s].bound() ||
            parts_[p]->release.statistics[s].exponent != first.layout[s].exponent()) {
          return false;
        }
      }
    }
    return true;
  }

  Result<Statistic> merged(const PartSet& members, std::size_t s) const {
    const std::size_t count = parts_[*members.begin()]->release.statistics.size();
    Statistic out = parts_[*members.begin()]->release.statistics[s];
    for (const std::size_t p : members) {
      const auto& own = parts_[p]->release.statistics;
      if (own.size() != count || own[s].width != out.width) {
        return make_error(ErrorCode::shape_refused, "the members' releases are not alike");
      }
      out.exponent = std::min(out.exponent, own[s].exponent);
    }
    out.variance = 0;
    for (const std::size_t p : members) {
      const Statistic& own = parts_[p]->release.statistics[s];
      const int shift = 2 * (own.exponent - out.exponent);
      const unsigned __int128 scaled = shift > kShiftMost
                                           ? ~static_cast<unsigned __int128>(0)
                                           : static_cast<unsigned __int128>(own.variance) << shift;
      if (scaled > UINT64_MAX ||
          __builtin_add_overflow(out.variance, static_cast<std::uint64_t>(scaled), &out.variance)) {
        return overflow();
      }
    }
    return out;
  }

  static bool add(const std::vector<Statistic>& to, const std::vector<Statistic>& from,
                  const std::vector<std::int64_t>& values, std::vector<std::int64_t>& sums) {
    std::size_t at = 0;
    for (std::size_t s = 0; s < to.size(); ++s) {
      const std::int64_t scale = std::int64_t{1} << (from[s].exponent - to[s].exponent);
      for (std::uint32_t i = 0; i < to[s].width; ++i, ++at) {
        std::int64_t value = 0;
        const bool wide = __builtin_mul_overflow(values[at], scale, &value) ||
                          __builtin_add_overflow(sums[at], value, &sums[at]);
        if (wide) return false;
      }
    }
    return true;
  }

  const Parts& parts_;
};

}  // namespace

Result<std::vector<Release>> merge_releases(const Parts& parts) {
  std::map<PartSet, std::set<std::size_t>> sets;
  for (const auto& [group, members] : owners(parts)) sets[members].insert(group);
  Merger merger(parts);
  std::vector<Release> out;
  for (const auto& [members, groups] : sets) {
    auto release = merger.merge(members, groups);
    if (!release) return std::move(release).error();
    out.push_back(std::move(*release));
  }
  return out;
}

}  // namespace entente::federation
