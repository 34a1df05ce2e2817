#include "federation/agree/agreement_lint.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "federation/query/contribution.h"
#include "security/privacy/accounting.h"
#include "security/privacy/rho.h"

namespace entente::federation {
namespace {

// Above this epsilon a block's bound still holds, but says little: at 10 an observer may be 22,000
// times surer of one value than of another.
constexpr double kLargeEpsilon = 10;
// A unit's share of all possible failures; above it delta no longer means "never".
constexpr double kLargeDeltaTimesUnits = 0.01;

std::string figure(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

Meaning meaning_of(RhoUnits rho, const ExportView& view) {
  const auto kept_up = security::kept_up_epsilon(rho, view.delta, view.block);
  return {kept_up.block, kept_up.week, kept_up.year};
}

// The smallest cell that may be asked about alone; 0 when none is large enough.
std::uint32_t least_units(const ExportView& view, std::uint32_t min_units) {
  std::uint32_t least = 0;
  for (const PublicCell& cell : view.cells) {
    if (cell.units < min_units || cell.units == 0) continue;
    least = least == 0 ? cell.units : std::min(least, cell.units);
  }
  if (least == 0 && view.declared_units() >= min_units) least = view.declared_units();
  return least;
}

std::vector<Worth> worth_of(const ExportView& view, std::uint32_t units, RhoUnits quota) {
  std::vector<Worth> worth;
  const double rho = security::to_double(quota);
  if (units == 0 || !(rho > 0)) return worth;
  // A unit that counts in G groups of a question costs sqrt(G) times the noise in each.
  const double wider =
      std::sqrt(std::min<double>(view.groups_per_unit, static_cast<double>(view.cells.size())));
  worth.push_back({"count", "", wider / std::sqrt(2 * rho), 0});
  for (const Measure& measure : view.measures) {
    const ReducerBounds* bounds = measure.bounds_for(measure.default_reducer);
    if (bounds == nullptr) continue;
    const double width = bounds->upper - bounds->lower;
    worth.push_back({"mean(" + measure.signal + ")", measure.unit,
                     wider * width / (2 * units * std::sqrt(rho)), width});
  }
  return worth;
}

void warn_of_utility(const ExportMeaning& meaning, AgreementLint& lint) {
  for (const Worth& worth : meaning.worth) {
    if (worth.width <= 0 || worth.standard_error <= worth.width) continue;
    lint.warnings.push_back(
        {"export " + meaning.name,
         worth.measure + " has a standard error of " + figure(worth.standard_error) +
             " in the smallest group, above the whole width of its bounds, " + figure(worth.width),
         "raise epsilon_per_block or min_units, or declare narrower bounds"});
  }
}

void warn_of_cells(const ExportView& view, std::uint32_t min_units, AgreementLint& lint) {
  std::size_t small = 0;
  for (const PublicCell& cell : view.cells) small += cell.units < min_units ? 1 : 0;
  if (small == 0) return;
  const bool all = view.declared_units() < min_units;
  lint.warnings.push_back(
      {"export " + view.name,
       all ? "no group is large enough: it declares " + std::to_string(view.declared_units()) +
                 " units, below min_units " + std::to_string(min_units)
           : std::to_string(small) + " of " + std::to_string(view.cells.size()) +
                 " cells are below min_units " + std::to_string(min_units) +
                 " and are answered only together with others",
       all ? "lower min_units, or leave the export out"
           : "declare coarser keys, if that is not meant"});
}

void warn_of_caps(const ExportView& view, const ExportMeaning& meaning, RhoUnits quota,
                  AgreementLint& lint) {
  if (quota > view.rho_cap) {
    lint.warnings.push_back({"export " + view.name,
                             "the quota is above the domain's cap of epsilon " +
                                 figure(meaning.site.block) + ", which holds",
                             "lower epsilon_per_block to what can be given"});
  }
  const double given = std::min(meaning.partner.block, meaning.site.block);
  if (given > kLargeEpsilon) {
    lint.warnings.push_back({"export " + view.name,
                             "epsilon " + figure(given) + " per block says little about one unit",
                             "below 10 is usual, 1 is strong"});
  }
  const double failures = meaning.delta * view.declared_units();
  if (failures > kLargeDeltaTimesUnits) {
    lint.warnings.push_back({"export " + view.name,
                             "delta " + figure(meaning.delta) + " is large for " +
                                 std::to_string(view.declared_units()) + " units",
                             "declare the domain with a delta far below 1 / units"});
  }
}

std::string protects(const ExportView& view) {
  const bool one = view.unit == "twin";
  const std::string what =
      "what " + unit_words(view.unit) + (one ? " contributes " : " contribute ");
  return view.block.ns > 0 ? what + "in " + to_text(view.block) : what + "ever";
}

}  // namespace

AgreementLint lint(const Agreement& agreement) {
  AgreementLint lint;
  for (const ExportView& view : agreement.exports) {
    ExportMeaning meaning;
    meaning.name = view.name;
    meaning.domain = view.domain;
    meaning.protects = protects(view);
    meaning.delta = security::to_double(view.delta);
    meaning.partner = meaning_of(agreement.rho_per_block, view);
    meaning.site = meaning_of(view.rho_cap, view);
    meaning.least_units = least_units(view, agreement.min_units);
    meaning.worth =
        worth_of(view, meaning.least_units, std::min(agreement.rho_per_block, view.rho_cap));
    warn_of_caps(view, meaning, agreement.rho_per_block, lint);
    warn_of_cells(view, agreement.min_units, lint);
    warn_of_utility(meaning, lint);
    lint.exports.push_back(std::move(meaning));
  }
  if (agreement.min_units <= 1) {
    lint.warnings.push_back({"agreement", "min_units 1 answers about single units",
                             "noise protects them, but 10 or more is prudent"});
  }
  const bool refuses = std::any_of(agreement.tests.begin(), agreement.tests.end(),
                                   [](const AgreementTest& test) { return !test.must; });
  if (!refuses) {
    lint.warnings.push_back({"agreement", "no [[test]] says what must_not be answered",
                             "add one: both sides run it before they sign"});
  }
  return lint;
}

}  // namespace entente::federation
