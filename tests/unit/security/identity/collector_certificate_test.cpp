#include <doctest/doctest.h>

#include "security/identity/certificate_verifier.h"
#include "security/identity/limits.h"
#include "tests/unit/security/identity/crafted_certificate.h"

using namespace entente;
using namespace entente::security;
using test::kNow;

namespace {

struct World {
  SeededRandom random{43};
  test::Organisation works = test::make_organisation(random, "works");
  test::Organisation depot = test::make_organisation(random, "depot");
  CollectorVerifier collectors{works.pinned};
  PinnedVerifier sites{{{works.pinned.id(), works.pinned}, {depot.pinned.id(), depot.pinned}}};
  std::unique_ptr<CertificateIssuer> issuer = issuer_of(works);
  std::unique_ptr<CertificateIssuer> other = issuer_of(depot);

  std::unique_ptr<CertificateIssuer> issuer_of(const test::Organisation& org) {
    const Charter& charter = org.pinned.current();
    return *CertificateIssuer::create(*SigningKey::from_seed(org.keys.ca.seed().view()),
                                      {org.pinned.id(), "main", {charter.issued, charter.expires}},
                                      random, kNow);
  }
};

}  // namespace

TEST_SUITE("security/collector_certificate") {
  TEST_CASE("a collector is believed by its own organisation's collector verifier alone") {
    World world;
    const auto leaf = world.issuer->issue_collector("gate-3", kNow, days(30));
    REQUIRE(leaf);
    const auto peer = world.collectors.verify(leaf->chain_der, kNow, nullptr);
    REQUIRE(peer);
    CHECK(peer->organisation == world.works.pinned.id());
    CHECK(peer->site == "gate-3");
    // Seconds: X.509 has no finer ones.
    CHECK(peer->certificate_expires <= kNow + days(30));
    CHECK(peer->certificate_expires > kNow + days(30) - seconds(2));
    CHECK(world.sites.verify(leaf->chain_der, kNow, nullptr).error().code ==
          ErrorCode::certificate_refused);
    const CollectorVerifier elsewhere(world.depot.pinned);
    CHECK_FALSE(elsewhere.verify(leaf->chain_der, kNow, nullptr));
  }

  TEST_CASE("neither a site nor another organisation's collector passes for a collector") {
    World world;
    CHECK_FALSE(world.collectors.verify(world.issuer->current()->chain_der, kNow, nullptr));
    const auto foreign = world.other->issue_collector("gate-3", kNow, days(1));
    REQUIRE(foreign);
    CHECK_FALSE(world.collectors.verify(foreign->chain_der, kNow, nullptr));
    // Another CA that names this organisation: an impostor.
    auto impostor = issue_leaf(
        world.depot.keys.ca, world.other->current()->chain_der[1],
        {world.works.pinned.id(), "gate-3", {kNow - hours(1), kNow + days(1)}, LeafKind::collector},
        world.random);
    REQUIRE(impostor);
    const auto refused = world.collectors.verify(impostor->chain_der, kNow, nullptr);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("no CA of the organisation") != std::string::npos);
  }

  TEST_CASE("a collector's certificate counts within its life and no longer life is issued") {
    World world;
    const auto leaf = world.issuer->issue_collector("gate-3", kNow, days(2));
    REQUIRE(leaf);
    CHECK(world.collectors.verify(leaf->chain_der, kNow + days(1), nullptr));
    CHECK_FALSE(world.collectors.verify(leaf->chain_der, kNow + days(3), nullptr));
    CHECK_FALSE(world.collectors.verify(leaf->chain_der, kNow - hours(1), nullptr));
    CHECK_FALSE(world.issuer->issue_collector("gate-3", kNow, limits::kCollectorLifeMax + days(1)));
    CHECK_FALSE(world.issuer->issue_collector("gate-3", kNow, {}));
    CHECK_FALSE(world.issuer->issue_collector("No Name", kNow, days(1)));
    auto longer = issue_leaf(world.works.keys.ca, world.issuer->current()->chain_der[1],
                             {world.works.pinned.id(),
                              "gate-3",
                              {kNow - days(1), kNow + days(120)},
                              LeafKind::collector},
                             world.random);
    REQUIRE(longer);
    CHECK_FALSE(world.collectors.verify(longer->chain_der, kNow, nullptr));
  }
}
