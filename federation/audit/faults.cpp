#include "federation/audit/faults.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "schemas/base/check.h"
#include "schemas/base/random.h"

namespace entente::federation {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// The units of each cell, in order.
std::map<std::uint32_t, std::vector<std::size_t>> by_cell(const FoldedTable& table) {
  std::map<std::uint32_t, std::vector<std::size_t>> cells;
  for (std::size_t i = 0; i < table.units.size(); ++i) cells[table.units[i].cell].push_back(i);
  return cells;
}

}  // namespace

Result<FoldedTable> FaultyTwins::fold(const FoldRequest& request) const {
  auto table = twins_.fold(request);
  if (table && fault_.twins) fault_.twins(request, *table);
  return table;
}

std::int64_t FaultyNoise::gaussian(std::uint64_t variance) {
  const std::uint64_t drawn = fault_.variance ? fault_.variance(variance) : variance;
  return drawn == 0 ? 0 : noise_.gaussian(drawn);
}

Bytes UnreleasedCells::draw(const std::string& domain, const std::function<Bytes()>& draw) {
  Bytes released = draw();
  std::vector<Bytes> copies;
  for (std::size_t i = 0; i < copies_; ++i) copies.push_back(draw());
  kept_.with([&](Kept& kept) {
    if (kept.domain != domain) kept = {domain, {}};
    kept.copies[release_hash(released)] = std::move(copies);
  });
  return released;
}

void UnreleasedCells::replace(StoredRelease& stored) {
  kept_.with([&](Kept& kept) {
    const auto found = kept.copies.find(release_hash(stored.release));
    if (found == kept.copies.end() || found->second.empty()) return;
    stored.release = std::move(found->second.back());
    found->second.pop_back();
  });
}

ReleaseInquiry FaultyStore::told(ReleaseInquiry inquiry) const {
  if (fault_.uncharged) inquiry.charges.clear();
  return inquiry;
}

Result<ReleaseStanding> FaultyStore::inquire(const ReleaseInquiry& inquiry) const {
  return store_.inquire(told(inquiry));
}

std::vector<StoredRelease> FaultyStore::cells(const ReleaseInquiry& inquiry) const {
  std::vector<StoredRelease> stored = store_.cells(inquiry);
  for (StoredRelease& one : stored) {
    if (fault_.unreleased) fault_.unreleased->replace(one);
    if (fault_.cells) fault_.cells(one);
  }
  return stored;
}

std::vector<BlockAmount> FaultyStore::left(const ReleaseInquiry& inquiry) const {
  return store_.left(told(inquiry));
}

void FaultyStore::commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
                         std::function<void(Result<CommittedRelease>)> done) {
  const bool own_noise = inquiry.cells && !inquiry.composed;
  auto edited = [draw = std::move(draw), domain = inquiry.domain, own_noise, this] {
    if (fault_.unreleased && own_noise) return fault_.unreleased->draw(domain, draw);
    if (!fault_.bytes) return draw();
    auto release = release_from_bytes(draw());
    ENTENTE_CHECK(release.has_value());
    fault_.bytes(*release);
    return canonical_bytes(*release);
  };
  store_.commit(told(std::move(inquiry)), std::move(edited), std::move(done));
}

void FaultyStore::note(const ReleaseInquiry& inquiry, std::string_view outcome) {
  store_.note(told(inquiry), outcome);
}

Fault less_variance(std::uint64_t part) {
  Fault fault;
  fault.variance = [part](std::uint64_t variance) {
    return std::max<std::uint64_t>(variance / part, 1);
  };
  return fault;
}

Fault uncentred_squares() {
  // Squares have a sigma of 2^20 to 2^24 steps, everything else one of some 2^10 (statistics.h).
  constexpr std::uint64_t kSquares = std::uint64_t{1} << 36;
  Fault fault;
  fault.variance = [](std::uint64_t variance) {
    return variance > kSquares ? variance / 4 : variance;
  };
  return fault;
}

Fault no_clamping() {
  Fault fault;
  fault.twins = [](const FoldRequest& request, FoldedTable& table) {
    const std::size_t made = table.units.size();
    for (std::size_t i = 0; i < made; ++i) {
      const FoldedUnit unit = table.units[i];
      const Column& column = request.columns.at(0);
      if (std::isnan(unit.values[0]) || !(unit.values[0] > column.upper)) continue;
      // Beyond the bounds in every cell or in none: of as many widths as there are units more.
      const auto more =
          std::llround((unit.values[0] - column.upper) / (column.upper - column.lower));
      for (std::int64_t copy = 0; copy < more; ++copy) table.units.push_back(unit);
    }
  };
  return fault;
}

Fault raw_minimum(const ExportView& view) {
  std::uint64_t units = std::numeric_limits<std::uint64_t>::max();
  for (const PublicCell& cell : view.cells) units = std::min<std::uint64_t>(units, cell.units);
  Fault fault =
      less_variance(std::max<std::uint64_t>(units, 2) * std::max<std::uint64_t>(units, 2));
  fault.twins = [](const FoldRequest&, FoldedTable& table) {
    for (const auto& [cell, units_of] : by_cell(table)) {
      for (std::size_t at = 0; at < table.ticks * table.columns; ++at) {
        double least = kNone;
        for (const std::size_t unit : units_of) {
          double& value = table.units[unit].values[at];
          least = std::fmin(least, value);
          value = kNone;
        }
        table.units[units_of.front()].values[at] = least;
      }
    }
  };
  return fault;
}

Fault cumulative_bins(std::size_t bins) {
  Fault fault;
  fault.twins = [bins](const FoldRequest& request, FoldedTable& table) {
    const Column& column = request.columns.at(0);
    const double width = (column.upper - column.lower) / static_cast<double>(bins);
    const std::size_t made = table.units.size();
    for (std::size_t step = 1; step < bins; ++step) {
      for (std::size_t i = 0; i < made; ++i) {
        FoldedUnit above = table.units[i];
        for (double& value : above.values) {
          value += width * static_cast<double>(step);
          if (value > column.upper) value = kNone;
        }
        table.units.push_back(std::move(above));
      }
    }
  };
  return fault;
}

Fault anothers_value() {
  Fault fault;
  fault.twins = [](const FoldRequest&, FoldedTable& table) {
    for (const auto& [cell, units_of] : by_cell(table)) {
      const FoldedUnit first = table.units[units_of.front()];
      for (const std::size_t unit : units_of) {
        for (std::size_t at = 0; at < first.values.size(); ++at) {
          if (!std::isnan(first.values[at])) table.units[unit].values[at] = first.values[at];
        }
      }
    }
  };
  return fault;
}

Fault remembering_rule(std::size_t blocks) {
  Fault fault;
  fault.twins = [blocks](const FoldRequest&, FoldedTable& table) {
    for (FoldedUnit& unit : table.units) {
      for (std::size_t tick = 0; tick < table.ticks; ++tick) {
        const std::size_t before = tick - tick % blocks;
        if (before == tick || std::isnan(unit.values[before * table.columns])) continue;
        for (std::size_t c = 0; c < table.columns; ++c)
          unit.values[tick * table.columns + c] = kNone;
      }
    }
  };
  return fault;
}

Fault floating_point(Random& random) {
  constexpr int kFinest = -60;
  Fault fault;
  fault.variance = [](std::uint64_t) { return std::uint64_t{0}; };
  fault.bytes = [&random](Release& release) {
    for (ReleasedCell& cell : release.cells) {
      for (std::size_t i = 0; i < cell.mantissas.size(); ++i) {
        const double exact =
            std::ldexp(static_cast<double>(cell.mantissas[i]), release.statistics.at(i).exponent);
        const std::uint64_t bits = random.u64();
        const double uniform = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
        const double noise = ((bits & 1) != 0 ? 1 : -1) * std::log(uniform);
        const double y = std::clamp(exact + noise, -7.0, 7.0);
        cell.mantissas[i] = static_cast<std::int64_t>(std::ldexp(y, -kFinest));
      }
    }
    for (Statistic& statistic : release.statistics) statistic.exponent = kFinest;
  };
  return fault;
}

Fault no_charge() {
  Fault fault;
  fault.uncharged = true;
  return fault;
}

Fault unreleased_cells() {
  constexpr std::size_t kSums = 4;  // that an experiment asks for
  Fault fault;
  fault.unreleased = std::make_shared<UnreleasedCells>(kSums);
  return fault;
}

Fault others_cells_for_nothing() {
  Fault fault;
  fault.cells = [](StoredRelease& stored) { stored.paid = true; };
  return fault;
}

}  // namespace entente::federation
