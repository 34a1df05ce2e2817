// What the ledger's rows mean to a privacy officer: what was spent of one unit's protection in a
// block, and in the 7 and the 365 days that end with it.
//
// Composition is of rho (charges of several blocks add up for a unit that is in all of them, the
// lifetime block's with them), and epsilon comes last: the tightest conversion of
// security/privacy/rho.h at the domain's delta plus the delta spent. A block that a reconciliation
// spent counts with its whole cap: what was charged to it is not known. Threads: any; pure.
#pragma once

#include <optional>
#include <vector>

#include "node/store/release_ledger.h"
#include "schemas/agreement.h"

namespace entente::node {

struct Exposure {
  RhoUnits rho;
  DeltaUnits delta;  // spent besides the domain's own
};

struct BlockReport {
  Instant start;
  bool reconciled = false;
  Exposure block;
  Exposure week;
  Exposure year;
};

// One for each block with a row of `view.domain`, in their order.
std::vector<BlockReport> report_blocks(const std::vector<LedgerRow>& rows, const ExportView& view,
                                       const std::optional<Reconciled>& reconciled);

// The cap used up in every block of a period: what the policy promises for it.
Exposure kept_up(const ExportView& view, Duration period);

// What the same spending comes to where every charge was of Gaussian noise: 6 to 8 % less. None
// where that is not known: thresholds spend delta besides, a reconciliation spends what nobody
// knows. For continuous noise (security/privacy/accounting.h): to be shown as "Gaussian-only".
struct GaussianOnly {
  double mu = 0;
  double epsilon = 0;  // at the domain's delta
};
std::optional<GaussianOnly> gaussian_only(const BlockReport& block, const ExportView& view);

// At the domain's delta plus what was spent of it.
double epsilon_of(const Exposure& exposure, const ExportView& view);

}  // namespace entente::node
