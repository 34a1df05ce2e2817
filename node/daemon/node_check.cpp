#include "node/daemon/node_check.h"

#include <filesystem>

#include "node/store/audit_log.h"
#include "node/store/page_check.h"
#include "node/store/writer_lock.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;

void check_audit(const std::string& path, CheckReport& report) {
  const ReadDamagedPages all;
  auto database = Database::open(path, Database::Mode::read_only);
  if (!database) return;  // named by check_file
  const char* remedy = "restore the latest backup; partners hold checkpoints of what was there";
  try {
    const auto verdict = verify_audit(*database, {});
    report.audit_records += verdict.head.count;
    if (!verdict.first_bad) return;
    report.findings.push_back({"entente.db", "audit",
                               "record " + std::to_string(*verdict.first_bad), verdict.reason,
                               remedy});
  } catch (const StoreFault& fault) {
    report.findings.push_back({"entente.db", "audit", "", fault.what(), remedy});
  }
}

}  // namespace

Result<CheckReport> check_home(const std::string& home, bool repair) {
  const std::string ledger = home + "/entente.db";
  const std::string history = home + "/history.db";
  if (!fs::exists(ledger) && !fs::exists(history)) {
    return make_error(ErrorCode::not_found, "there are no databases in " + home,
                      "name the node's folder with --home");
  }
  auto ledger_lock = WriterLock::take(ledger);
  if (!ledger_lock) return std::move(ledger_lock).error();
  auto history_lock = WriterLock::take(history);
  if (!history_lock) return std::move(history_lock).error();
  CheckReport report;
  if (fs::exists(ledger)) {
    check_file(ledger, report);
    for (auto& finding : report.findings) {
      finding.remedy = "restore the latest backup; the ledger is never guessed at";
    }
    check_audit(ledger, report);
  }
  if (!fs::exists(history)) return report;
  const auto before = report.findings.size();
  check_history(history, report);
  if (!repair || report.findings.size() == before) return report;
  if (auto done = repair_history(history, report); !done) return std::move(done).error();
  CheckReport after;
  check_history(history, after);
  after.pages += report.pages;
  after.audit_records = report.audit_records;
  after.repairs = std::move(report.repairs);
  report.findings.resize(before);
  after.findings.insert(after.findings.begin(), report.findings.begin(), report.findings.end());
  return after;
}

}  // namespace entente::node
