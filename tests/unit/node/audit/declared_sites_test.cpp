#include "node/audit/declared_sites.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "security/privacy/rho.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;

namespace {

namespace fs = std::filesystem;

constexpr const char* kExports = R"([domain.load]
unit = "twin"
block = "1h"
zone = "UTC"
epsilon = 2
delta = 1e-6

[export.meters]
domain = "load"
type = "dtmi:org:entente:test:Meter;1"
tick = "15m"
keys.district = ["north", "south"]
measures.load = { unit = "kW", default = "mean", mean = [-5, 60] }

[export.meters.units]
"north" = 40
"south" = 6
)";

constexpr const char* kAgreement = R"([agreement]
name = "grid"
partner = "grid"
exports = ["meters"]
aggregates = ["count", "mean"]
min_units = 10
epsilon_per_block = 1
expires = "2027-01-01"
)";

void write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    contents[entry.path().string()] = text.str();
  }
  return contents;
}

}  // namespace

TEST_SUITE("node/audit/declared_sites") {
  TEST_CASE("what is audited are the declared bounds and blocks and the amounts of the agreement") {
    PrivacyAuditOptions options;
    options.exports = {"exports.toml", kExports};
    auto sites = declared_sites(options);
    REQUIRE(sites.has_value());
    REQUIRE(sites->size() == 1);
    CHECK(sites->front().quota == sites->front().view.rho_cap);
    options.agreement = {"agreement.toml", kAgreement};
    sites = declared_sites(options);
    REQUIRE(sites.has_value());
    const federation::AuditedSite& site = sites->front();
    CHECK(site.view.block == hours(1));
    CHECK(site.view.measure("load")->bounds_for(Reducer::mean)->upper == 60);
    CHECK(site.quota == *security::rho_cap_of(1, site.view.delta));
    CHECK(site.view.rho_cap == *security::rho_cap_of(2, site.view.delta));
    CHECK(site.min_units == 10);
    CHECK(site.aggregates == std::vector{Aggregate::count, Aggregate::mean});
  }

  TEST_CASE("an agreement without its exports and texts that are wrong are refused") {
    const test::TemporaryFolder folder;
    PrivacyAuditOptions options;
    options.home = folder / "";
    CHECK(declared_sites(options)->empty());
    options.agreement = {"agreement.toml", kAgreement};
    CHECK(declared_sites(options).error().code == ErrorCode::not_found);
    options.exports = {"exports.toml", "[domain.load]\nblok = 1\n"};
    CHECK(declared_sites(options).error().code == ErrorCode::config_invalid);
  }

  TEST_CASE(
      "an audit of a node's own declarations opens nothing else of the node and leaves nothing") {
    const test::TemporaryFolder folder;
    fs::create_directories(folder / "provision.d");
    fs::create_directories(folder / "keys");
    write(folder / "entente.toml", "[node]\norganisation = \"works\"\n");
    write(folder / "provision.d/exports.toml", kExports);
    // What would fail, or change, as soon as anything opened it.
    for (const char* file : {"entente.db", "history.db", "keys/ledger.head", "admin.token"}) {
      write(folder / file, "not what it should be\n");
    }
    const auto before = contents_of(folder / "");
    const test::TemporaryFolder scratch;
    const char* const usual = std::getenv("TMPDIR");
    const std::string kept = usual == nullptr ? "" : usual;
    ::setenv("TMPDIR", (scratch / "").c_str(), 1);
    PrivacyAuditOptions options;
    options.home = folder / "";
    options.runs = 10'000;
    const auto audits = run_privacy_audits(options);
    usual == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
    REQUIRE_MESSAGE(audits.has_value(), (audits ? "" : audits.error().what));
    REQUIRE(audits->size() == 2);
    CHECK((*audits)[1].subject == "meters");
    CHECK_FALSE((*audits)[1].findings.empty());
    for (const auto& audit : *audits) CHECK(audit.holds());
    CHECK(contents_of(folder / "") == before);
    // Nor does the scratch ledger leave anything behind.
    CHECK(fs::is_empty(scratch / ""));
  }
}
