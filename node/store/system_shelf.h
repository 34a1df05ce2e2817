// System twins in entente.db: every version of every definition, and what their kept properties
// were released as. The lane of released values: nothing here comes from own readings.
//
// Tables, both STRICT: `system_versions` (name, version -> canonical text; an empty text says that
// the system was removed) and `system_values` (system, property, window, revision -> the values of
// one question to all members, with its coverage). Rows are added and never changed: a correction
// is another revision. Threads: loop, but for load() and what says otherwise.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "federation/compose/released_value.h"
#include "node/store/shared_reader.h"
#include "node/store/store.h"
#include "schemas/base/time.h"

namespace entente::node {

struct SystemVersion {
  std::string name;
  std::uint32_t version = 1;
  Instant declared;
  std::string text;    // canonical; empty: removed
  std::string source;  // the file that declares it, or "node" when the API did
  std::string actor;   // "user:ann", "node"
};

// What became of one window of a property.
struct SystemRow {
  std::int64_t id = 0;  // ascending in the order of keeping
  std::string system;
  std::string property;
  TimeWindow window;
  std::uint32_t revision = 0;  // 0 the first, then one more for each correction
  std::uint32_t version = 1;   // of the definition
  Instant released;
  std::uint32_t answered = 0;  // members
  std::uint32_t members = 0;
  std::string unit;    // of the values
  std::string reason;  // why there are no values; empty when there are
  std::vector<federation::ReleasedValue> values;
  std::string coverage;  // a JSON array: each member's state, charge, age and reason
  bool whole() const { return answered == members && reason.empty(); }
};

class SystemShelf {
 public:
  // Throws StoreFault when the file cannot be read.
  explicit SystemShelf(Store& store) : store_(store), reader_(store) {}
  static const char* migration();

  // Any thread but the loop's. All versions of all systems, or of one; by name and version.
  std::vector<SystemVersion> versions(const std::string& name = {}) const;
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome declare_at_start(const std::vector<SystemVersion>& added);
  // With a record in the audit log, in one transaction. `done` is called on the loop.
  void declare(SystemVersion added, std::function<void(Outcome)> done);

  // `done` is called on the loop after the commit, with the row's number.
  void keep(SystemRow row, std::function<void(Result<std::int64_t>)> done);

  // The rest: any thread but the loop's; rows that do not read are left out and logged.
  // The newest revision of the latest window of each property, of one system or of all.
  std::vector<SystemRow> latest(const std::string& system = {}) const;
  // The newest revision of every window that was first released after `since` and is not whole.
  std::vector<SystemRow> open_since(Instant since) const;
  // When this window was first released.
  std::optional<Instant> first_released(const SystemRow& row) const;
  // Rows of a system, all revisions: with `after` in the order of keeping after that number, else
  // the newest first before `before` (0: from the newest).
  struct Page {
    std::string property;  // empty: of all
    std::optional<std::int64_t> after;
    std::int64_t before = 0;
    std::size_t limit = 100;
  };
  std::vector<SystemRow> rows(const std::string& system, const Page& page) const;
  // The newest revision of each window that lies in `within`, by time.
  std::vector<SystemRow> series(const std::string& system, const std::string& property,
                                TimeWindow within) const;

 private:
  Store& store_;
  SharedReader reader_;
};

}  // namespace entente::node
