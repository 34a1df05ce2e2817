// What an audit is about: an export as it is declared, and what one partner may be sold of it; and
// the twins that are made up for it.
//
// Only the public description enters: keys, declared cells, bounds, block, tick, zone, caps. Every
// reading is made up, as folded values within the declared bounds (what makes those of readings has
// tests of its own), so an audit may run anywhere and its figures may be shown to anyone.
//
// Many experiments in one question. Units of different cells and blocks of different times never
// meet in one released integer, so a question by group and block is as many independent runs of one
// experiment: in each group one unit, the first of its first cell, differs between the two worlds,
// in the blocks that the window says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "federation/query/twin_source.h"
#include "schemas/agreement.h"

namespace entente::federation {

struct AuditedSite {
  ExportView view;
  RhoUnits quota;  // of each block, for each partner: the agreement's
  std::uint32_t min_units = 1;
  std::vector<Aggregate> aggregates;  // that the agreement allows; empty = all
};

// 64 streets of two districts, 7 meters each; blocks of a day in UTC, epsilon 8 for each.
AuditedSite made_up_site();

// The window of a question and the blocks in which its two worlds differ: those numbered
// `phase`, `phase` + `period`, … from the window's first.
struct AuditWindow {
  TimeWindow window;
  std::optional<Duration> every;  // none: one cell in time
  std::size_t blocks = 1;
  std::int64_t first_block = 0;
  std::size_t period = 1;
  std::size_t phase = 0;
};

// A block's number; 0 in a domain whose block is its lifetime.
std::int64_t block_number(const ExportView& view, Instant at);
// Whether the worlds differ in a block, and which run of the experiment a block belongs to.
bool differs(const AuditWindow& window, std::int64_t block);
std::size_t run_of(const AuditWindow& window, std::int64_t block);
inline std::size_t runs_in(const AuditWindow& window) {
  return window.blocks / window.period;
}

// Cells of a block (or of a tick, where ticks are longer) each, at most `cells` of them, in a year
// that is over and, outside UTC, in months without a change of clocks. `period` is in cells.
AuditWindow audit_window(const ExportView& view, std::size_t cells, std::size_t period = 1,
                         std::size_t phase = 0);

// Threads: as TwinSource; constant.
class MadeUpTwins final : public TwinSource {
 public:
  enum class Value { ordinary, lowest, beyond };  // within, at, far above the bounds
  enum class Absence { none, silent, removed };   // in the blocks that differ; for ever
  struct First {
    Value value = Value::lowest;
    Absence absence = Absence::none;
    bool doubled = false;
  };
  // `first` says what the one unit does that may differ, of each of `cells`.
  MadeUpTwins(AuditWindow window, std::vector<bool> cells, First first)
      : window_(window), cells_(std::move(cells)), first_(first) {}

  Result<FoldedTable> fold(const FoldRequest& request) const override;

 private:
  AuditWindow window_;
  std::vector<bool> cells_;
  First first_;
};

}  // namespace entente::federation
