// The audit log in entente.db: hash-chained records (security/audit/audit.h), appended inside the
// transaction of what they record, and the nodes of the Merkle tree over them
// (security/audit/merkle_tree.h), each written with the record that completes it.
//
// Threads: the store thread for append; any for the rest, with its own connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/store/sqlite.h"
#include "security/audit/audit.h"
#include "security/audit/merkle_tree.h"

namespace entente::node {

const char* audit_migration();
const char* audit_tree_migration();

// Numbers and appends the record; returns the new link. Throws StoreFault, so that the transaction
// is undone, when the record would not verify later.
Hash256 append_audit(Database& database, security::AuditRecord record);
security::AuditHead audit_head(Database& database);

// Gives the tree to a log from before it. On the store thread, at start.
void complete_audit_tree(Database& database);

// Nodes as they are stored; the reader throws StoreFault for a missing one. `database` outlives it.
security::MerkleNodes audit_nodes(Database& database);
// How many records the tree holds: all of the log's.
std::uint64_t audit_tree_size(Database& database);
// The tree's head over the first `size` records; throws StoreFault when it holds fewer.
security::TreeHead audit_tree(Database& database, std::uint64_t size);

struct AuditVerdict {
  security::AuditHead head;                // what was found good
  security::TreeHead tree;                 // over the same records; when read from the first on
  std::optional<std::uint64_t> first_bad;  // sequence number, from 1
  std::string reason;                      // when there is one
};
// Reads and recomputes the whole chain and tree; `trusted` is a head known from elsewhere, or zero.
AuditVerdict verify_audit(Database& database, const security::AuditHead& trusted);

// The same for at most `most` records from number `first` on (from 1), taking the link before them
// and the nodes left of them as they are stored. What changed there is found when its turn comes.
AuditVerdict verify_audit_part(Database& database, std::uint64_t first, std::uint64_t most);

}  // namespace entente::node
