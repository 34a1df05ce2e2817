#include "federation/audit/audited_site.h"

#include <doctest/doctest.h>

#include <cmath>

#include "schemas/base/zone.h"

using namespace entente;
using namespace entente::federation;

namespace {

FoldRequest request_of(const ExportView& view, const AuditWindow& window) {
  FoldRequest request{
      std::make_shared<const ExportView>(view), {{"load", Reducer::mean, 0, 100, {}}}, {}};
  const Duration each = window.every.value_or(window.window.length());
  for (Instant at = window.window.from; at < window.window.to; at = at + each) {
    request.ticks.push_back({at, at + each});
  }
  return request;
}

std::vector<bool> only_the_first_cell(const ExportView& view) {
  std::vector<bool> cells(view.cells.size(), false);
  cells[0] = true;
  return cells;
}

using First = MadeUpTwins::First;
using Value = MadeUpTwins::Value;
using Absence = MadeUpTwins::Absence;

}  // namespace

TEST_SUITE("federation/audit/audited_site") {
  TEST_CASE("the two worlds differ in one unit of one cell and only in the blocks that differ") {
    const AuditedSite site = made_up_site();
    const AuditWindow window = audit_window(site.view, 16, 4, 1);
    REQUIRE(runs_in(window) == 4);
    const auto cells = only_the_first_cell(site.view);
    const auto request = request_of(site.view, window);
    const auto with =
        *MadeUpTwins(window, cells, {Value::lowest, Absence::none, false}).fold(request);
    const auto without =
        *MadeUpTwins(window, cells, {Value::lowest, Absence::silent, false}).fold(request);
    REQUIRE(with.units.size() == without.units.size());
    for (std::size_t unit = 0; unit < with.units.size(); ++unit) {
      for (std::size_t tick = 0; tick < with.ticks; ++tick) {
        const double a = with.units[unit].values[tick], b = without.units[unit].values[tick];
        const bool may = unit == 0 && tick % 4 == 1;
        CHECK(std::isnan(b) == may);
        if (!may) CHECK(a == b);
        if (may) CHECK(a == 0);
        if (unit > 0) CHECK((a >= 40 && a <= 100));
      }
    }
  }

  TEST_CASE("a unit that is removed is no member and one that is doubled is two") {
    const AuditedSite site = made_up_site();
    const AuditWindow window = audit_window(site.view, 1);
    const auto request = request_of(site.view, window);
    const auto units = [&](First first) {
      return MadeUpTwins(window, only_the_first_cell(site.view), first).fold(request)->units.size();
    };
    const std::size_t all = units({Value::lowest, Absence::none, false});
    CHECK(units({Value::lowest, Absence::removed, false}) == all - 1);
    CHECK(units({Value::lowest, Absence::none, true}) == all + 1);
    CHECK(units({Value::lowest, Absence::silent, false}) == all);
  }

  TEST_CASE("every cell in time is a block of the domain whatever its length and zone") {
    for (const char* zone : {"UTC", "America/Los_Angeles", "Australia/Sydney"}) {
      for (const Duration block : {hours(1), days(1), days(7)}) {
        CAPTURE(zone);
        CAPTURE(to_text(block));
        ExportView view = made_up_site().view;
        view.zone = zone, view.block = block;
        const AuditWindow window = audit_window(view, 32);
        Instant at = window.window.from;
        for (std::int64_t i = 0; i < static_cast<std::int64_t>(window.blocks); ++i) {
          CHECK(is_aligned(at, block, zone));
          CHECK(block_number(view, at) == window.first_block + i);
          at = step_end(at, block, zone);
        }
        CHECK(at == window.window.to);
      }
    }
  }

  TEST_CASE("a domain for its lifetime has one block and so one run a group") {
    ExportView view = made_up_site().view;
    view.block = {};
    const AuditWindow window = audit_window(view, 100);
    CHECK(runs_in(window) == 1);
    CHECK_FALSE(window.every);
    CHECK(differs(window, block_number(view, window.window.from)));
  }
}
