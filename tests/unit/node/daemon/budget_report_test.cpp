#include "node/daemon/budget_report.h"

#include <doctest/doctest.h>

#include "security/privacy/blocks.h"
#include "security/privacy/rho.h"

using namespace entente;
using namespace entente::node;

namespace {

const Instant kFirst = *parse_instant("2026-03-01");

ExportView daily() {
  ExportView view;
  view.domain = "air";
  view.block = days(1);
  view.delta = *security::delta_of(1e-6);
  view.rho_cap = *security::rho_cap_of(1, view.delta);
  return view;
}

std::vector<LedgerRow> spent_daily(int count, std::uint64_t rho) {
  std::vector<LedgerRow> rows;
  for (int i = 0; i < count; ++i) {
    rows.push_back({"air", kFirst + days(i), "ab12", {rho}, {}});
    rows.push_back({"air", kFirst + days(i), "site", {rho}, {}});
    rows.push_back({"water", kFirst + days(i), "site", {rho}, {}});
  }
  return rows;
}

}  // namespace

TEST_SUITE("daemon/budget_report") {
  TEST_CASE("a cap kept up is 2.87 over a week and 29.8 over a year as privacy.md computes it") {
    const ExportView view = daily();
    CHECK(epsilon_of(kept_up(view, view.block), view) == doctest::Approx(1).epsilon(1e-5));
    CHECK(epsilon_of(kept_up(view, days(7)), view) == doctest::Approx(2.87).epsilon(0.005));
    CHECK(epsilon_of(kept_up(view, days(365)), view) == doctest::Approx(29.8).epsilon(0.005));
  }

  TEST_CASE("each block is told with the 7 and the 365 days that end with it") {
    const ExportView view = daily();
    const std::uint64_t rho = view.rho_cap.units;
    const auto blocks = report_blocks(spent_daily(400, rho), view, {});
    REQUIRE(blocks.size() == 400);
    CHECK(blocks[0].block.rho.units == rho);
    CHECK(blocks[0].week.rho.units == rho);
    CHECK(blocks[3].week.rho.units == 4 * rho);
    CHECK(blocks[10].week.rho.units == 7 * rho);
    CHECK(blocks[10].year.rho.units == 11 * rho);
    CHECK(blocks[399].year.rho.units == 365 * rho);
    CHECK(epsilon_of(blocks[399].week, view) == doctest::Approx(2.87).epsilon(0.005));
  }

  TEST_CASE("the lifetime block counts into every period and stands alone as a block") {
    const ExportView view = daily();
    std::vector<LedgerRow> rows = spent_daily(2, 10);
    rows.insert(rows.begin(), {"air", security::kLifetimeBlock, "site", {5}, {}});
    const auto blocks = report_blocks(rows, view, {});
    REQUIRE(blocks.size() == 3);
    CHECK(blocks[0].year.rho.units == 5);
    CHECK(blocks[1].block.rho.units == 10);
    CHECK(blocks[1].week.rho.units == 15);
    CHECK(blocks[2].week.rho.units == 25);
  }

  TEST_CASE("delta spent makes the promise one at a larger delta") {
    ExportView view = daily();
    view.threshold_delta = *security::delta_of(1e-6);
    const Exposure without{view.rho_cap, {}}, with{view.rho_cap, view.threshold_delta};
    CHECK(epsilon_of(with, view) < epsilon_of(without, view));
    CHECK(epsilon_of(with, view) ==
          doctest::Approx(security::epsilon_of(
              view.rho_cap, DeltaUnits{view.delta.units + view.threshold_delta.units})));
  }

  TEST_CASE("what a reconciliation spent counts with its cap whether it has rows or not") {
    const ExportView view = daily();
    const std::uint64_t cap = view.rho_cap.units;
    const std::optional<Reconciled> reconciled = Reconciled{kFirst + days(3), true};
    const auto blocks = report_blocks(spent_daily(6, 1), view, reconciled);
    REQUIRE(blocks.size() == 6);
    CHECK(blocks[0].reconciled);
    CHECK(blocks[0].block.rho.units == cap);
    CHECK(blocks[0].week.rho.units == 8 * cap);  // seven days, and the lifetime block
    CHECK_FALSE(blocks[3].reconciled);
    CHECK(blocks[3].block.rho.units == 1);
    CHECK(blocks[3].week.rho.units == 7 * cap + 1);
    CHECK(blocks[5].week.rho.units == 5 * cap + 3);
  }

  TEST_CASE("the Gaussian-only figure is told where every charge was Gaussian and known") {
    const ExportView view = daily();
    BlockReport block;
    block.block.rho = {26'779'672'616};  // epsilon 1 at 1e-6
    const auto only = gaussian_only(block, view);
    REQUIRE(only);
    CHECK(only->mu == doctest::Approx(0.220708).epsilon(1e-5));
    CHECK(only->epsilon < 0.96);
    CHECK(only->epsilon > 0.90);
    // The control: thresholding spends delta, and of a reconciled block nobody knows.
    block.block.delta = {1};
    CHECK_FALSE(gaussian_only(block, view));
    block.block.delta = {};
    block.reconciled = true;
    CHECK_FALSE(gaussian_only(block, view));
  }
}
