#include "node/store/release_ledger.h"

#include <algorithm>

#include "federation/ask/limits.h"
#include "node/store/audit_log.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"
#include "security/privacy/ledger.h"

namespace entente::node {
namespace {

using federation::CommittedRelease;
using federation::ReleaseInquiry;
using federation::ReleaseStanding;

constexpr std::string_view kSiteScope = "site";

RhoUnits spent_in(Database& database, const std::string& domain, Instant block,
                  std::string_view scope) {
  Statement& row =
      database.cached("SELECT spent FROM ledger WHERE domain = ? AND block = ? AND scope = ?");
  row.bind(1, std::string_view(domain)).bind(2, block.ns).bind(3, scope);
  const RhoUnits spent{row.step() ? static_cast<std::uint64_t>(row.integer(0)) : 0};
  row.reset();
  return spent;
}

// The account of one scope over the blocks of an inquiry.
security::Account account_of(Database& database, const ReleaseInquiry& inquiry,
                             std::string_view scope, RhoUnits cap) {
  security::Account account;
  account.cap = cap;
  for (const BlockAmount& charge : inquiry.charges) {
    account.spent.push_back(
        {charge.start, spent_in(database, inquiry.domain, charge.start, scope)});
  }
  return account;
}

void debit(Database& database, const ReleaseInquiry& inquiry, std::string_view scope) {
  Statement& add = database.cached(
      "INSERT INTO ledger (domain, block, scope, spent) VALUES (?, ?, ?, ?) "
      "ON CONFLICT (domain, block, scope) DO UPDATE SET spent = spent + excluded.spent");
  for (const BlockAmount& charge : inquiry.charges) {
    add.bind(1, std::string_view(inquiry.domain)).bind(2, charge.start.ns).bind(3, scope);
    add.bind(4, static_cast<std::int64_t>(charge.rho.units));
    add.run();
  }
}

std::vector<BlockAmount> left_in(Database& database, const ReleaseInquiry& inquiry) {
  const std::string partner = inquiry.partner.hex();
  const auto site = account_of(database, inquiry, kSiteScope, inquiry.site_cap);
  const auto quota = account_of(database, inquiry, partner, inquiry.partner_quota);
  std::vector<BlockAmount> left = security::left_of(site);
  const std::vector<BlockAmount> own = security::left_of(quota);
  for (std::size_t i = 0; i < left.size(); ++i) left[i].rho = std::min(left[i].rho, own[i].rho);
  return left;
}

std::optional<Bytes> stored_release(Database& database, const Hash256& key) {
  Statement& row = database.cached("SELECT body FROM releases WHERE key = ?");
  row.bind(1, key.view());
  std::optional<Bytes> body;
  if (row.step()) body = row.blob(0);
  row.reset();
  return body;
}

bool has_paid(Database& database, const ReleaseInquiry& inquiry) {
  Statement& row = database.cached("SELECT 1 FROM paid WHERE partner = ? AND key = ?");
  row.bind(1, inquiry.partner.view()).bind(2, inquiry.release_key.view());
  const bool paid = row.step();
  row.reset();
  return paid;
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

// Seen, then stored, then room: what inquire() answers and commit() checks again.
Result<ReleaseStanding> standing_of(Database& database, const ReleaseInquiry& inquiry) {
  if (auto fresh = check_seen(database, inquiry); !fresh) return std::move(fresh).error();
  ReleaseStanding standing;
  standing.release = stored_release(database, inquiry.release_key);
  standing.paid = standing.release && has_paid(database, inquiry);
  if (!standing.paid) {
    const auto quota = account_of(database, inquiry, inquiry.partner.hex(), inquiry.partner_quota);
    if (auto room = security::admit(quota, inquiry.charges); !room) return std::move(room).error();
  }
  if (!standing.release) {
    const auto site = account_of(database, inquiry, kSiteScope, inquiry.site_cap);
    if (auto room = security::admit(site, inquiry.charges); !room) return std::move(room).error();
  }
  standing.left = left_in(database, inquiry);
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

Result<CommittedRelease> commit_in(Database& database, const ReleaseInquiry& inquiry,
                                   const std::function<Bytes()>& draw, Instant now) {
  auto standing = standing_of(database, inquiry);
  if (!standing) return std::move(standing).error();
  CommittedRelease committed;
  committed.reused = standing->release.has_value();
  if (!standing->paid) {
    debit(database, inquiry, inquiry.partner.hex());
    committed.charged = inquiry.charges;
    Statement& add = database.cached("INSERT INTO paid (partner, key) VALUES (?, ?)");
    add.bind(1, inquiry.partner.view()).bind(2, inquiry.release_key.view()).run();
  }
  if (committed.reused) {
    committed.release = std::move(*standing->release);
  } else {
    debit(database, inquiry, kSiteScope);
    crash_point("release.debited");
    committed.release = draw();
    Statement& add =
        database.cached("INSERT INTO releases (key, domain, body, created) VALUES (?, ?, ?, ?)");
    add.bind(1, inquiry.release_key.view()).bind(2, std::string_view(inquiry.domain));
    add.bind(3, ByteView(committed.release)).bind(4, now.ns).run();
    crash_point("release.stored");
  }
  remember_seen(database, inquiry, now);
  committed.left = left_in(database, inquiry);
  committed.audit_head =
      append_audit(database, record_of(inquiry, now, "release", security::AuditOutcome::intent,
                                       committed.reused ? "reused" : "new"));
  crash_point("release.audited");
  return committed;
}

}  // namespace

// One query-only connection, shared by the workers in turn: a read is some 20 microseconds.
class ReleaseLedger::Reader {
 public:
  explicit Reader(Database database) : database_(std::move(database)) {}
  template <class Use>
  auto with(Use&& use) {
    std::lock_guard lock(mutex_);
    return use(database_);
  }

 private:
  std::mutex mutex_;
  Database database_;
};

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

ReleaseLedger::ReleaseLedger(Store& store, const Clock& clock) : store_(store), clock_(clock) {
  auto connection = store.reader();
  if (!connection) throw StoreFault(connection.error().what, 0);
  reader_ = std::make_unique<Reader>(std::move(*connection));
}

ReleaseLedger::~ReleaseLedger() = default;

Result<ReleaseStanding> ReleaseLedger::inquire(const ReleaseInquiry& inquiry) const {
  return reader_->with([&](Database& database) { return standing_of(database, inquiry); });
}

std::vector<BlockAmount> ReleaseLedger::left(const ReleaseInquiry& inquiry) const {
  return reader_->with([&](Database& database) { return left_in(database, inquiry); });
}

void ReleaseLedger::commit(ReleaseInquiry inquiry, std::function<Bytes()> draw,
                           std::function<void(Result<CommittedRelease>)> done) {
  store_.post<CommittedRelease>(
      [inquiry = std::move(inquiry), draw = std::move(draw), this](Database& database) {
        return commit_in(database, inquiry, draw, clock_.now());
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
  return reader_->with([](Database& database) {
    std::vector<LedgerRow> rows;
    Statement all = database.prepare(
        "SELECT domain, block, scope, spent FROM ledger ORDER BY domain, block, scope");
    while (all.step()) {
      rows.push_back({all.text(0),
                      {all.integer(1)},
                      all.text(2),
                      {static_cast<std::uint64_t>(all.integer(3))}});
    }
    return rows;
  });
}

}  // namespace entente::node
