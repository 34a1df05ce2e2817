// The durable account behind the disclosure gate: budgets, releases, who paid, the seen-set, audit.
//
// Tables of entente.db, all STRICT: `ledger` (domain, block, scope -> spent), `releases` (key ->
// final bytes), `paid` (partner, key), `seen` (query id, domain, question -> envelope), `audit`
// (hash-chained records). Scopes are 'site' and a partner's id. One transaction does it all,
// through Store's group commit; reads go through query-only connections, one per worker at a time.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "federation/ask/release_store.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"

namespace entente::node {

// One row of what was spent, for `budget show`.
struct LedgerRow {
  std::string domain;
  Instant block;
  std::string scope;  // "site", or a partner's id in hexadecimal
  RhoUnits spent;
};

class ReleaseLedger final : public federation::ReleaseStore {
 public:
  // `store` is the one of entente.db, made with migrations() included.
  ReleaseLedger(Store& store, const Clock& clock);
  ~ReleaseLedger() override;
  static const char* migration();

  Result<federation::ReleaseStanding> inquire(
      const federation::ReleaseInquiry& inquiry) const override;
  std::vector<BlockAmount> left(const federation::ReleaseInquiry& inquiry) const override;
  void commit(federation::ReleaseInquiry inquiry, std::function<Bytes()> draw,
              std::function<void(Result<federation::CommittedRelease>)> done) override;
  void note(const federation::ReleaseInquiry& inquiry, std::string_view outcome) override;

  // Any thread but the loop's: what has been spent, in block order.
  std::vector<LedgerRow> rows() const;

 private:
  class Reader;
  Store& store_;
  const Clock& clock_;
  std::unique_ptr<Reader> reader_;
};

}  // namespace entente::node
