// The audit that `entente audit privacy` runs, as a test: a partner's sentence in, released bytes
// out, through planner, gate, a ledger on the disk and the pool of noise, in two worlds that differ
// in one unit and one block. Differencing attacks gain no more than the ledger says; every fault
// made on purpose is seen.
//
// `./tests/run` asks a share; `tests/privacy/run audit` asks a million times.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "federation/audit/experiment_list.h"
#include "federation/audit/privacy_audit.h"
#include "node/audit/declared_sites.h"
#include "node/audit/scratch_ledger.h"

using namespace entente;
using namespace entente::federation;

namespace {

// Half of --quick.
std::size_t runs() {
  const char* asked = std::getenv("ENTENTE_AUDIT_RUNS");
  return asked == nullptr ? 10'000 : static_cast<std::size_t>(std::strtoull(asked, nullptr, 10));
}

AuditOptions options() {
  AuditOptions all;
  all.runs = runs();
  all.every_run = std::getenv("ENTENTE_AUDIT_RUNS") != nullptr;
  return all;
}

void tell(const std::vector<AuditFinding>& findings) {
  for (const AuditFinding& one : findings) {
    MESSAGE(one.experiment << ", " << one.questions << ": shown " << one.reached
                           << " (of any noise " << one.any_noise << "), claimed " << one.charged
                           << ", which leaves " << one.gaussian << " to Gaussian noise; "
                           << one.runs << " runs");
  }
}

std::string content_of(const std::string& path) {
  std::ifstream file(std::string(ENTENTE_SOURCE_DIR) + "/" + path);
  REQUIRE(file.is_open());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_SUITE("privacy/gate_audit") {
  TEST_CASE(
      "no attack through the gate gains more than the ledger charged and every fault is seen") {
    SystemRandom random;
    const auto audit = audit_privacy(random, node::make_scratch_ledger, options());
    REQUIRE_MESSAGE(audit.has_value(), (audit ? "" : audit.error().what));
    tell(audit->findings);
    tell(audit->controls);
    std::set<std::string> attacks;
    double nearest = 0;
    for (const AuditFinding& finding : audit->findings) {
      CAPTURE(finding.experiment);
      CAPTURE(finding.questions);
      CHECK_FALSE(finding.refuted);
      CHECK(finding.charged > 0);
      CHECK(finding.runs >= 5'000);
      attacks.insert(finding.experiment);
      nearest = std::max(nearest, finding.reached / finding.gaussian);
    }
    CHECK(attacks ==
          std::set<std::string>{"one unit dropped", "one unit doubled", "one dominating value",
                                "a group made smaller", "a window moved by a tick",
                                "a block and its quarters", "a block and those after it",
                                "sums of released cells", "a sum of cells and its own noise",
                                "sums of another's cells", "many askers until the cap is spent",
                                "low bits of an answer"});
    // An observer that never came near would see no fault either.
    CHECK(nearest > 0.7);
    for (const AuditFinding& control : audit->controls) {
      CAPTURE(control.experiment);
      CHECK(control.refuted);
    }
    CHECK(audit->controls.size() == 13);
    for (const MechanismCheck& check : audit->mechanisms) CHECK_FALSE(check.refuted);
    for (const MechanismCheck& check : audit->faulty) CHECK(check.refuted);
    CHECK(audit->holds());
  }

  TEST_CASE("what Washington declares and grants holds with its own numbers") {
    node::PrivacyAuditOptions texts;
    texts.exports = {"exports.toml", content_of("examples/city/washington/exports.toml")};
    texts.agreement = {"agreement.toml", content_of("examples/city/washington/agreement.toml")};
    const auto sites = node::declared_sites(texts);
    REQUIRE(sites.has_value());
    REQUIRE(sites->size() == 1);
    SystemRandom random;
    AuditOptions share;  // of one group for the whole state: count(*) is one run a question
    share.runs = 10'000;
    const auto audit = audit_export(random, node::make_scratch_ledger, sites->front(), share);
    REQUIRE_MESSAGE(audit.has_value(), (audit ? "" : audit.error().what));
    tell(audit->findings);
    tell(audit->controls);
    CHECK(audit->subject == "air");
    CHECK(audit->findings.size() > 5);
    CHECK(audit->controls.size() == 2);
    CHECK(audit->holds());
  }
}
