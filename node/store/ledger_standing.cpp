#include "node/store/ledger_standing.h"

#include <algorithm>

#include "node/store/audit_log.h"
#include "node/store/ledger_accounts.h"

namespace entente::node {
namespace {

// The link of one record, or none when the log is shorter.
std::optional<Bytes> link_at(Database& database, std::uint64_t sequence) {
  Statement& row = database.cached("SELECT link FROM audit WHERE seq = ?");
  row.bind(1, static_cast<std::int64_t>(sequence));
  std::optional<Bytes> link;
  if (row.step()) link = row.blob(0);
  row.reset();
  return link;
}

std::string head_text(const AuditHead& head) {
  return std::to_string(head.count) + " " + head.link.hex();
}

void close(Database& database, const std::string& evidence, Instant now, const std::string& actor,
           std::vector<security::AuditDetail> detail) {
  Statement& row = database.cached("INSERT INTO restored (id, evidence, since) VALUES (1, ?, ?)");
  row.bind(1, std::string_view(evidence)).bind(2, now.ns).run();
  security::AuditRecord record;
  record.time = now;
  record.actor = actor;
  record.action = "budget.restored";
  record.outcome = security::AuditOutcome::refused;
  record.detail = std::move(detail);
  append_audit(database, std::move(record));
}

}  // namespace

const char* ledger_standing_migration() {
  return "ALTER TABLE ledger ADD COLUMN delta INTEGER NOT NULL DEFAULT 0 CHECK (delta >= 0);"
         "CREATE TABLE reconciled (domain TEXT PRIMARY KEY, until INTEGER NOT NULL) STRICT;"
         "CREATE TABLE restored (id INTEGER PRIMARY KEY CHECK (id = 1), evidence TEXT NOT NULL,"
         "  since INTEGER NOT NULL) STRICT;"
         "CREATE TABLE receipts (organisation BLOB NOT NULL, site TEXT NOT NULL,"
         "  issued INTEGER NOT NULL, receipt BLOB NOT NULL, PRIMARY KEY (organisation, site))"
         "  STRICT;";
}

Outcome check_shown(Database& database, const ShownHead& shown) {
  const auto link = link_at(database, shown.head.count);
  if (link && *link == to_bytes(shown.head.link.view())) return {};
  const auto reconciled = reconciled_of(database, "");
  if (reconciled && shown.issued < reconciled->until) return {};
  return make_error(
      ErrorCode::reconcile_needed,
      shown.source + " shows record " + std::to_string(shown.head.count) +
          " of this site's audit log, issued at " + to_text(shown.issued) + ", but " +
          (link ? "the log holds another there"
                : "the log ends before it, at " + std::to_string(audit_head(database).count)) +
          ": the database was restored from an older backup");
}

std::optional<Restored> restored_of(Database& database) {
  Statement& row = database.cached("SELECT evidence, since FROM restored");
  std::optional<Restored> restored;
  if (row.step()) restored = Restored{row.text(0), {row.integer(1)}};
  row.reset();
  return restored;
}

void close_ledger(Database& database, const ShownHead& shown, Instant now) {
  if (restored_of(database)) return;
  const auto held = check_shown(database, shown);
  if (held) return;
  close(database, held.error().what, now,
        shown.source.starts_with("organisation:") ? shown.source : "node",
        {{"head", head_text(audit_head(database))}, {"shown", head_text(shown.head)}});
}

void close_ledger(Database& database, const std::string& evidence, Instant now) {
  if (restored_of(database)) return;
  close(database, evidence, now, "node",
        {{"head", head_text(audit_head(database))}, {"evidence", evidence}});
}

Reconciliation plan_reconciliation(Database& database, std::vector<std::string> domains,
                                   Instant now) {
  Reconciliation plan;
  plan.restored = restored_of(database);
  plan.until = now;
  plan.head = audit_head(database);
  Statement known = database.prepare("SELECT DISTINCT domain FROM ledger");
  while (known.step()) domains.push_back(known.text(0));
  std::sort(domains.begin(), domains.end());
  domains.erase(std::unique(domains.begin(), domains.end()), domains.end());
  plan.domains = std::move(domains);
  return plan;
}

Reconciliation reconcile(Database& database, Reconciliation plan, const Override& override_word) {
  Statement& spend = database.cached(
      "INSERT INTO reconciled (domain, until) VALUES (?, ?) ON CONFLICT (domain) DO UPDATE SET "
      "until = MAX(until, excluded.until)");
  spend.bind(1, std::string_view("")).bind(2, plan.until.ns).run();
  for (const std::string& domain : plan.domains) {
    spend.bind(1, std::string_view(domain)).bind(2, plan.until.ns).run();
  }
  database.exec("DELETE FROM restored");
  security::AuditRecord record;
  record.time = plan.until;
  record.actor = "user:" + override_word.user;
  record.action = "budget.reconcile";
  record.outcome = security::AuditOutcome::done;
  record.detail = {{"domains", std::to_string(plan.domains.size())},
                   {"evidence", plan.restored ? plan.restored->evidence : "said by the user"},
                   {"until", to_text(plan.until)}};
  if (!override_word.without.empty()) {
    record.detail.push_back({"without", override_word.without});
    record.detail.push_back({"override", override_word.signature});
  }
  append_audit(database, std::move(record));
  plan.head = audit_head(database);
  return plan;
}

}  // namespace entente::node
