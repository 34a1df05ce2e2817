#include "node/daemon/budget_report.h"

#include <algorithm>
#include <cmath>

#include "node/daemon/answer_json.h"
#include "security/privacy/accounting.h"
#include "security/privacy/blocks.h"

namespace entente::node {
namespace {

constexpr Duration kWeek = days(7);
constexpr Duration kYear = days(365);

std::uint64_t saturated(unsigned __int128 value) {
  return value > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(value);
}

// Sums that stay at the most that can be counted.
struct Sum {
  unsigned __int128 rho = 0;
  unsigned __int128 delta = 0;
  void add(const Exposure& one, std::uint64_t times = 1) {
    rho += static_cast<unsigned __int128>(one.rho.units) * times;
    delta += static_cast<unsigned __int128>(one.delta.units) * times;
  }
  Exposure value() const { return {{saturated(rho)}, {saturated(delta)}}; }
};

std::int64_t blocks_in(const ExportView& view, Duration period) {
  return view.block.ns == 0 ? 1 : std::max<std::int64_t>(1, period.ns / view.block.ns);
}

// One domain's site rows.
struct DomainRows {
  const ExportView& view;
  const std::optional<Reconciled>& reconciled;
  std::vector<LedgerRow> rows;

  Exposure cap() const { return {view.rho_cap, view.threshold_delta}; }
  Exposure of(const LedgerRow& row) const {
    if (is_spent_by(reconciled, row.block)) return cap();
    return {row.spent, row.delta};
  }
  Exposure lifetime() const {
    if (is_spent_by(reconciled, security::kLifetimeBlock)) return cap();
    for (const LedgerRow& row : rows) {
      if (row.block == security::kLifetimeBlock) return of(row);
    }
    return {};
  }
  // Of the `count` blocks that end with the one at `last`, how many a reconciliation spent.
  std::int64_t reconciled_among(Instant last, std::int64_t count) const {
    if (!reconciled) return 0;
    if (last < reconciled->until) return count;
    const std::int64_t kept = (last.ns - reconciled->until.ns) / view.block.ns + 1;
    return std::max<std::int64_t>(0, count - kept);
  }
  Exposure period(Instant last, Duration length) const {
    const std::int64_t count = blocks_in(view, length);
    Sum sum;
    sum.add(lifetime());
    sum.add(cap(), static_cast<std::uint64_t>(reconciled_among(last, count)));
    // Days of a zone are not all as long: half a block of slack takes in the first one.
    const Instant from = last - Duration{(count - 1) * view.block.ns + view.block.ns / 2};
    for (const LedgerRow& row : rows) {
      const bool inside = row.block != security::kLifetimeBlock && row.block > from &&
                          row.block <= last && !is_spent_by(reconciled, row.block);
      if (inside) sum.add(of(row));
    }
    return sum.value();
  }
};

}  // namespace

std::vector<BlockReport> report_blocks(const std::vector<LedgerRow>& rows, const ExportView& view,
                                       const std::optional<Reconciled>& reconciled) {
  DomainRows domain{view, reconciled, {}};
  std::vector<Instant> starts;
  for (const LedgerRow& row : rows) {
    if (row.domain != view.domain) continue;
    if (row.scope == kSiteScope) domain.rows.push_back(row);
    if (starts.empty() || starts.back() != row.block) starts.push_back(row.block);
  }
  std::vector<BlockReport> out;
  for (const Instant start : starts) {
    BlockReport report;
    report.start = start;
    report.reconciled = is_spent_by(reconciled, start);
    for (const LedgerRow& row : domain.rows) {
      if (row.block == start) report.block = domain.of(row);
    }
    if (report.reconciled) report.block = domain.cap();
    const bool lifetime = start == security::kLifetimeBlock;
    report.week = lifetime ? report.block : domain.period(start, kWeek);
    report.year = lifetime ? report.block : domain.period(start, kYear);
    out.push_back(report);
  }
  return out;
}

Exposure kept_up(const ExportView& view, Duration period) {
  Sum sum;
  sum.add({view.rho_cap, view.threshold_delta},
          static_cast<std::uint64_t>(blocks_in(view, period)));
  return sum.value();
}

std::optional<GaussianOnly> gaussian_only(const BlockReport& block, const ExportView& view) {
  if (block.reconciled || block.block.delta.units > 0) return {};
  const double epsilon = security::gaussian_epsilon(block.block.rho, view.delta);
  return GaussianOnly{security::gaussian_mu(block.block.rho), std::round(epsilon * 1e6) / 1e6};
}

double epsilon_of(const Exposure& exposure, const ExportView& view) {
  const std::uint64_t delta =
      saturated(static_cast<unsigned __int128>(view.delta.units) + exposure.delta.units);
  // Beyond a quarter delta says nothing more, and the conversion ends.
  return shown_epsilon(exposure.rho, {std::min(delta, std::uint64_t{1} << 58)});
}

}  // namespace entente::node
