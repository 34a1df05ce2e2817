// The audit log in entente.db: hash-chained records, appended inside the transaction of what they
// record. Threads: the store thread for append; any for verify, with its own connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/store/sqlite.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente::node {

struct AuditEntry {
  Instant time;
  std::string actor;    // an organisation's id, a local user, or "node"
  std::string action;   // "release", "refusal", "link.confirm", …
  std::string object;   // what it was done to
  std::string outcome;  // "done", or an error code's name
  std::string detail;   // public facts only, never a reading's value
};

const char* audit_migration();
// Appends and returns the new head.
Hash256 append_audit(Database& database, const AuditEntry& entry);

struct AuditVerdict {
  std::uint64_t records = 0;
  Hash256 head;
  std::optional<std::uint64_t> first_bad;  // sequence number, from 1
};
// Recomputes the whole chain from the stored records.
AuditVerdict verify_audit(Database& database);

}  // namespace entente::node
