#include "federation/ask/answer_slot.h"

#include <algorithm>

#include "federation/ask/limits.h"

namespace entente::federation {

Duration answer_slot(const Question& question, const ExportView& view, Duration grid) {
  std::uint64_t units = 0;
  for (const Group& group : question.groups) {
    for (const std::uint32_t cell : group.cells) {
      if (cell < view.cells.size()) units += view.cells[cell].units;
    }
  }
  const auto folds = static_cast<unsigned __int128>(units) * question.tick_count() *
                     std::max<std::size_t>(question.columns.size(), 1);
  const auto most = static_cast<unsigned __int128>(limits::kDeadlineMax.ns);
  const auto expected = static_cast<std::int64_t>(
      std::min(folds * static_cast<unsigned __int128>(limits::kFoldTime.ns), most));
  return Duration{(expected / grid.ns + 1) * grid.ns};
}

Duration slot_after(Duration slot, Duration elapsed) {
  while (slot <= elapsed) slot = Duration{slot.ns * 2};
  return slot;
}

}  // namespace entente::federation
