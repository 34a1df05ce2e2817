#include "node/store/audit_log.h"

namespace entente::node {

using security::AuditHead;

namespace {

AuditHead stored_head(Database& database) {
  Statement& last = database.cached("SELECT seq, link FROM audit ORDER BY seq DESC LIMIT 1");
  AuditHead head;
  if (last.step()) {
    head.count = static_cast<std::uint64_t>(last.integer(0));
    const auto link = Hash256::from_bytes(last.blob(1));
    if (!link) throw StoreFault("the audit log's last link does not read", 0);
    head.link = *link;
  }
  last.reset();
  return head;
}

}  // namespace

const char* audit_migration() {
  return "CREATE TABLE audit (seq INTEGER PRIMARY KEY, record BLOB NOT NULL, link BLOB NOT NULL)"
         " STRICT;";
}

Hash256 append_audit(Database& database, security::AuditRecord record) {
  security::AuditChain chain(stored_head(database));
  auto bytes = chain.append(std::move(record));
  if (!bytes) throw StoreFault("an audit record was refused: " + bytes.error().what, 0);
  Statement& add = database.cached("INSERT INTO audit (seq, record, link) VALUES (?, ?, ?)");
  add.bind(1, static_cast<std::int64_t>(chain.head().count)).bind(2, ByteView(*bytes));
  add.bind(3, chain.head().link.view()).run();
  return chain.head().link;
}

AuditVerdict verify_audit(Database& database, const AuditHead& trusted) {
  AuditVerdict verdict;
  security::AuditVerifier verifier(trusted);
  Statement rows = database.prepare("SELECT seq, record, link FROM audit ORDER BY seq");
  while (rows.step()) {
    security::AuditEntry entry;
    entry.record = rows.blob(1);
    const auto link = Hash256::from_bytes(rows.blob(2));
    entry.link = link ? *link : Hash256{};
    if (auto added = verifier.add(entry); !added) {
      verdict.first_bad = static_cast<std::uint64_t>(rows.integer(0));
      verdict.reason = added.error().what;
      break;
    }
  }
  verdict.head = verifier.head();
  if (!verdict.first_bad) {
    if (auto whole = verifier.finish(); !whole) {
      verdict.first_bad = verdict.head.count + 1;
      verdict.reason = whole.error().what;
    }
  }
  return verdict;
}

AuditHead audit_head(Database& database) {
  return stored_head(database);
}

}  // namespace entente::node
