// What the question engine needs of a site's twins: folded values, and nothing else.
//
// Fold, then blend (design section 7): each unit is folded to one value per column, tick and group
// by the column's reducer over the good readings, in the tick, of all its twins in the group;
// blending across units happens above. For a release, a unit's values depend on its own readings in
// the ticks alone (privacy.md 2.1): `delta`, `last` and `duration` never look before a tick begins.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "schemas/agreement.h"
#include "schemas/question.h"

namespace entente::federation {

struct FoldRequest {
  std::shared_ptr<const ExportView>
      view;  // type, keys and public cells say who is a member of what
  std::vector<Column> columns;
  std::vector<TimeWindow> ticks;
  // Which cells are one group: a unit with twins in several of them has one value there. Twins of
  // other cells are left out. Empty: every cell is a group.
  std::vector<std::vector<std::uint32_t>> groups = {};
  std::vector<std::string> private_keys = {};  // by whose values groups are split
};

// One unit in one group.
struct FoldedUnit {
  std::uint32_t cell = 0;      // index into view->cells: the first of the group's with a twin of it
  std::vector<double> values;  // tick-major: values[tick * columns + column]; NaN = no good reading
  // Private. What the unit is called, where it may be in several groups; empty: it is in this one.
  std::string unit = {};
  std::vector<std::string> keys = {};  // private: the values of the private keys
};

struct FoldedTable {
  std::size_t ticks = 0;
  std::size_t columns = 0;
  // Every member of a declared cell, readings or not, in id order. A unit that is a member in any
  // of the ticks is there for all of them.
  std::vector<FoldedUnit> units;
  std::size_t left_out = 0;  // twins in declared cells that belong to no unit, in some tick
};

// Threads: workers, several at once.
class TwinSource {
 public:
  virtual ~TwinSource() = default;
  // Refuses (query_unknown_name) a signal that the type does not have. Throws on a store fault.
  virtual Result<FoldedTable> fold(const FoldRequest& request) const = 0;
};

}  // namespace entente::federation
