#include "federation/agree/agreement_lint.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "security/privacy/rho.h"

using namespace entente;
using namespace entente::federation;

namespace {

Agreement sound() {
  ExportView view;
  view.name = "air";
  view.domain = "air";
  view.keys = {"state"};
  view.cells = {{{"WA"}, 54}, {{"OR"}, 19}};
  view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
  view.delta = *security::delta_of(1e-6);
  view.rho_cap = *security::rho_cap_of(8, view.delta);
  Agreement agreement;
  agreement.exports = {view};
  agreement.min_units = 10;
  agreement.rho_per_block = *security::rho_cap_of(4, view.delta);
  agreement.tests = {{false, "SELECT mean(pm25) FROM air OVER 1h"}};
  return agreement;
}

bool warns(const AgreementLint& lint, const std::string& part) {
  return std::any_of(lint.warnings.begin(), lint.warnings.end(), [&](const LintWarning& one) {
    return one.what.find(part) != std::string::npos;
  });
}

}  // namespace

TEST_SUITE("federation/agree/agreement_lint") {
  TEST_CASE("a sound agreement draws no warning and its caps are said in three spans") {
    const AgreementLint found = lint(sound());
    for (const auto& warning : found.warnings) CAPTURE(warning.what);
    CHECK(found.warnings.empty());
    REQUIRE(found.exports.size() == 1);
    const ExportMeaning& air = found.exports.front();
    CHECK(air.partner.block == doctest::Approx(4).epsilon(1e-6));
    CHECK(air.site.block == doctest::Approx(8).epsilon(1e-6));
    CHECK(air.least_units == 19);
    CHECK(air.protects == "what one twin contributes in 1d");
  }

  TEST_CASE("a daily epsilon of 1 kept up is 2.87 over a week and 29.8 over a year") {
    // privacy.md 2.7, at a delta of 1e-6.
    Agreement agreement = sound();
    agreement.rho_per_block = *security::rho_cap_of(1, agreement.exports[0].delta);
    const Meaning meaning = lint(agreement).exports.front().partner;
    CHECK(meaning.week == doctest::Approx(2.87).epsilon(2e-3));
    CHECK(meaning.year == doctest::Approx(29.8).epsilon(2e-3));
  }

  TEST_CASE("a lifetime block means the same over any span") {
    Agreement agreement = sound();
    agreement.exports[0].block = Duration{};
    const ExportMeaning air = lint(agreement).exports.front();
    CHECK(air.partner.block == air.partner.year);
    CHECK(air.protects == "what one twin contributes ever");
  }

  TEST_CASE("the standard errors are those of the city's questions") {
    // Issue of the demonstration: 54 and 41 and 19 monitors at epsilon 4: about 3 and 4 and 9.
    Agreement agreement = sound();
    const auto error = [&](std::uint32_t units) {
      agreement.exports[0].cells = {{{"WA"}, units}};
      return lint(agreement).exports.front().worth.at(1).standard_error;
    };
    CHECK(error(54) == doctest::Approx(3.3).epsilon(0.1));
    CHECK(error(41) == doctest::Approx(4.4).epsilon(0.1));
    CHECK(error(19) == doctest::Approx(9.4).epsilon(0.1));
  }

  TEST_CASE("hopeless utility and large caps and empty groups are each named") {
    Agreement weak = sound();
    weak.rho_per_block = *security::rho_cap_of(0.05, weak.exports[0].delta);
    CHECK(warns(lint(weak), "above the whole width of its bounds"));
    Agreement large = sound();
    large.exports[0].rho_cap = large.rho_per_block =
        *security::rho_cap_of(20, large.exports[0].delta);
    CHECK(warns(lint(large), "says little about one unit"));
    Agreement beyond = sound();
    beyond.rho_per_block = *security::rho_cap_of(9, beyond.exports[0].delta);
    CHECK(warns(lint(beyond), "above the domain's cap"));
    Agreement small = sound();
    small.min_units = 20;
    CHECK(warns(lint(small), "1 of 2 cells are below min_units 20"));
    small.min_units = 100;
    CHECK(warns(lint(small), "no group is large enough"));
    CHECK(lint(small).exports.front().worth.empty());
    Agreement single = sound();
    single.min_units = 1;
    CHECK(warns(lint(single), "single units"));
    Agreement untested = sound();
    untested.tests.clear();
    CHECK(warns(lint(untested), "must_not"));
    Agreement careless = sound();
    careless.exports[0].delta = *security::delta_of(1e-2);
    CHECK(warns(lint(careless), "delta 0.01 is large for 73 units"));
  }
}
