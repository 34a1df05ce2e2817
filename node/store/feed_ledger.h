// Feeds that partners follow, in entente.db: their terms, what is reserved for them, their ticks.
//
// Tables, all STRICT: `feeds`, `feed_charges` (feed, block -> rho still reserved or used),
// `feed_ticks` (feed, sequence -> exact sums where later ticks need them, final bytes). The start
// is a commit of the release ledger with the rows added in its transaction, so the reservation
// passes the same accounts, caps, guarantees and audit chain as any charge, and a restored backup
// is told in the same way; a reconciliation ends every feed that began before it. Exact sums are
// private and never leave this file. Threads: as FeedStore says.
#pragma once

#include "federation/feed/feed_store.h"
#include "node/store/release_ledger.h"

namespace entente::node {

class FeedLedger final : public federation::FeedStore {
 public:
  // `store` is the one of entente.db, made with migration() included; both outlive this.
  FeedLedger(Store& store, ReleaseLedger& ledger, const Clock& clock);
  static const char* migration();

  [[nodiscard]] Outcome whole(const federation::ReleaseInquiry& inquiry) const override;
  std::optional<federation::FeedRecord> find(const QueryId& id) const override;
  std::vector<federation::FeedRecord> running() const override;
  std::optional<federation::FeedTick> tick(const QueryId& id,
                                           std::uint32_t sequence) const override;
  std::vector<BlockAmount> left(const federation::ReleaseInquiry& inquiry) const override;
  void start(federation::ReleaseInquiry inquiry, federation::FeedRecord record, Bytes standing,
             std::function<void(Result<federation::CommittedRelease>)> done) override;
  void release(federation::FeedDraft draft, Draw draw,
               std::function<void(Result<federation::FeedTick>)> done) override;
  void end(const QueryId& id, ErrorCode why,
           std::function<void(Result<federation::FeedEnd>)> done) override;

  // Any thread but the loop's. All feeds, newest first; what running ones hold of each block, by
  // partner.
  std::vector<federation::FeedRecord> all() const;
  std::vector<LedgerRow> reserved() const;

 private:
  Store& store_;
  ReleaseLedger& ledger_;
  const Clock& clock_;
  SharedReader reader_;
};

}  // namespace entente::node
