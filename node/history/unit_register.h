// Which privacy unit each twin belongs to, block by block and for ever (privacy.md 2.1).
//
// Charges protect a unit's readings of a block only if every answer about that block counts them
// for the same unit. So what a twin belongs to is written down before the first fold that needs it,
// and never changed for blocks that have begun: the first unit that is seen holds for all of the
// twin's past, and a change (another value of the property, another ancestor, none) holds from the
// next block on. Where the block is the domain's lifetime it never does. What was written stays
// when a twin goes: whoever comes back under its id is in the unit that it had.
// A twin has no unit while the property is missing or the ancestor is not exactly one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "node/store/store.h"
#include "node/twin/twin_registry.h"
#include "schemas/agreement.h"
#include "schemas/base/clock.h"
#include "schemas/base/guarded.h"

namespace entente::node {

// What one twin is counted to at present, by the graph alone. `rule` is not that of twins.
std::optional<std::string> present_unit(const TwinGraph& graph, const Twin& twin,
                                        const UnitRule& rule);

struct UnitSpan {
  Instant since;     // beginning of a block; the first span reaches back to the beginning of time
  std::string unit;  // empty: none
  bool operator==(const UnitSpan&) const = default;
};
using UnitSpans = std::vector<UnitSpan>;  // ascending, never empty
// A domain's twins that ever had a unit, by id.
using UnitMap = std::unordered_map<std::string, UnitSpans>;

// Threads: workers, several at once.
class UnitRegister {
 public:
  // Both outlive this. `store` is entente.db's.
  UnitRegister(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  static const char* migration();

  // The units of the twins of the view's type; what is new or has changed since the last call is
  // durable on return. Blocks on the store. Refuses: what the store refuses.
  Result<std::shared_ptr<const UnitMap>> units(const std::shared_ptr<const TwinState>& state,
                                               const ExportView& view);

 private:
  struct Book {
    std::shared_ptr<const UnitMap> units;
    std::unordered_map<std::string, std::weak_ptr<const TwinState>> seen;  // by type
  };
  struct Change {
    std::string twin;
    UnitSpan span;
  };
  Result<std::shared_ptr<const UnitMap>> load(const std::string& domain) const;
  std::vector<Change> changes(const TwinState& state, const ExportView& view,
                              const UnitMap& units) const;
  Outcome record(const std::string& domain, const std::vector<Change>& changes);

  Store& store_;
  const Clock& clock_;
  Guarded<std::unordered_map<std::string, Book>> books_;  // by domain
};

}  // namespace entente::node
