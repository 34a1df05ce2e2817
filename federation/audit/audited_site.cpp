#include "federation/audit/audited_site.h"

#include <algorithm>
#include <limits>

#include "schemas/base/limits.h"
#include "schemas/base/zone.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

constexpr std::uint32_t kUnits = 4;  // made up of a cell, at most
// Others keep away from the lower bound, where the first unit stands.
constexpr double kOthersFrom = 0.4;
const Instant kBegin = *parse_instant("2020-06-01T00:00:00Z");
constexpr Duration kSameClocks = days(80);

// SplitMix64 (Steele, Lea, Flood 2014): a fixed value for each unit, block and column.
double fraction(std::uint64_t unit, std::int64_t block, std::uint64_t column) {
  std::uint64_t z = unit * 0x9e3779b97f4a7c15 + static_cast<std::uint64_t>(block) * 1'000'003 +
                    column * 0xd1b54a32d192ed03;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

// A part of one tick that lies in one block.
struct Part {
  std::int64_t block = 0;
  double length = 0;
};

std::vector<Part> parts_of(const ExportView& view, const TimeWindow& tick) {
  if (view.block.ns == 0) return {{0, 1}};
  std::vector<Part> parts;
  for (Instant at = tick.from; at < tick.to;) {
    const Instant end = std::min(step_end(at, view.block, view.zone), tick.to);
    parts.push_back({block_number(view, at), (end - at).seconds()});
    at = end;
  }
  return parts;
}

}  // namespace

AuditedSite made_up_site() {
  AuditedSite site;
  ExportView& view = site.view;
  view.name = "meters";
  view.site = "audit";
  view.domain = "load";
  view.type = "dtmi:org:entente:audit:Meter;1";
  view.keys = {"district", "street"};
  for (int cell = 0; cell < 128; ++cell) {
    const std::string street = std::to_string(100 + cell % 64);
    view.cells.push_back({{cell < 64 ? "north" : "south", street}, 7});
  }
  view.measures = {{"load", "kW", Reducer::mean, {{Reducer::mean, 0, 100}}},
                   {"energy", "kWh", Reducer::sum, {{Reducer::sum, 0, 100}}}};
  view.delta = *security::delta_of(1e-6);
  view.rho_cap = *security::rho_cap_of(8, view.delta);
  site.quota = view.rho_cap;
  return site;
}

std::int64_t block_number(const ExportView& view, Instant at) {
  if (view.block.ns == 0) return 0;
  // Local days are an hour longer or shorter at times: the middle decides.
  const std::int64_t middle = step_begin(at, view.block, view.zone).ns + view.block.ns / 2;
  return middle / view.block.ns - (middle % view.block.ns < 0 ? 1 : 0);
}

bool differs(const AuditWindow& window, std::int64_t block) {
  const std::int64_t number = block - window.first_block;
  return number >= 0 && static_cast<std::size_t>(number) % window.period == window.phase;
}

std::size_t run_of(const AuditWindow& window, std::int64_t block) {
  return static_cast<std::size_t>(block - window.first_block) / window.period;
}

AuditWindow audit_window(const ExportView& view, std::size_t cells, std::size_t period,
                         std::size_t phase) {
  AuditWindow window;
  const Duration step = std::max(view.block, view.tick);
  const Instant begin = step_begin(kBegin, step, view.zone);
  window.first_block = block_number(view, begin);
  if (view.block.ns == 0) {
    window.window = {begin, step_end(begin, view.tick, view.zone)};
    return window;
  }
  const auto blocks_each = static_cast<std::size_t>(step.ns / view.block.ns);
  cells = std::min(cells, (limits::kBlocks - 2) / blocks_each);
  if (view.zone != "UTC") {
    cells = std::min(cells, static_cast<std::size_t>(kSameClocks.ns / step.ns));
  }
  cells = std::max<std::size_t>(cells / period * period, period);
  window.window = {begin, begin + step * static_cast<std::int64_t>(cells)};
  if (cells > 1) window.every = step;
  window.blocks = cells * blocks_each;
  window.period = period * blocks_each;
  window.phase = phase * blocks_each;
  return window;
}

Result<FoldedTable> MadeUpTwins::fold(const FoldRequest& request) const {
  const ExportView& view = *request.view;
  std::vector<std::vector<Part>> parts;
  for (const TimeWindow& tick : request.ticks) parts.push_back(parts_of(view, tick));
  FoldedTable table{request.ticks.size(), request.columns.size(), {}};
  const auto value_of = [&](const Column& column, std::size_t at, std::uint64_t unit,
                            std::int64_t block, bool first) {
    const double width = column.upper - column.lower;
    if (first && first_.value == Value::lowest) return column.lower;
    if (first && first_.value == Value::beyond) return column.upper + 9 * width;
    return column.lower + width * (kOthersFrom + (1 - kOthersFrom) * fraction(unit, block, at));
  };
  const auto add = [&](std::uint32_t cell, std::uint64_t unit, bool first) {
    FoldedUnit folded{cell, {}};
    folded.values.reserve(table.ticks * table.columns);
    for (const auto& tick : parts) {
      for (std::size_t c = 0; c < request.columns.size(); ++c) {
        double sum = 0, length = 0;
        for (const Part& part : tick) {
          const bool silent = first && first_.absence == Absence::silent;
          if (silent && differs(window_, part.block)) continue;
          // What stays in the neighbouring blocks of a straddling cell lies at the other bound.
          const bool aside = first && !differs(window_, part.block);
          sum += part.length * (aside ? request.columns[c].upper
                                      : value_of(request.columns[c], c, unit, part.block, first));
          length += part.length;
        }
        folded.values.push_back(length > 0 ? sum / length
                                           : std::numeric_limits<double>::quiet_NaN());
      }
    }
    table.units.push_back(std::move(folded));
  };
  for (std::uint32_t cell = 0; cell < view.cells.size(); ++cell) {
    const std::uint32_t units = std::min(view.cells[cell].units, kUnits);
    for (std::uint32_t unit = 0; unit < units; ++unit) {
      const bool first = unit == 0 && cells_.at(cell);
      if (first && first_.absence == Absence::removed) continue;
      for (int copy = 0; copy < (first && first_.doubled ? 2 : 1); ++copy) {
        add(cell, cell * std::uint64_t{kUnits} + unit, first);
      }
    }
  }
  return table;
}

}  // namespace entente::federation
