// The durable account behind the disclosure gate: budgets, releases, who paid, the seen-set, audit.
//
// Tables of entente.db, all STRICT: `ledger` (domain, block, scope -> spent rho and delta),
// `releases` (key -> final bytes), `paid` (partner, key), `seen` (query id, domain, question ->
// envelope), `released_cells` (what may be added up -> releases), `audit` (hash-chained records).
// Scopes are 'site' and a partner's id. One transaction does it all, through Store's group commit;
// reads go through a query-only connection, one worker at a time. The rule of the accounts is
// ledger_accounts.h, the one by which a restored backup is told and reconciled ledger_standing.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "federation/ask/release_store.h"
#include "node/store/ledger_accounts.h"
#include "node/store/ledger_standing.h"
#include "node/store/shared_reader.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/guarded.h"

namespace entente::node {

// One row of what was spent, for `budget show`.
struct LedgerRow {
  std::string domain;
  Instant block;
  std::string scope;  // "site", or a partner's id in hexadecimal
  RhoUnits spent;
  DeltaUnits delta;  // spent by thresholding
};

class ReleaseLedger final : public federation::ReleaseStore {
 public:
  // `store` is the one of entente.db, made with migrations() included.
  ReleaseLedger(Store& store, const Clock& clock);
  static const char* migration();
  static const char* cells_migration();  // later than all others

  Result<federation::ReleaseStanding> inquire(
      const federation::ReleaseInquiry& inquiry) const override;
  std::vector<federation::StoredRelease> cells(
      const federation::ReleaseInquiry& inquiry) const override;
  std::vector<BlockAmount> left(const federation::ReleaseInquiry& inquiry) const override;
  void commit(federation::ReleaseInquiry inquiry, std::function<Bytes()> draw,
              std::function<void(Result<federation::CommittedRelease>)> done) override;
  void note(const federation::ReleaseInquiry& inquiry, std::string_view outcome) override;

  // As commit(); `with` runs in the same transaction after the release is stored, unless this
  // partner had paid for it before, and undoes all of it when it refuses.
  using With = std::function<Outcome(Database&)>;
  void commit_with(federation::ReleaseInquiry inquiry, std::function<Bytes()> draw, With with,
                   std::function<void(Result<federation::CommittedRelease>)> done);

  // Any thread but the loop's: what has been spent, in block order; what reconciliations spent.
  std::vector<LedgerRow> rows() const;
  std::optional<Reconciled> reconciled(std::string_view domain) const;
  // Likewise: how far the log has come, durably.
  AuditHead head() const;

  // Blocks; at start. Closes the ledger when the log does not hold what is shown.
  [[nodiscard]] Outcome compare(const ShownHead& shown);
  // Any thread: why no partner is answered, if so.
  std::optional<Restored> restored() const;
  // Any thread but the loop's. Whether the partner's receipt was compared since this object was
  // made: it asked and showed one, or asked and has none to show.
  bool compared(const OrgId& partner) const;
  Reconciliation plan(std::vector<std::string> domains) const;
  // Loop thread; `done` is called on it.
  void reconcile(Reconciliation plan, Override override_word,
                 std::function<void(Result<Reconciliation>)> done);

 private:
  struct State {
    std::optional<Restored> restored;  // as in the table, but at once
    std::map<OrgId, bool> heard;       // partners that asked: whether they showed a receipt
  };
  void keep_closed(const federation::ReleaseInquiry& inquiry, const Error& refusal) const;

  Store& store_;
  const Clock& clock_;
  SharedReader reader_;
  mutable Guarded<State> state_;
};

}  // namespace entente::node
