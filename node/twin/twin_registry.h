// The site's twins: loaded from the database, changed as a whole or not at all.
//
// A change is planned first (pure, any thread: parse, check, new snapshot), shown or refused, and
// then committed: written by the store's thread, and only after its commit the snapshot is
// replaced. Tables `type_file` and `twin` live in history.db, beside the readings that refer to
// them, so that one file's snapshot is consistent and a large import never delays a ledger entry.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "node/store/store.h"
#include "node/twin/twin_graph.h"
#include "schemas/base/guarded.h"

namespace entente::node {

struct TypeFile {
  std::string name;
  std::string text;
  bool operator==(const TypeFile&) const = default;
};

// A snapshot with the documents it came from.
struct TwinState {
  TwinGraph graph;
  std::vector<TypeFile> files;  // by name
};

// What a change would do; `after` is what the registry becomes.
struct TwinChange {
  std::shared_ptr<const TwinState> before;
  std::shared_ptr<const TwinState> after;
  std::vector<std::string> added, changed, removed;  // twins' ids
  std::vector<std::string> types_added, types_removed;
  // References of types to interfaces that nobody gave; such types are left out.
  std::vector<std::string> types_missing;
  bool empty() const;
};

class TwinRegistry {
 public:
  // Blocks; at start. `store` is history.db's, opened with kHistoryMigrations (history.h), and
  // outlives this. Refuses: store_failed, config_invalid (the database holds what no longer
  // parses).
  static Result<std::unique_ptr<TwinRegistry>> load(Store& store);

  std::shared_ptr<const TwinState> state() const;

  enum class Missing { refuse, leave_out };
  // Adds or replaces type documents by name. Refuses (config_invalid) with file, path and rule;
  // also when a twin would no longer fit its type. References that nobody defines are refused, or
  // the types that need them are left out.
  Result<TwinChange> plan_types(std::vector<TypeFile> files, Missing missing) const;
  // Adds or replaces twins. Refuses (config_invalid) with file and line.
  Result<TwinChange> plan_twins(std::string_view text, std::string_view file) const;
  // Refuses: not_found; conflict when another twin points at one of them.
  Result<TwinChange> plan_removal(const std::vector<std::string>& ids) const;

  // Loop thread. `done` comes after the commit, through the store's deliver. Refuses: conflict when
  // the registry has changed since the plan, or another change is under way; what the store says.
  void commit(TwinChange change, std::function<void(Outcome)> done);
  // The same and waits. Never on the loop: for tools and tests.
  Outcome commit_now(TwinChange change);

 private:
  struct Current {
    std::shared_ptr<const TwinState> state;
    bool busy = false;
  };
  explicit TwinRegistry(Store& store) : store_(store) {}
  Outcome claim(const TwinChange& change);

  Store& store_;
  std::shared_ptr<Guarded<Current>> current_ = std::make_shared<Guarded<Current>>();
};

}  // namespace entente::node
