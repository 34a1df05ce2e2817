#include "federation/compose/system_check.h"

#include <doctest/doctest.h>

#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;

namespace {

// What the consumer knows of washington's export, and of a second partner with another one.
struct Consumer : test::TwoOrganisations {
  SystemTwin system;
  std::shared_ptr<SiteSnapshot> site = std::make_shared<SiteSnapshot>();
  Agreement other;

  Consumer() {
    system.name = "smoke";
    system.members = {{"air", "washington"}};
    SystemProperty pm25{"pm25", "mean(pm25)", days(1), 0.0, 200.0};
    pm25.epsilon = 0.2;
    pm25.purpose = "planning";
    system.properties = {pm25};
    site->self = consumer;
    site->self_name = "airshed";
    add_partner(provider, "washington");
    add(agreement);
    other = agreement;
    other.provider = random.id<OrgId>();
    add_partner(other.provider, "oregon");
  }

  void add_partner(const OrgId& organisation, const char* name) {
    KnownPartner partner;
    partner.organisation = organisation;
    partner.name = name;
    site->partners.emplace(organisation, partner);
  }
  void add(const Agreement& value) {
    const AgreementId id = agreement_id_of(canonical_bytes(value));
    site->agreements.insert_or_assign(id, ActiveAgreement{id, value});
  }
  void with_oregon() {
    add(other);
    system.members.push_back({other.exports.front().name, "oregon"});
  }
  std::vector<SystemFinding> findings() const {
    return find_faults({system, site, now, std::nullopt});
  }
  // The one finding there is.
  SystemFinding finding() const {
    const auto all = findings();
    REQUIRE(all.size() == 1);
    return all.front();
  }
};

bool has(const SystemFinding& finding, const char* words) {
  return finding.error.what.find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE("compose/system_check") {
  TEST_CASE("a system that all members can answer has no findings") {
    Consumer consumer;
    CHECK(consumer.findings().empty());
    consumer.with_oregon();
    CHECK(consumer.findings().empty());
  }

  TEST_CASE("an unknown partner and an unknown export are found with the nearest name") {
    Consumer consumer;
    consumer.system.members = {{"air", "washingtn"}};
    CHECK(has(consumer.finding(), "did you mean 'washington'"));
    consumer.system.members = {{"airs", "washington"}};
    CHECK(has(consumer.finding(), "did you mean 'air'"));
    CHECK(consumer.finding().member == "airs@washington");
  }

  TEST_CASE("what a member's agreement does not allow is found with member and property") {
    Consumer consumer;
    consumer.system.properties[0].item = "variance(pm25)";
    CHECK(consumer.finding().error.code == ErrorCode::shape_refused);
    CHECK(consumer.finding().property == "pm25");
    CHECK(consumer.finding().member == "air@washington");
    consumer = Consumer();
    consumer.system.properties[0].purpose = "curiosity";
    CHECK(has(consumer.finding(), "curiosity"));
    consumer = Consumer();
    consumer.system.properties[0].epsilon = 50;
    CHECK_FALSE(consumer.findings().empty());
  }

  TEST_CASE("windows that a member's ticks or agreement cannot serve are found") {
    Consumer consumer;
    consumer.system.properties[0].over = minutes(90);
    CHECK(consumer.finding().error.code == ErrorCode::shape_refused);
    consumer = Consumer();
    consumer.system.properties[0].every = minutes(30);
    CHECK(has(consumer.finding(), "EVERY"));
    consumer = Consumer();
    consumer.agreement.window_least = days(7);
    consumer.site->agreements.clear();
    consumer.add(consumer.agreement);
    CHECK(consumer.finding().member == "air@washington");
  }

  TEST_CASE("bounds wider than a member's and a quorum beyond the members are found") {
    Consumer consumer;
    consumer.system.properties[0].upper = 900;
    CHECK(has(consumer.finding(), "bounds"));
    consumer = Consumer();
    consumer.system.needs = *needs_from_text("quorum(3)");
    CHECK(has(consumer.finding(), "quorum"));
    CHECK(consumer.finding().member.empty());
  }

  TEST_CASE("units that do not fit together are found of the property") {
    Consumer consumer;
    consumer.other.exports[0].measures[0].unit = "rem";
    consumer.with_oregon();
    const auto finding = consumer.finding();
    CHECK(finding.property == "pm25");
    CHECK(has(finding, "rem"));
  }

  TEST_CASE("two members of one privacy domain and a system in itself are found") {
    Consumer consumer;
    ExportView again = consumer.view;
    again.name = "smog";
    consumer.site->agreements.clear();
    consumer.agreement.exports.push_back(again);
    consumer.add(consumer.agreement);
    consumer.system.members.push_back({"smog", "washington"});
    CHECK(consumer.finding().member == "smog@washington");
    CHECK(has(consumer.finding(), "count twice"));
    consumer = Consumer();
    consumer.system.members.push_back({"smoke", "airshed"});
    CHECK(has(consumer.finding(), "member of itself"));
    CHECK(consumer.finding().member == "smoke@airshed");
  }
}
