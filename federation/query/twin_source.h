// What the question engine needs of a site's twins: folded values, and nothing else.
//
// Fold, then blend (design section 7): each unit is folded to one value per column and tick by the
// column's reducer over its own good readings in the tick; blending across units happens above.
// For a release, a unit's values depend on its own readings in the ticks alone (privacy.md 2.1):
// `delta`, `last` and `duration` never look before a tick begins.
#pragma once

#include <memory>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/question.h"

namespace entente::federation {

struct FoldRequest {
  std::shared_ptr<const ExportView>
      view;  // type, keys and public cells say who is a member of what
  std::vector<Column> columns;
  std::vector<TimeWindow> ticks;
};

struct FoldedUnit {
  std::uint32_t cell = 0;      // index into view->cells
  std::vector<double> values;  // tick-major: values[tick * columns + column]; NaN = no good reading
};

struct FoldedTable {
  std::size_t ticks = 0;
  std::size_t columns = 0;
  std::vector<FoldedUnit> units;  // every member of a declared cell, readings or not, in id order
};

// Threads: workers, several at once.
class TwinSource {
 public:
  virtual ~TwinSource() = default;
  // Refuses (query_unknown_name) a signal that the type does not have. Throws on a store fault.
  virtual Result<FoldedTable> fold(const FoldRequest& request) const = 0;
};

}  // namespace entente::federation
