#include "node/store/feed_ledger.h"

#include <map>

#include "federation/feed/feed_release.h"
#include "federation/feed/limits.h"
#include "node/store/audit_log.h"

namespace entente::node {
namespace {

using federation::ExactVectors;
using federation::FeedDraft;
using federation::FeedEnd;
using federation::FeedRecord;
using federation::FeedTick;

constexpr const char* kColumns =
    "SELECT id, partner, agreement, purpose, terms, domain, ticks, next, started, ended, ended_at, "
    "reserved FROM feeds ";

template <class Id>
Id id_at(const Statement& row, int column) {
  auto id = Id::from_bytes(row.blob(column));
  if (!id) throw StoreFault("a stored feed does not read", 0);
  return *id;
}

FeedRecord record_at(const Statement& row) {
  FeedRecord record;
  record.id = id_at<QueryId>(row, 0);
  record.partner = id_at<OrgId>(row, 1);
  record.agreement = id_at<AgreementId>(row, 2);
  record.purpose = row.text(3);
  record.terms = row.blob(4);
  record.domain = row.text(5);
  record.ticks = static_cast<std::uint32_t>(row.integer(6));
  record.next = static_cast<std::uint32_t>(row.integer(7));
  record.started = {row.integer(8)};
  if (row.integer(9) != 0) {
    record.ended = code_from_number(static_cast<std::uint16_t>(row.integer(9)));
  }
  record.ended_at = {row.integer(10)};
  record.reserved = id_at<Hash256>(row, 11);
  return record;
}

std::vector<FeedRecord> records(Database& database, const std::string& where) {
  std::vector<FeedRecord> out;
  Statement rows = database.prepare(kColumns + where);
  while (rows.step()) out.push_back(record_at(rows));
  return out;
}

std::optional<FeedRecord> record_of(Database& database, const QueryId& id) {
  Statement row = database.prepare(std::string(kColumns) + "WHERE id = ?");
  row.bind(1, id.view());
  if (!row.step()) return {};
  return record_at(row);
}

std::optional<Bytes> tick_of(Database& database, const QueryId& id, std::uint32_t sequence) {
  Statement& row = database.cached("SELECT body FROM feed_ticks WHERE feed = ? AND sequence = ?");
  row.bind(1, id.view()).bind(2, static_cast<std::int64_t>(sequence));
  std::optional<Bytes> body;
  if (row.step()) body = row.blob(0);
  row.reset();
  return body;
}

void note(Database& database, const FeedRecord& record, Instant now, std::string action,
          std::map<std::string, std::string> detail) {
  security::AuditRecord entry;
  entry.time = now;
  entry.actor = "organisation:" + record.partner.hex();
  entry.action = std::move(action);
  entry.object = "domain:" + record.domain;
  entry.outcome = security::AuditOutcome::done;
  detail["feed"] = record.id.hex();
  for (auto& [name, value] : detail) entry.detail.push_back({name, value});
  append_audit(database, std::move(entry));
}

std::string sum_text(const std::vector<BlockAmount>& amounts) {
  unsigned __int128 sum = 0;
  for (const BlockAmount& amount : amounts) sum += amount.rho.units;
  return sum > UINT64_MAX ? "overflow" : std::to_string(static_cast<std::uint64_t>(sum));
}

Outcome insert(Database& database, const FeedRecord& record,
               const std::vector<BlockAmount>& charges) {
  Statement& count = database.cached("SELECT COUNT(*) FROM feeds WHERE ended = 0 AND next < ticks");
  const bool full = count.step() && count.integer(0) >= static_cast<std::int64_t>(
                                                            federation::limits::kFeedsRunning);
  count.reset();
  if (full) return make_error(ErrorCode::overloaded, "too many feeds run at this site");
  Statement& theirs = database.cached(
      "SELECT COUNT(*) FROM feeds WHERE ended = 0 AND next < ticks AND partner = ?");
  theirs.bind(1, record.partner.view());
  const bool many = theirs.step() && theirs.integer(0) >= static_cast<std::int64_t>(
                                                              federation::limits::kFeedsOfPartner);
  theirs.reset();
  if (many) return make_error(ErrorCode::overloaded, "too many feeds of this partner run");
  if (record_of(database, record.id)) {
    return make_error(ErrorCode::conflict, "a feed with this id was started before");
  }
  Statement& add = database.cached(
      "INSERT INTO feeds (id, partner, agreement, purpose, terms, domain, ticks, started, "
      "reserved) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  add.bind(1, record.id.view()).bind(2, record.partner.view()).bind(3, record.agreement.view());
  add.bind(4, std::string_view(record.purpose)).bind(5, ByteView(record.terms));
  add.bind(6, std::string_view(record.domain)).bind(7, static_cast<std::int64_t>(record.ticks));
  add.bind(8, record.started.ns).bind(9, record.reserved.view()).run();
  Statement& charge =
      database.cached("INSERT INTO feed_charges (feed, block, rho) VALUES (?, ?, ?)");
  for (const BlockAmount& amount : charges) {
    charge.bind(1, record.id.view()).bind(2, amount.start.ns);
    charge.bind(3, static_cast<std::int64_t>(amount.rho.units)).run();
  }
  note(database, record, record.started, "feed.start",
       {{"blocks", std::to_string(charges.size())},
        {"rho", sum_text(charges)},
        {"ticks", std::to_string(record.ticks)}});
  return {};
}

// Blocks of which nothing can have been released: they begin after every released tick and after
// now, whatever the clock did in between.
std::vector<BlockAmount> not_begun(Database& database, const QueryId& id, Instant now) {
  Statement& rows = database.cached(
      "SELECT block, rho FROM feed_charges WHERE feed = ?1 AND block > ?2 AND block >= "
      "(SELECT reached FROM feeds WHERE id = ?1) ORDER BY block");
  rows.bind(1, id.view()).bind(2, now.ns);
  std::vector<BlockAmount> out;
  while (rows.step()) {
    out.push_back({{rows.integer(0)}, {static_cast<std::uint64_t>(rows.integer(1))}});
  }
  rows.reset();
  return out;
}

void give_back(Database& database, const FeedRecord& record,
               const std::vector<BlockAmount>& amounts) {
  Statement& less = database.cached(
      "UPDATE ledger SET spent = spent - ? WHERE domain = ? AND block = ? AND scope = ?");
  Statement& drop = database.cached("DELETE FROM feed_charges WHERE feed = ? AND block = ?");
  for (const BlockAmount& amount : amounts) {
    for (const std::string& scope : {record.partner.hex(), std::string(kSiteScope)}) {
      less.bind(1, static_cast<std::int64_t>(amount.rho.units));
      less.bind(2, std::string_view(record.domain)).bind(3, amount.start.ns);
      less.bind(4, std::string_view(scope)).run();
    }
    drop.bind(1, record.id.view()).bind(2, amount.start.ns).run();
  }
}

// Nothing is made of them any more.
void forget_frozen(Database& database, const QueryId& id) {
  Statement& row = database.cached("UPDATE feed_ticks SET exact = x'' WHERE feed = ?");
  row.bind(1, id.view()).run();
}

FeedEnd end_in(Database& database, FeedRecord record, ErrorCode why, Instant now) {
  FeedEnd end;
  const bool complete = record.next >= record.ticks;
  if (!record.ended && !complete) {
    end.returned = not_begun(database, record.id, now);
    give_back(database, record, end.returned);
    Statement& row = database.cached("UPDATE feeds SET ended = ?, ended_at = ? WHERE id = ?");
    row.bind(1, static_cast<std::int64_t>(why)).bind(2, now.ns).bind(3, record.id.view()).run();
    forget_frozen(database, record.id);
    note(database, record, now, "feed.end",
         {{"returned", sum_text(end.returned)},
          {"ticks", std::to_string(record.next)},
          {"why", std::string(code_name(why))}});
    record.ended = why;
    record.ended_at = now;
  }
  end.record = std::move(record);
  end.audit_head = audit_head(database);
  return end;
}

std::vector<ExactVectors> frozen_before(Database& database, const QueryId& id) {
  std::vector<ExactVectors> frozen;
  Statement& rows =
      database.cached("SELECT exact FROM feed_ticks WHERE feed = ? ORDER BY sequence");
  rows.bind(1, id.view());
  while (rows.step()) {
    auto exact = federation::exact_from_stored(rows.blob(0));
    if (!exact) throw StoreFault(exact.error().what, 0);
    frozen.push_back(std::move(*exact));
  }
  rows.reset();
  return frozen;
}

FeedTick store_tick(Database& database, const FeedRecord& record, FeedDraft draft,
                    const federation::FeedStore::Draw& draw, Instant now) {
  const Bytes stored = draft.keeps ? to_stored(draft.exact) : Bytes();
  std::vector<ExactVectors> frozen;
  if (draft.keeps) frozen = frozen_before(database, record.id);
  if (draft.keeps && frozen.size() != record.next) throw StoreFault("a frozen tick is gone", 0);
  frozen.push_back(std::move(draft.exact));
  FeedTick tick;
  tick.release = draw(frozen);
  Statement& add = database.cached(
      "INSERT INTO feed_ticks (feed, sequence, exact, body, created) VALUES (?, ?, ?, ?, ?)");
  add.bind(1, record.id.view()).bind(2, static_cast<std::int64_t>(draft.sequence));
  add.bind(3, ByteView(stored)).bind(4, ByteView(tick.release)).bind(5, now.ns).run();
  Statement& next =
      database.cached("UPDATE feeds SET next = next + 1, reached = MAX(reached, ?) WHERE id = ?");
  next.bind(1, draft.reached.ns).bind(2, record.id.view()).run();
  if (record.next + 1 >= record.ticks) forget_frozen(database, record.id);
  note(database, record, now, "feed.release", {{"tick", std::to_string(draft.sequence)}});
  tick.audit_head = audit_head(database);
  return tick;
}

Error ended_error(ErrorCode why) {
  return make_error(why, "the feed has ended");
}

}  // namespace

const char* FeedLedger::migration() {
  return "CREATE TABLE feeds (id BLOB PRIMARY KEY, partner BLOB NOT NULL, agreement BLOB NOT NULL,"
         "  purpose TEXT NOT NULL, terms BLOB NOT NULL, domain TEXT NOT NULL,"
         "  ticks INTEGER NOT NULL, next INTEGER NOT NULL DEFAULT 0 CHECK (next <= ticks),"
         "  reached INTEGER NOT NULL DEFAULT -9223372036854775808,"
         "  started INTEGER NOT NULL, ended INTEGER NOT NULL DEFAULT 0,"
         "  ended_at INTEGER NOT NULL DEFAULT 0, reserved BLOB NOT NULL) STRICT;"
         "CREATE TABLE feed_charges (feed BLOB NOT NULL, block INTEGER NOT NULL,"
         "  rho INTEGER NOT NULL, PRIMARY KEY (feed, block)) STRICT, WITHOUT ROWID;"
         "CREATE TABLE feed_ticks (feed BLOB NOT NULL, sequence INTEGER NOT NULL,"
         "  exact BLOB NOT NULL, body BLOB NOT NULL, created INTEGER NOT NULL,"
         "  PRIMARY KEY (feed, sequence)) STRICT;";
}

FeedLedger::FeedLedger(Store& store, ReleaseLedger& ledger, const Clock& clock)
    : store_(store), ledger_(ledger), clock_(clock), reader_(store) {}

Outcome FeedLedger::whole(const federation::ReleaseInquiry& inquiry) const {
  auto standing = ledger_.inquire(inquiry);
  if (!standing && standing.error().code == ErrorCode::reconcile_needed) {
    return std::move(standing).error();
  }
  return {};
}

std::optional<FeedRecord> FeedLedger::find(const QueryId& id) const {
  return reader_.with([&](Database& database) { return record_of(database, id); });
}

std::vector<FeedRecord> FeedLedger::running() const {
  return reader_.with([](Database& database) {
    return records(database, "WHERE ended = 0 AND next < ticks ORDER BY started, id");
  });
}

std::optional<FeedTick> FeedLedger::tick(const QueryId& id, std::uint32_t sequence) const {
  return reader_.with([&](Database& database) -> std::optional<FeedTick> {
    auto body = tick_of(database, id, sequence);
    if (!body) return {};
    return FeedTick{std::move(*body), audit_head(database)};
  });
}

std::vector<BlockAmount> FeedLedger::left(const federation::ReleaseInquiry& inquiry) const {
  return ledger_.left(inquiry);
}

void FeedLedger::start(federation::ReleaseInquiry inquiry, FeedRecord record, Bytes standing,
                       std::function<void(Result<federation::CommittedRelease>)> done) {
  auto charges = inquiry.charges;
  ledger_.commit_with(
      std::move(inquiry), [standing = std::move(standing)] { return standing; },
      [record = std::move(record), charges = std::move(charges)](Database& database) {
        return insert(database, record, charges);
      },
      std::move(done));
}

void FeedLedger::release(FeedDraft draft, Draw draw, std::function<void(Result<FeedTick>)> done) {
  struct Drawn {
    FeedTick tick;
    std::optional<ErrorCode> ended;
  };
  store_.post<Drawn>(
      [draft = std::move(draft), draw = std::move(draw),
       this](Database& database) -> Result<Drawn> {
        if (const auto closed = ledger_.restored()) {
          return make_error(ErrorCode::reconcile_needed, closed->evidence);
        }
        auto record = record_of(database, draft.id);
        if (!record) return make_error(ErrorCode::not_found, "there is no such feed");
        if (auto body = tick_of(database, draft.id, draft.sequence)) {
          return Drawn{{std::move(*body), audit_head(database)}, {}};
        }
        if (record->ended) return ended_error(*record->ended);
        if (draft.sequence != record->next || record->next >= record->ticks) {
          return make_error(ErrorCode::conflict, "this is not the feed's next tick");
        }
        // Ticks may have been released that this database has forgotten; their blocks are spent.
        const auto reconciled = reconciled_of(database, record->domain);
        if (reconciled && reconciled->until > record->started) {
          end_in(database, std::move(*record), ErrorCode::reconcile_needed, clock_.now());
          return Drawn{{}, ErrorCode::reconcile_needed};
        }
        return Drawn{store_tick(database, *record, draft, draw, clock_.now()), {}};
      },
      [done = std::move(done)](Result<Drawn> drawn) {
        if (!drawn) return done(std::move(drawn).error());
        if (drawn->ended) return done(ended_error(*drawn->ended));
        done(std::move(drawn->tick));
      });
}

void FeedLedger::end(const QueryId& id, ErrorCode why, std::function<void(Result<FeedEnd>)> done) {
  store_.post<FeedEnd>(
      [id, why, this](Database& database) -> Result<FeedEnd> {
        auto record = record_of(database, id);
        if (!record) return make_error(ErrorCode::not_found, "there is no such feed");
        return end_in(database, std::move(*record), why, clock_.now());
      },
      std::move(done));
}

std::vector<FeedRecord> FeedLedger::all() const {
  return reader_.with(
      [](Database& database) { return records(database, "ORDER BY started DESC, id"); });
}

std::vector<LedgerRow> FeedLedger::reserved() const {
  return reader_.with([](Database& database) {
    std::vector<LedgerRow> out;
    Statement rows = database.prepare(
        "SELECT f.domain, c.block, f.partner, SUM(c.rho) FROM feed_charges c JOIN feeds f "
        "ON f.id = c.feed WHERE f.ended = 0 AND f.next < f.ticks AND c.block >= f.reached "
        "GROUP BY f.domain, c.block, f.partner ORDER BY f.domain, c.block");
    while (rows.step()) {
      LedgerRow row;
      row.domain = rows.text(0);
      row.block = {rows.integer(1)};
      row.scope = id_at<OrgId>(rows, 2).hex();
      row.spent = {static_cast<std::uint64_t>(rows.integer(3))};
      out.push_back(std::move(row));
    }
    return out;
  });
}

}  // namespace entente::node
