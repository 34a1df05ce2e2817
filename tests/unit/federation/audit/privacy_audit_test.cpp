// What an audit concludes. That its experiments and controls are right is
// `privacy/gate_audit_test`, which has the real ledger that they need.
#include "federation/audit/privacy_audit.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::federation;

namespace {

AuditFinding finding(bool refuted) {
  AuditFinding one;
  one.refuted = refuted;
  return one;
}

}  // namespace

TEST_SUITE("federation/audit/privacy_audit") {
  TEST_CASE("an audit holds only when nothing is refuted and every control is") {
    PrivacyAudit audit;
    audit.mechanisms = {{"law", 10, 5, false, false}};
    audit.findings = {finding(false)};
    audit.controls = {finding(true)};
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

  TEST_CASE("too few runs are refused before anything is made") {
    SeededRandom random(3);
    AuditOptions options;
    options.runs = 9'999;
    const MakeScratchLedger none = [](Loop&,
                                      const Clock&) -> Result<std::unique_ptr<ScratchLedger>> {
      return make_error(ErrorCode::store_failed, "asked for a ledger");
    };
    CHECK(audit_privacy(random, none, options).error().code == ErrorCode::invalid_argument);
    options.runs = 10'000;
    CHECK(audit_privacy(random, none, options).error().code == ErrorCode::store_failed);
  }
}
