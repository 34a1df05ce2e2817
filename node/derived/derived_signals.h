// The derived signals of a node: defined, checked against types and neighbours, durable.
//
// A definition is taken when it fits every twin that it is for, and leaves every other definition
// fitting. What types and twins become later is looked at whenever a value is read. Every change is
// in the audit log. A derived signal is in no export: what a unit contributes to an answer depends
// on its own readings only, and no export may name what a type does not have.
// Threads: any, but `load` at start; `apply` and `remove` wait for the store and compute: workers.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "node/derived/bound_expression.h"
#include "node/store/store.h"
#include "node/twin/twin_registry.h"
#include "schemas/base/clock.h"
#include "schemas/base/guarded.h"

namespace entente::node {

class DerivedSignals {
 public:
  struct Parts {
    Store& store;  // entente.db
    const Clock& clock;
    std::function<std::shared_ptr<const TwinState>()> twins;
    // The export that measures a signal of this name; empty: none does.
    std::function<std::string(const std::string& signal)> exported;
  };
  explicit DerivedSignals(Parts parts) : parts_(std::move(parts)) {}
  static const char* migration();
  // Refuses: store_failed.
  [[nodiscard]] Outcome load();

  std::shared_ptr<const DerivedBook> book() const;
  std::shared_ptr<const TwinState> twins() const { return parts_.twins(); }

  // All or none. Refuses: config_invalid (says which and why), not_found (the twin or type),
  // conflict (an export measures a signal of that name; another definition gives the same twin a
  // signal of that name; somebody else's change came in between), overloaded.
  [[nodiscard]] Outcome apply(const std::string& actor, std::vector<DerivedSignal> signals,
                              bool dry_run);
  // Refuses: not_found, conflict (another derived signal is computed from it).
  [[nodiscard]] Outcome remove(const std::string& actor, const std::string& owner,
                               const std::string& name, bool dry_run);

 private:
  Outcome check(const DerivedBook& before, const DerivedBook& book,
                const std::vector<DerivedSignal>& given) const;
  Outcome commit(const std::string& actor, const char* action,
                 const std::shared_ptr<const DerivedBook>& before,
                 std::shared_ptr<const DerivedBook> after);

  const Parts parts_;
  Guarded<std::shared_ptr<const DerivedBook>> book_{std::make_shared<const DerivedBook>()};
};

}  // namespace entente::node
