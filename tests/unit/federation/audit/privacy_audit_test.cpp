#include "federation/audit/privacy_audit.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::federation;

namespace {

PrivacyAudit audited(std::uint64_t seed, std::size_t runs) {
  SeededRandom random(seed);
  AuditOptions options;
  options.runs = runs;
  auto audit = audit_privacy(random, options);
  REQUIRE(audit.has_value());
  for (const auto* list : {&audit->findings, &audit->controls}) {
    for (const AuditFinding& one : *list) {
      MESSAGE(one.experiment << ", " << one.questions << ": reached " << one.reached << " of "
                             << one.charged << " at delta " << one.delta);
    }
  }
  return std::move(*audit);
}

}  // namespace

TEST_SUITE("federation/audit/privacy_audit") {
  TEST_CASE("no experiment refutes a charge and every fault made on purpose is caught") {
    const PrivacyAudit audit = audited(1, 20'000);
    for (const AuditFinding& finding : audit.findings) {
      CAPTURE(finding.experiment);
      CHECK_FALSE(finding.refuted);
      CHECK(finding.charged > 0);
    }
    for (const AuditFinding& control : audit.controls) {
      CAPTURE(control.experiment);
      CHECK(control.refuted);
    }
    for (const MechanismCheck& check : audit.mechanisms) {
      CAPTURE(check.what);
      CHECK_FALSE(check.refuted);
    }
    for (const MechanismCheck& check : audit.faulty) {
      CAPTURE(check.what);
      CHECK(check.refuted);
    }
    CHECK(audit.controls.size() == 5);
    CHECK(audit.faulty.size() == 2);
    CHECK(audit.holds());
  }

  TEST_CASE("the observer comes near the charge where one unit moves an answer as far as it may") {
    const PrivacyAudit audit = audited(2, 50'000);
    double nearest = 0;
    for (const AuditFinding& finding : audit.findings) {
      nearest = std::max(nearest, finding.reached / finding.charged);
    }
    // An observer that never came near would see no fault either.
    CHECK(nearest > 0.5);
  }

  TEST_CASE("an audit holds only when nothing is refuted and every control is") {
    PrivacyAudit audit;
    audit.mechanisms = {{"law", 10, 5, false, false}};
    audit.findings = {{"a", "q", 1, 0.5, 1e-6, false}};
    audit.controls = {{"b", "q", 1, 2, 1e-6, true}};
    audit.faulty = {{"law", 10, 50, false, true}};
    CHECK(audit.holds());
    audit.controls[0].refuted = false;
    CHECK_FALSE(audit.holds());
    audit.controls[0].refuted = true;
    audit.findings[0].refuted = true;
    CHECK_FALSE(audit.holds());
    audit.findings[0].refuted = false;
    audit.mechanisms[0].refuted = true;
    CHECK_FALSE(audit.holds());
    audit.mechanisms[0].refuted = audit.faulty[0].refuted = false;
    CHECK_FALSE(audit.holds());
  }

  TEST_CASE("too few runs are refused") {
    SeededRandom random(3);
    AuditOptions options;
    options.runs = 9'999;
    CHECK(audit_privacy(random, options).error().code == ErrorCode::invalid_argument);
  }
}
