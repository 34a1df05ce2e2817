#include "node/store/release_ledger.h"

#include "federation/ask/composition.h"
#include "federation/ask/limits.h"
#include "node/store/audit_log.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/hash.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::CommittedRelease;
using federation::ReleaseInquiry;
using federation::ReleaseStanding;
using federation::StoredRelease;

std::optional<Bytes> stored_release(Database& database, const Hash256& key) {
  Statement& row = database.cached("SELECT body FROM releases WHERE key = ?");
  row.bind(1, key.view());
  std::optional<Bytes> body;
  if (row.step()) body = row.blob(0);
  row.reset();
  return body;
}

bool has_paid(Database& database, const ReleaseInquiry& inquiry, const Hash256& key) {
  Statement& row = database.cached("SELECT 1 FROM paid WHERE partner = ? AND key = ?");
  row.bind(1, inquiry.partner.view()).bind(2, key.view());
  const bool paid = row.step();
  row.reset();
  return paid;
}

// A composed release is the partner's own.
Hash256 composed_key(const ReleaseInquiry& inquiry) {
  return hash_parts("entente composed release v1",
                    {inquiry.release_key.view(), inquiry.partner.view()});
}

void store_release(Database& database, const Hash256& key, const std::string& domain,
                   ByteView release, Instant now) {
  Statement& add =
      database.cached("INSERT INTO releases (key, domain, body, created) VALUES (?, ?, ?, ?)");
  add.bind(1, key.view()).bind(2, std::string_view(domain));
  add.bind(3, release).bind(4, now.ns).run();
}

void store_paid(Database& database, const ReleaseInquiry& inquiry, const Hash256& key) {
  Statement& add = database.cached("INSERT INTO paid (partner, key) VALUES (?, ?)");
  add.bind(1, inquiry.partner.view()).bind(2, key.view()).run();
}

// So that the release is found when a longer window is asked for.
void store_cells(Database& database, const ReleaseInquiry& inquiry) {
  if (!inquiry.cells) return;
  Statement& add = database.cached(
      "INSERT INTO released_cells (cells, key, opens, closes, every) VALUES (?, ?, ?, ?, ?)");
  add.bind(1, inquiry.cells->key.view()).bind(2, inquiry.release_key.view());
  add.bind(3, inquiry.cells->window.from.ns).bind(4, inquiry.cells->window.to.ns);
  add.bind(5, inquiry.cells->every.value_or(Duration{}).ns).run();
}

ShownHead shown_by(const ReleaseInquiry& inquiry) {
  return {inquiry.shown->head, inquiry.shown->issued, "organisation:" + inquiry.partner.hex()};
}

Outcome check_whole(Database& database, const ReleaseInquiry& inquiry) {
  if (inquiry.shown) {
    if (auto held = check_shown(database, shown_by(inquiry)); !held) return held;
  }
  if (const auto restored = restored_of(database)) {
    return make_error(ErrorCode::reconcile_needed, restored->evidence);
  }
  return {};
}

Outcome check_seen(Database& database, const ReleaseInquiry& inquiry) {
  Statement& row =
      database.cached("SELECT envelope FROM seen WHERE query = ? AND domain = ? AND question = ?");
  row.bind(1, inquiry.query_id.view()).bind(2, std::string_view(inquiry.domain));
  row.bind(3, inquiry.question_hash.view());
  const bool known = row.step();
  const bool same = known && row.blob(0) == to_bytes(inquiry.envelope_hash.view());
  row.reset();
  if (!known || same) return {};
  return make_error(ErrorCode::replayed, "this query id was used before under another envelope");
}

// Whole, seen, stored, then room: what inquire() answers and commit() checks again.
Result<ReleaseStanding> standing_of(Database& database, const ReleaseInquiry& inquiry) {
  if (auto whole = check_whole(database, inquiry); !whole) return std::move(whole).error();
  if (auto fresh = check_seen(database, inquiry); !fresh) return std::move(fresh).error();
  ReleaseStanding standing;
  standing.release = stored_release(database, inquiry.release_key);
  standing.paid = standing.release && has_paid(database, inquiry, inquiry.release_key);
  // What was composed for this partner stays its answer, also when another pays for noise of the
  // question's own.
  if (!standing.paid && inquiry.cells && !inquiry.cells->fresh) {
    if (auto composed = stored_release(database, composed_key(inquiry))) {
      standing.release = std::move(composed);
      standing.paid = true;
    }
  }
  const Already already{standing.paid, standing.release.has_value()};
  if (auto room = check_room(database, inquiry, already); !room) return std::move(room).error();
  standing.left = left_in(database, inquiry);
  standing.delta_left = delta_left_in(database, inquiry);
  standing.audit_head = audit_head(database);
  return standing;
}

// The blocks charged, as "first .. last" with the sum; the ledger has each.
security::AuditRecord record_of(const ReleaseInquiry& inquiry, Instant now, std::string_view action,
                                security::AuditOutcome outcome, std::string_view how) {
  unsigned __int128 rho = 0;
  for (const BlockAmount& charge : inquiry.charges) rho += charge.rho.units;
  const std::string sum =
      rho > UINT64_MAX ? "overflow" : std::to_string(static_cast<std::uint64_t>(rho));
  security::AuditRecord record;
  record.time = now;
  record.actor = "organisation:" + inquiry.partner.hex();
  record.action = std::string(action);
  record.object = "domain:" + inquiry.domain;
  record.outcome = outcome;
  record.detail = {{"blocks", std::to_string(inquiry.charges.size())},
                   {"delta", std::to_string(inquiry.delta.units)},
                   {"how", std::string(how)},
                   {"query", inquiry.query_id.hex()},
                   {"question", inquiry.question_hash.hex()},
                   {"release", inquiry.release_key.hex()},
                   {"rho", sum}};
  return record;
}

// Ids are kept until their deadline and the clocks' allowed skew have passed; then `stale` refuses
// them.
void remember_seen(Database& database, const ReleaseInquiry& inquiry, Instant now) {
  Statement& prune = database.cached("DELETE FROM seen WHERE expires < ?");
  prune.bind(1, (now - federation::limits::kClockSkew).ns).run();
  Statement& add = database.cached(
      "INSERT OR IGNORE INTO seen (query, domain, question, envelope, expires) "
      "VALUES (?, ?, ?, ?, ?)");
  add.bind(1, inquiry.query_id.view()).bind(2, std::string_view(inquiry.domain));
  add.bind(3, inquiry.question_hash.view()).bind(4, inquiry.envelope_hash.view());
  add.bind(5, inquiry.deadline.ns).run();
}

// What was made of earlier releases: the site's account is left alone, the partner's quota pays for
// cells that it had not paid for.
Result<CommittedRelease> commit_composed(Database& database, ReleaseInquiry inquiry,
                                         const std::function<Bytes()>& draw, Instant now) {
  if (auto whole = check_whole(database, inquiry); !whole) return std::move(whole).error();
  if (auto fresh = check_seen(database, inquiry); !fresh) return std::move(fresh).error();
  CommittedRelease committed;
  committed.reused = true;
  const Hash256 key = composed_key(inquiry);
  const std::vector<BlockAmount> asked = inquiry.charges;
  inquiry.charges = {};
  if (auto stored = stored_release(database, key)) {
    committed.release = std::move(*stored);
  } else {
    inquiry.charges = *inquiry.composed;
    if (auto room = check_room(database, inquiry, {false, true}); !room) {
      return std::move(room).error();
    }
    debit(database, inquiry, inquiry.partner.hex());
    committed.charged = inquiry.charges;
    committed.release = draw();
    store_release(database, key, inquiry.domain, committed.release, now);
    store_paid(database, inquiry, key);
    crash_point("release.stored");
  }
  remember_seen(database, inquiry, now);
  append_audit(database,
               record_of(inquiry, now, "release", security::AuditOutcome::intent, "composed"));
  inquiry.charges = asked;
  committed.left = left_in(database, inquiry);
  committed.delta_left = delta_left_in(database, inquiry);
  committed.audit_head = audit_head(database);
  crash_point("release.audited");
  return committed;
}

Result<CommittedRelease> commit_in(Database& database, const ReleaseInquiry& inquiry,
                                   const std::function<Bytes()>& draw, Instant now) {
  if (inquiry.composed) return commit_composed(database, inquiry, draw, now);
  auto standing = standing_of(database, inquiry);
  if (!standing) return std::move(standing).error();
  CommittedRelease committed;
  committed.reused = standing->release.has_value();
  if (!standing->paid) {
    debit(database, inquiry, inquiry.partner.hex());
    committed.charged = inquiry.charges;
    committed.delta_charged = inquiry.delta;
    store_paid(database, inquiry, inquiry.release_key);
  }
  if (committed.reused) {
    committed.release = std::move(*standing->release);
  } else {
    debit(database, inquiry, kSiteScope);
    crash_point("release.debited");
    committed.release = draw();
    store_release(database, inquiry.release_key, inquiry.domain, committed.release, now);
    store_cells(database, inquiry);
    crash_point("release.stored");
  }
  remember_seen(database, inquiry, now);
  committed.left = left_in(database, inquiry);
  committed.delta_left = delta_left_in(database, inquiry);
  append_audit(database, record_of(inquiry, now, "release", security::AuditOutcome::intent,
                                   committed.reused ? "reused" : "new"));
  committed.audit_head = audit_head(database);
  crash_point("release.audited");
  return committed;
}

}  // namespace

const char* ReleaseLedger::migration() {
  return "CREATE TABLE ledger (domain TEXT NOT NULL, block INTEGER NOT NULL, scope TEXT NOT NULL,"
         "  spent INTEGER NOT NULL CHECK (spent >= 0), PRIMARY KEY (domain, block, scope))"
         "  STRICT, WITHOUT ROWID;"
         "CREATE TABLE releases (key BLOB PRIMARY KEY, domain TEXT NOT NULL, body BLOB NOT NULL,"
         "  created INTEGER NOT NULL) STRICT;"
         "CREATE TABLE paid (partner BLOB NOT NULL, key BLOB NOT NULL, PRIMARY KEY (partner, key))"
         "  STRICT, WITHOUT ROWID;"
         "CREATE TABLE seen (query BLOB NOT NULL, domain TEXT NOT NULL, question BLOB NOT NULL,"
         "  envelope BLOB NOT NULL, expires INTEGER NOT NULL,"
         "  PRIMARY KEY (query, domain, question)) STRICT, WITHOUT ROWID;"
         "CREATE INDEX seen_by_expiry ON seen (expires);";
}

const char* ReleaseLedger::cells_migration() {
  return "CREATE TABLE released_cells (cells BLOB NOT NULL, key BLOB NOT NULL,"
         "  opens INTEGER NOT NULL, closes INTEGER NOT NULL, every INTEGER NOT NULL,"
         "  PRIMARY KEY (cells, opens, key)) STRICT, WITHOUT ROWID;";
}

ReleaseLedger::ReleaseLedger(Store& store, const Clock& clock)
    : store_(store), clock_(clock), reader_(store) {
  state_.with([&](State& state) {
    state.restored = reader_.with([](Database& database) { return restored_of(database); });
  });
}

Result<ReleaseStanding> ReleaseLedger::inquire(const ReleaseInquiry& inquiry) const {
  const auto closed = state_.with([&](State& state) {
    bool& shown = state.heard[inquiry.partner];
    shown = shown || inquiry.shown.has_value();
    return state.restored;
  });
  if (closed) return make_error(ErrorCode::reconcile_needed, closed->evidence);
  auto standing = reader_.with([&](Database& database) { return standing_of(database, inquiry); });
  if (!standing) keep_closed(inquiry, standing.error());
  return standing;
}

// What a receipt has shown holds from now on, and durably: the next start need not see it again.
void ReleaseLedger::keep_closed(const ReleaseInquiry& inquiry, const Error& refusal) const {
  if (refusal.code != ErrorCode::reconcile_needed || !inquiry.shown) return;
  const Instant now = clock_.now();
  const bool first = state_.with([&](State& state) {
    if (state.restored) return false;
    state.restored = Restored{refusal.what, now};
    return true;
  });
  if (!first) return;
  log::error("ledger", "this ledger was restored from a backup: no partner is answered",
             {{"evidence", refusal.what}});
  store_.post<std::optional<Restored>>(
      [shown = shown_by(inquiry), now](Database& database) -> Result<std::optional<Restored>> {
        close_ledger(database, shown, now);
        return restored_of(database);
      },
      [this](Result<std::optional<Restored>> closed) {
        // Open again if a reconciliation came in between; closed if nothing could be written.
        if (closed) return state_.with([&](State& state) { state.restored = *closed; });
        log::error("ledger", "that it is closed was not kept", {{"reason", closed.error().what}});
      });
}

Outcome ReleaseLedger::compare(const ShownHead& shown) {
  // As a rule the log holds it, and nothing is written.
  auto held = reader_.with([&](Database& database) { return check_shown(database, shown); });
  if (held) return {};
  auto compared = store_.run<std::optional<Restored>>(
      [&shown, this](Database& database) -> Result<std::optional<Restored>> {
        close_ledger(database, shown, clock_.now());
        return restored_of(database);
      });
  if (!compared) return std::move(compared).error();
  state_.with([&](State& state) { state.restored = *compared; });
  return {};
}

std::optional<Restored> ReleaseLedger::restored() const {
  return state_.with([](const State& state) { return state.restored; });
}

AuditHead ReleaseLedger::head() const {
  return reader_.with([](Database& database) { return audit_head(database); });
}

bool ReleaseLedger::compared(const OrgId& partner) const {
  const auto shown = state_.with([&](const State& state) -> std::optional<bool> {
    const auto heard = state.heard.find(partner);
    return heard == state.heard.end() ? std::nullopt : std::optional(heard->second);
  });
  if (!shown) return false;
  // Who shows none has none to show only if nothing was ever released to it.
  return *shown || reader_.with([&](Database& database) {
    Statement row = database.prepare("SELECT 1 FROM paid WHERE partner = ? LIMIT 1");
    row.bind(1, partner.view());
    return !row.step();
  });
}

Reconciliation ReleaseLedger::plan(std::vector<std::string> domains) const {
  return reader_.with([&](Database& database) {
    return plan_reconciliation(database, std::move(domains), clock_.now());
  });
}

void ReleaseLedger::reconcile(Reconciliation plan, Override override_word,
                              std::function<void(Result<Reconciliation>)> done) {
  store_.post<Reconciliation>(
      [plan = std::move(plan), word = std::move(override_word)](Database& database)
          -> Result<Reconciliation> { return node::reconcile(database, plan, word); },
      [this, done = std::move(done)](Result<Reconciliation> reconciled) {
        if (reconciled) state_.with([](State& state) { state.restored.reset(); });
        done(std::move(reconciled));
      });
}

std::vector<StoredRelease> ReleaseLedger::cells(const ReleaseInquiry& inquiry) const {
  if (!inquiry.cells) return {};
  return reader_.with([&](Database& database) {
    std::vector<StoredRelease> found;
    Statement& rows = database.cached(
        "SELECT r.body, c.opens, c.closes, c.every,"
        "  EXISTS (SELECT 1 FROM paid p WHERE p.partner = ? AND p.key = c.key) AS own"
        " FROM released_cells c JOIN releases r ON r.key = c.key"
        " WHERE c.cells = ? AND c.opens < ? AND c.closes > ?"
        " ORDER BY own DESC, c.closes - c.opens DESC, c.opens, c.key LIMIT ?");
    rows.bind(1, inquiry.partner.view()).bind(2, inquiry.cells->key.view());
    rows.bind(3, inquiry.cells->window.to.ns).bind(4, inquiry.cells->window.from.ns);
    rows.bind(5, static_cast<std::int64_t>(federation::limits::kComposedReleases));
    federation::CellsReach reach;
    while (rows.step()) {
      StoredRelease one{rows.blob(0), {{rows.integer(1)}, {rows.integer(2)}}, {}, false};
      if (rows.integer(3) > 0) one.every = Duration{rows.integer(3)};
      one.paid = rows.integer(4) != 0;
      if (!reach.admits(one.release.size())) break;
      found.push_back(std::move(one));
    }
    rows.reset();
    return found;
  });
}

std::vector<BlockAmount> ReleaseLedger::left(const ReleaseInquiry& inquiry) const {
  return reader_.with([&](Database& database) { return left_in(database, inquiry); });
}

void ReleaseLedger::commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
                           std::function<void(Result<CommittedRelease>)> done) {
  commit_with(std::move(inquiry), std::move(draw), {}, std::move(done));
}

void ReleaseLedger::commit_with(ReleaseInquiry inquiry, std::function<Bytes()> draw, With with,
                                std::function<void(Result<CommittedRelease>)> done) {
  store_.post<CommittedRelease>(
      [inquiry = std::move(inquiry), draw = std::move(draw), with = std::move(with),
       this](Database& database) -> Result<CommittedRelease> {
        if (const auto closed = restored()) {
          return make_error(ErrorCode::reconcile_needed, closed->evidence);
        }
        auto committed = commit_in(database, inquiry, draw, clock_.now());
        const bool again = committed && committed->reused && committed->charged.empty();
        if (!committed || !with || again) return committed;
        if (auto more = with(database); !more) return std::move(more).error();
        committed->audit_head = audit_head(database);
        return committed;
      },
      std::move(done));
}

void ReleaseLedger::note(const ReleaseInquiry& inquiry, std::string_view outcome) {
  store_.post<Hash256>(
      [inquiry, how = std::string(outcome), this](Database& database) -> Result<Hash256> {
        const auto word =
            how == "repeated" ? security::AuditOutcome::done : security::AuditOutcome::refused;
        return append_audit(database, record_of(inquiry, clock_.now(), "release", word, how));
      },
      [](Result<Hash256> head) {
        if (!head) log::error("audit", "a note was lost", {{"reason", head.error().what}});
      });
}

std::vector<LedgerRow> ReleaseLedger::rows() const {
  return reader_.with([](Database& database) {
    std::vector<LedgerRow> rows;
    Statement all = database.prepare(
        "SELECT domain, block, scope, spent, delta FROM ledger ORDER BY domain, block, scope");
    while (all.step()) {
      rows.push_back({all.text(0),
                      {all.integer(1)},
                      all.text(2),
                      {static_cast<std::uint64_t>(all.integer(3))},
                      {static_cast<std::uint64_t>(all.integer(4))}});
    }
    return rows;
  });
}

std::optional<Reconciled> ReleaseLedger::reconciled(std::string_view domain) const {
  return reader_.with([&](Database& database) { return reconciled_of(database, domain); });
}

}  // namespace entente::node
