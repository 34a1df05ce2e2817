// The audit log in entente.db: hash-chained records (security/audit), appended inside the
// transaction of what they record. Threads: the store thread for append; any for verify, with its
// own connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/store/sqlite.h"
#include "security/audit/audit.h"

namespace entente::node {

const char* audit_migration();
// Numbers and appends the record; returns the new link. Throws StoreFault, so that the transaction
// is undone, when the record would not verify later.
Hash256 append_audit(Database& database, security::AuditRecord record);
security::AuditHead audit_head(Database& database);

struct AuditVerdict {
  security::AuditHead head;                // what was found good
  std::optional<std::uint64_t> first_bad;  // sequence number, from 1
  std::string reason;                      // when there is one
};
// Reads and recomputes the whole chain; `trusted` is a head known from elsewhere, or zero.
AuditVerdict verify_audit(Database& database, const security::AuditHead& trusted);

}  // namespace entente::node
