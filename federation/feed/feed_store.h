// What a site needs of its durable account for feeds: the whole horizon reserved at the start,
// every tick frozen and released once, what had not begun given back at the end.
//
// A reservation is a charge like any other: booked on every block in the same transaction that
// stores the feed, for the site and for the partner, all or nothing; so what is released is always
// within what is recorded. A tick is drawn and stored in one transaction and only then sent; it is
// the same bytes for ever.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "federation/ask/release_store.h"
#include "federation/query/release.h"
#include "schemas/feed.h"

namespace entente::federation {

struct FeedRecord {
  QueryId id;
  OrgId partner;
  AgreementId agreement;
  std::string purpose;
  Bytes terms;       // canonical
  Hash256 reserved;  // of what was reserved at the start, charges_hash
  std::string domain;
  std::uint32_t ticks = 0;
  std::uint32_t next = 0;  // the first tick that is not released
  Instant started;
  std::optional<ErrorCode> ended;  // why; a feed whose ticks are all released is not ended
  Instant ended_at;
};

// What a feed's price is compared by with what was reserved for it.
Hash256 charges_hash(const std::vector<BlockAmount>& charges);

// One tick on its way into the store.
struct FeedDraft {
  QueryId id;
  std::uint32_t sequence = 0;
  Instant reached;     // the tick's end: blocks before it have begun
  bool keeps = false;  // whether later ticks are made of this one's exact values
  ExactVectors exact;  // private
};

struct FeedEnd {
  FeedRecord record;
  std::vector<BlockAmount> returned;  // now; none when it had ended before
  AuditHead audit_head;
};

struct FeedTick {
  Bytes release;
  AuditHead audit_head;  // durable when this was read
};

class FeedStore {
 public:
  virtual ~FeedStore() = default;

  // Workers, several at once. Refuses as ReleaseStore::inquire does of a database that was restored
  // from a backup: reconcile_needed, also when the receipt shown says so.
  [[nodiscard]] virtual Outcome whole(const ReleaseInquiry& inquiry) const = 0;

  // Workers, several at once. Read only; throw on a store fault.
  virtual std::optional<FeedRecord> find(const QueryId& id) const = 0;
  // Neither ended nor complete.
  virtual std::vector<FeedRecord> running() const = 0;
  virtual std::optional<FeedTick> tick(const QueryId& id, std::uint32_t sequence) const = 0;
  // What a refused start is told besides: the amounts left per block.
  virtual std::vector<BlockAmount> left(const ReleaseInquiry& inquiry) const = 0;

  // Loop thread; `done` is called on it. Refuses as ReleaseStore::commit does, changing nothing;
  // overloaded when too many feeds run. The same inquiry again gives the same standing, free.
  virtual void start(ReleaseInquiry inquiry, FeedRecord record, Bytes standing,
                     std::function<void(Result<CommittedRelease>)> done) = 0;

  // Loop thread; `done` is called on it. `draw` gets the exact values of all ticks up to this one
  // (of this one alone unless the draft keeps them), adds noise and returns the canonical release;
  // it runs once, on the store's thread, unless the tick is stored already: then those bytes are
  // handed back. Refuses, changing nothing: conflict (not the next tick); the code with which the
  // feed ended; reconcile_needed (the database was restored from a backup; a feed from before a
  // reconciliation is ended by this).
  using Draw = std::function<Bytes(const std::vector<ExactVectors>& frozen)>;
  virtual void release(FeedDraft draft, Draw draw, std::function<void(Result<FeedTick>)> done) = 0;

  // Loop thread; `done` is called on it. Ends the feed and gives back what is reserved on blocks
  // that begin after now and after every released tick; without effect on one that has ended.
  // Refuses: not_found.
  virtual void end(const QueryId& id, ErrorCode why, std::function<void(Result<FeedEnd>)> done) = 0;
};

}  // namespace entente::federation
