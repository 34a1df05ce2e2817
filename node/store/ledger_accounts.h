// The accounts of the ledger in SQL: what is spent of each block in each scope, what others are
// guaranteed, what is left. `release_ledger.h` says when they are read and written.
//
// A block that a reconciliation has spent counts as spent beyond any cap, in every scope: after a
// restored backup nobody knows what was charged to it (ledger_standing.h). What other partners are
// guaranteed and have not used is held: it counts as spent for everybody else, so that the sum of
// all charges and of all that is held never passes the cap. Threads: whoever owns the connection.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "federation/ask/release_store.h"
#include "node/store/sqlite.h"

namespace entente::node {

inline constexpr std::string_view kSiteScope = "site";  // the other scopes are partners' ids

// Whether rho and delta fit: first the partner's quota (`paid` already: not asked), then the site's
// cap less what is held for others (`reused`: not asked). Refuses: budget_exhausted.
struct Already {
  bool paid = false;
  bool reused = false;
};
[[nodiscard]] Outcome check_room(Database& database, const federation::ReleaseInquiry& inquiry,
                                 Already already);

// Adds the charges to one scope; the caller has checked the room in the same transaction.
void debit(Database& database, const federation::ReleaseInquiry& inquiry, std::string_view scope);

// For this partner: the least of its quota's rest and the site's, less what is held for others.
std::vector<BlockAmount> left_in(Database& database, const federation::ReleaseInquiry& inquiry);
// The least rest of delta over the blocks, likewise.
DeltaUnits delta_left_in(Database& database, const federation::ReleaseInquiry& inquiry);

// Until when reconciliations have spent a domain's blocks; none when there was none.
struct Reconciled {
  Instant until;          // blocks that begin before it are spent
  bool lifetime = false;  // and the lifetime block
};
std::optional<Reconciled> reconciled_of(Database& database, std::string_view domain);
bool is_spent_by(const std::optional<Reconciled>& reconciled, Instant block);

}  // namespace entente::node
