#include "node/store/ledger_accounts.h"

#include <algorithm>

#include "security/privacy/blocks.h"
#include "security/privacy/ledger.h"

namespace entente::node {
namespace {

using federation::ReleaseInquiry;

constexpr std::uint64_t kAll = UINT64_MAX;  // spent, whatever the cap

struct Spent {
  RhoUnits rho;
  DeltaUnits delta;
};

Spent spent_in(Database& database, const std::string& domain, Instant block,
               std::string_view scope) {
  Statement& row = database.cached(
      "SELECT spent, delta FROM ledger WHERE domain = ? AND block = ? AND scope = ?");
  row.bind(1, std::string_view(domain)).bind(2, block.ns).bind(3, scope);
  Spent spent;
  if (row.step()) {
    spent.rho = {static_cast<std::uint64_t>(row.integer(0))};
    spent.delta = {static_cast<std::uint64_t>(row.integer(1))};
  }
  row.reset();
  return spent;
}

// What the others are guaranteed of a block and have not used.
std::uint64_t held_for_others(Database& database, const ReleaseInquiry& inquiry, Instant block) {
  unsigned __int128 held = 0;
  for (const federation::Guarantee& other : inquiry.guaranteed_to_others) {
    const auto spent = spent_in(database, inquiry.domain, block, other.partner.hex());
    if (spent.rho < other.rho) held += other.rho.units - spent.rho.units;
  }
  return held > kAll ? kAll : static_cast<std::uint64_t>(held);
}

std::uint64_t saturated(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? kAll : sum;
}

// The account of one scope over the blocks of an inquiry.
security::Account account_of(Database& database, const ReleaseInquiry& inquiry,
                             std::string_view scope) {
  const bool site = scope == kSiteScope;
  const auto reconciled = reconciled_of(database, inquiry.domain);
  security::Account account;
  account.cap = site ? inquiry.site_cap : inquiry.partner_quota;
  account.delta_cap = inquiry.delta_cap;
  for (const BlockAmount& charge : inquiry.charges) {
    Spent spent = spent_in(database, inquiry.domain, charge.start, scope);
    if (site) {
      const auto held = held_for_others(database, inquiry, charge.start);
      spent.rho.units = saturated(spent.rho.units, held);
    }
    if (is_spent_by(reconciled, charge.start)) spent = {{kAll}, {kAll}};
    account.spent.push_back({charge.start, spent.rho});
    account.delta_spent.push_back(spent.delta);
  }
  return account;
}

}  // namespace

std::optional<Reconciled> reconciled_of(Database& database, std::string_view domain) {
  Statement& row = database.cached(
      "SELECT MAX(until), MAX(domain <> '') FROM reconciled WHERE domain IN (?, '')");
  row.bind(1, domain);
  std::optional<Reconciled> reconciled;
  if (row.step() && !row.is_null(0)) reconciled = Reconciled{{row.integer(0)}, row.integer(1) != 0};
  row.reset();
  return reconciled;
}

bool is_spent_by(const std::optional<Reconciled>& reconciled, Instant block) {
  if (!reconciled) return false;
  return block == security::kLifetimeBlock ? reconciled->lifetime : block < reconciled->until;
}

Outcome check_room(Database& database, const ReleaseInquiry& inquiry, Already already) {
  for (const std::string& scope : {inquiry.partner.hex(), std::string(kSiteScope)}) {
    if (scope == kSiteScope ? already.reused : already.paid) continue;
    const auto account = account_of(database, inquiry, scope);
    if (auto room = security::admit(account, inquiry.charges, inquiry.delta); !room) return room;
  }
  return {};
}

void debit(Database& database, const ReleaseInquiry& inquiry, std::string_view scope) {
  Statement& add = database.cached(
      "INSERT INTO ledger (domain, block, scope, spent, delta) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT (domain, block, scope) DO UPDATE SET spent = spent + excluded.spent, "
      "delta = delta + excluded.delta");
  for (const BlockAmount& charge : inquiry.charges) {
    add.bind(1, std::string_view(inquiry.domain)).bind(2, charge.start.ns).bind(3, scope);
    add.bind(4, static_cast<std::int64_t>(charge.rho.units));
    add.bind(5, static_cast<std::int64_t>(inquiry.delta.units));
    add.run();
  }
}

std::vector<BlockAmount> left_in(Database& database, const ReleaseInquiry& inquiry) {
  std::vector<BlockAmount> left = security::left_of(account_of(database, inquiry, kSiteScope));
  const auto own = security::left_of(account_of(database, inquiry, inquiry.partner.hex()));
  for (std::size_t i = 0; i < left.size(); ++i) left[i].rho = std::min(left[i].rho, own[i].rho);
  return left;
}

DeltaUnits delta_left_in(Database& database, const ReleaseInquiry& inquiry) {
  return std::min(security::delta_left_of(account_of(database, inquiry, kSiteScope)),
                  security::delta_left_of(account_of(database, inquiry, inquiry.partner.hex())));
}

}  // namespace entente::node
