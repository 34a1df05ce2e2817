// Whether this ledger may be charged at all: it may not once it is known to be an older backup.
//
// A restored database has forgotten charges that were made after it was copied. Somebody else
// remembers: each answer carries a signed receipt with the audit log's head, partners show the
// newest they hold, and a head is kept in a file off the database (head_file.h). A head that this
// log does not hold closes the ledger, durably, for every partner, until `entente budget reconcile`
// spends every block that any forgotten charge can have touched: the blocks that had begun, and the
// lifetime blocks of all known domains, in every scope. Nobody knows which of them were charged,
// and a receipt never gives budget back. What was shown is excused afterwards if it was issued
// before the reconciliation: its charges lie in blocks that are spent.
//
// Tables of entente.db: `restored` (one row while closed), `reconciled` (domain -> until; '' is
// every domain's). Threads: whoever owns the connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/store/sqlite.h"
#include "schemas/base/ids.h"
#include "schemas/base/time.h"
#include "schemas/receipt.h"

namespace entente::node {

// Where a head comes from that this log should hold.
struct ShownHead {
  AuditHead head;
  Instant issued;
  std::string source;  // "organisation:ID", "file:PATH"
};

// Why the ledger is closed.
struct Restored {
  std::string evidence;
  Instant since;
};

const char* ledger_standing_migration();

// Refuses: reconcile_needed, when the log holds no such record or another at its place and the head
// was issued after the last reconciliation.
[[nodiscard]] Outcome check_shown(Database& database, const ShownHead& shown);

std::optional<Restored> restored_of(Database& database);
// Closes the ledger, with a record in the audit log; without effect when it is closed already.
void close_ledger(Database& database, const ShownHead& shown, Instant now);
// The same without a head: somebody knows that this is an older backup.
void close_ledger(Database& database, const std::string& evidence, Instant now);

// What a reconciliation spends, and did.
struct Reconciliation {
  std::optional<Restored> restored;
  Instant until;                     // blocks that begin before it are spent
  std::vector<std::string> domains;  // whose lifetime blocks are spent besides
  AuditHead head;
};
// `domains` are declared now; those that the database knows are added.
Reconciliation plan_reconciliation(Database& database, std::vector<std::string> domains,
                                   Instant now);
// Who does it, and which partners' heads could not be compared, with the site's signature that it
// went on without them (hexadecimal; empty when nobody was missing).
struct Override {
  std::string user;
  std::string without;
  std::string signature;
};
// Inside one transaction: spends, opens the ledger again, and writes the audit record. Returns what
// was planned, with the head after it.
Reconciliation reconcile(Database& database, Reconciliation plan, const Override& override_word);

}  // namespace entente::node
