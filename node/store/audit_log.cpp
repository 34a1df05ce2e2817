#include "node/store/audit_log.h"

#include <limits>

namespace entente::node {

using security::AuditHead;
using security::MerkleNode;
using security::TreeHead;

namespace {

constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max();

AuditHead head_at(Statement& row) {
  AuditHead head;
  if (row.step()) {
    head.count = static_cast<std::uint64_t>(row.integer(0));
    const auto link = Hash256::from_bytes(row.blob(1));
    if (!link) throw StoreFault("the audit log's last link does not read", 0);
    head.link = *link;
  }
  row.reset();
  return head;
}

AuditHead stored_head(Database& database) {
  return head_at(database.cached("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1"));
}

std::optional<Hash256> stored_node(Database& database, unsigned level, std::uint64_t index) {
  Statement& row = database.cached("SELECT hash FROM audit_node WHERE level = ? AND idx = ?");
  row.bind(1, std::int64_t{level}).bind(2, static_cast<std::int64_t>(index));
  std::optional<Hash256> hash;
  if (row.step()) {
    if (auto read = Hash256::from_bytes(row.blob(0))) hash = *read;
  }
  row.reset();
  return hash;
}

void add_leaf(Database& database, std::uint64_t leaf, ByteView record) {
  const auto completed =
      security::nodes_completed_by(leaf, security::leaf_hash(record), audit_nodes(database));
  Statement& row = database.cached("INSERT INTO audit_node (level, idx, hash) VALUES (?, ?, ?)");
  for (const MerkleNode& node : completed) {
    row.bind(1, std::int64_t{node.level}).bind(2, static_cast<std::int64_t>(node.index));
    row.bind(3, node.hash.view()).run();
  }
}

// Says what is wrong with the nodes that this record completed; empty when nothing is.
std::string wrong_node(Database& database, std::uint64_t leaf, ByteView record) {
  bool missing = false;
  const auto nodes = [&](unsigned level, std::uint64_t index) {
    const auto hash = stored_node(database, level, index);
    missing |= !hash;
    return hash.value_or(Hash256{});
  };
  for (const MerkleNode& node :
       security::nodes_completed_by(leaf, security::leaf_hash(record), nodes)) {
    const Hash256 stored = nodes(node.level, node.index);
    if (missing) return "the tree over it has a hole";
    if (stored != node.hash) return "the tree over it was made of another record";
  }
  return {};
}

bool has_tree(Database& database) {
  Statement table =
      database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'audit_node'");
  return table.step();
}

struct Walk {
  std::uint64_t first;
  std::int64_t most;
  std::uint64_t in_tree;  // records that the tree holds
};

AuditVerdict verify(Database& database, const Walk& walk, security::AuditVerifier verifier) {
  AuditVerdict verdict;
  security::MerkleFrontier frontier;
  const auto found = [&verdict](std::uint64_t sequence, std::string reason) {
    verdict.first_bad = sequence;
    verdict.reason = std::move(reason);
  };
  Statement rows =
      database.prepare("SELECT seq, record, link FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?");
  rows.bind(1, static_cast<std::int64_t>(walk.first)).bind(2, walk.most);
  while (!verdict.first_bad && rows.step()) {
    const auto sequence = static_cast<std::uint64_t>(rows.integer(0));
    security::AuditEntry entry;
    entry.record = rows.blob(1);
    const auto link = Hash256::from_bytes(rows.blob(2));
    entry.link = link ? *link : Hash256{};
    if (auto added = verifier.add(entry); !added) {
      found(sequence, added.error().what);
    } else if (sequence <= walk.in_tree) {
      frontier.add(security::leaf_hash(entry.record));
      const std::string wrong = wrong_node(database, sequence - 1, entry.record);
      if (!wrong.empty()) {
        found(sequence, "audit record " + std::to_string(sequence) + ": " + wrong);
      }
    }
  }
  verdict.head = verifier.head();
  if (walk.first == 1) verdict.tree = frontier.head();
  if (!verdict.first_bad) {
    const std::uint64_t next = verdict.head.count + 1;
    if (auto whole = verifier.finish(); !whole) {
      found(next, whole.error().what);
    } else if (next <= walk.in_tree && next - walk.first < static_cast<std::uint64_t>(walk.most)) {
      found(next,
            "audit record " + std::to_string(next) + ": it is missing; the tree was made over it");
    } else if (const std::uint64_t covered = audit_tree_size(database);
               walk.in_tree > 0 && covered < verdict.head.count) {
      // Read after the records, which are written together with their nodes.
      found(covered + 1,
            "audit record " + std::to_string(covered + 1) + ": the tree ends before it");
    }
  }
  return verdict;
}

}  // namespace

const char* audit_migration() {
  return "CREATE TABLE audit (seq INTEGER PRIMARY KEY, record BLOB NOT NULL, link BLOB NOT NULL)"
         " STRICT;";
}

const char* audit_tree_migration() {
  return "CREATE TABLE audit_node (level INTEGER NOT NULL, idx INTEGER NOT NULL,"
         "  hash BLOB NOT NULL, PRIMARY KEY (level, idx)) STRICT, WITHOUT ROWID;";
}

Hash256 append_audit(Database& database, security::AuditRecord record) {
  const AuditHead before = stored_head(database);
  security::AuditChain chain(before);
  auto bytes = chain.append(std::move(record));
  if (!bytes) throw StoreFault("an audit record was refused: " + bytes.error().what, 0);
  Statement& add = database.cached("INSERT INTO audit (seq, record, link) VALUES (?, ?, ?)");
  add.bind(1, static_cast<std::int64_t>(chain.head().count)).bind(2, ByteView(*bytes));
  add.bind(3, chain.head().link.view()).run();
  add_leaf(database, before.count, *bytes);
  return chain.head().link;
}

void complete_audit_tree(Database& database) {
  std::uint64_t covered = audit_tree_size(database);
  Statement rows = database.prepare("SELECT record FROM audit WHERE seq > ? ORDER BY seq");
  rows.bind(1, static_cast<std::int64_t>(covered));
  while (rows.step()) add_leaf(database, covered++, rows.blob(0));
}

security::MerkleNodes audit_nodes(Database& database) {
  return [&database](unsigned level, std::uint64_t index) {
    const auto hash = stored_node(database, level, index);
    if (!hash) throw StoreFault("a node of the audit log's tree is missing", 0);
    return *hash;
  };
}

std::uint64_t audit_tree_size(Database& database) {
  Statement& last =
      database.cached("SELECT idx FROM audit_node WHERE level = 0 ORDER BY idx DESC LIMIT 1");
  const std::uint64_t size = last.step() ? static_cast<std::uint64_t>(last.integer(0)) + 1 : 0;
  last.reset();
  return size;
}

TreeHead audit_tree(Database& database, std::uint64_t size) {
  return {size, security::root_hash(size, audit_nodes(database))};
}

AuditVerdict verify_audit(Database& database, const AuditHead& trusted) {
  const std::uint64_t in_tree = has_tree(database) ? audit_tree_size(database) : 0;
  return verify(database, {1, kAll, in_tree}, security::AuditVerifier(trusted));
}

AuditVerdict verify_audit_part(Database& database, std::uint64_t first, std::uint64_t most) {
  Statement& before = database.cached("SELECT seq, link FROM audit WHERE seq = ?");
  before.bind(1, static_cast<std::int64_t>(first) - 1);
  AuditVerdict verdict;
  const AuditHead head = head_at(before);
  if (head.count + 1 != first) {
    verdict.first_bad = first - 1;
    verdict.reason = "audit record " + std::to_string(first - 1) + ": it is missing";
    return verdict;
  }
  return verify(database, {first, static_cast<std::int64_t>(most), audit_tree_size(database)},
                security::AuditVerifier::from(head));
}

AuditHead audit_head(Database& database) {
  return stored_head(database);
}

}  // namespace entente::node
