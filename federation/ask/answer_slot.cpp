#include "federation/ask/answer_slot.h"

#include <algorithm>

#include "federation/ask/limits.h"

namespace entente::federation {

Duration answer_slot(const Question& question, const ExportView& view, Duration grid) {
  std::uint64_t units = 0;
  for (const PublicCell& cell : view.cells) units += cell.units;
  const auto scanning = static_cast<std::uint64_t>(
      std::count_if(question.columns.begin(), question.columns.end(), [](const Column& column) {
        return column.reducer == Reducer::median || column.reducer == Reducer::duration;
      }));
  const auto seconds_long =
      static_cast<std::uint64_t>((question.window.to - question.window.from).ns / seconds(1).ns);
  const auto scanned = static_cast<unsigned __int128>(units) * seconds_long * scanning;
  const auto folds = static_cast<unsigned __int128>(units) * question.tick_count() *
                     std::max<std::size_t>(question.columns.size(), 1);
  const auto most = static_cast<unsigned __int128>(limits::kDeadlineMax.ns);
  const auto expected = static_cast<std::int64_t>(
      std::min(folds * static_cast<unsigned __int128>(limits::kFoldTime.ns) +
                   scanned * static_cast<unsigned __int128>(limits::kScanTime.ns),
               most));
  return Duration{(expected / grid.ns + 1) * grid.ns};
}

Duration slot_after(Duration slot, Duration elapsed) {
  while (slot <= elapsed) slot = Duration{slot.ns * 2};
  return slot;
}

}  // namespace entente::federation
