#include "node/collect/charter_fetch.h"

#include <doctest/doctest.h>

#include "security/identity/charter_draft.h"
#include "tests/unit/node/collect/collect_site.h"

namespace entente::node {
namespace {

using test::CollectSite;

// The site's CA key gives way to a fresh one: the charter names both, and the new one is used.
void rotate_ca(CollectSite& site, const std::vector<PublicKey>& drop = {}) {
  auto fresh = security::SigningKey::generate(site.random);
  security::CharterChange change;
  change.add = {{KeyPurpose::ca, fresh.public_key()}};
  change.drop = drop;
  change.issued = site.clock.now();
  change.expires = change.issued + days(300);
  auto next = security::next_charter(site.organisation.pinned, change);
  REQUIRE(next);
  REQUIRE(site.organisation.pinned.advance(
      security::sign_charter(*next, site.organisation.keys.roots)));
  REQUIRE(site.organisation.issuer->adopt(std::move(fresh), {change.issued, change.expires},
                                          site.clock.now()));
  site.verifier.replace(site.organisation.pinned);
}

}  // namespace

TEST_SUITE("node/collect/charter_fetch") {
  TEST_CASE("a collector's old bundle goes over one rotation of the CA key and over many") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    CHECK_FALSE(site.connect(bundle)->newer());
    for (int rotations = 1; rotations <= 4; ++rotations) {
      CAPTURE(rotations);
      rotate_ca(site);
      auto client = site.connect(bundle);
      REQUIRE(client->newer());
      CHECK(client->newer()->chain() == site.organisation.pinned.chain());
      CHECK(site.wait(client->series({{"a", "load"}})).size() == 1);
    }
    // By now no charter in force names the key that signed the collector's certificate.
    CHECK_FALSE(
        site.organisation.pinned.has_key(KeyPurpose::ca, site.organisation.keys.ca.public_key()));
  }

  TEST_CASE("a session lives through a rotation of the CA key") {
    CollectSite site;
    auto client = site.connect(site.enrol("edge"));
    rotate_ca(site);
    rotate_ca(site);
    CHECK(site.wait(client->series({{"a", "load"}})).size() == 1);
  }

  TEST_CASE("a charter of other root keys or of another organisation is not followed") {
    CollectSite site;
    const CollectorBundle bundle = site.enrol("edge");
    test::Organisation other(site.random, site.clock.now());
    const auto& theirs = other.pinned.chain();
    CHECK_FALSE(advanced(site.organisation.pinned, theirs));
    security::CharterChange change;
    change.issued = site.clock.now();
    change.expires = change.issued + days(1);
    const auto next = security::next_charter(site.organisation.pinned, change);
    REQUIRE(next);
    const auto forged = security::sign_charter(*next, other.keys.roots);
    CHECK_FALSE(advanced(site.organisation.pinned, {forged}));
    const auto genuine = security::sign_charter(*next, site.organisation.keys.roots);
    CHECK(advanced(site.organisation.pinned, {genuine}));
    // A gap: the charter after the next, without it.
    auto two = *advanced(site.organisation.pinned, {genuine});
    change.issued = change.issued + seconds(1);
    const auto after =
        security::sign_charter(*security::next_charter(two, change), site.organisation.keys.roots);
    CHECK_FALSE(advanced(site.organisation.pinned, {after}));
    CHECK(advanced(site.organisation.pinned, {genuine, after}));
  }

  TEST_CASE("a node under a CA key of another organisation stays refused") {
    CollectSite site;
    CollectorBundle bundle = site.enrol("edge");
    test::Organisation other(site.random, site.clock.now());
    bundle.organisation = other.pinned;
    CHECK_FALSE(site.refusal(bundle).empty());
    // Nor one that shows the genuine chain of the organisation that it poses as.
    security::CharterChange change;
    change.issued = site.clock.now();
    change.expires = change.issued + days(300);
    auto next = security::next_charter(other.pinned, change);
    REQUIRE(next);
    REQUIRE(other.pinned.advance(security::sign_charter(*next, other.keys.roots)));
    site.organisation.pinned = other.pinned;
    const auto shown = site.wait(newer_charters(site.loop, site.clock, bundle));
    REQUIRE(shown);
    CHECK(shown->chain() == other.pinned.chain());
    CHECK_FALSE(site.refusal(bundle).empty());
  }

  TEST_CASE(
      "a chain's bytes are read back and any cut or flip of them is refused or another chain") {
    CollectSite site;
    rotate_ca(site);
    const auto& chain = site.organisation.pinned.chain();
    const Bytes bytes = charter_chain_bytes(chain);
    const auto read = charter_chain_from_bytes(bytes);
    REQUIRE(read);
    CHECK(*read == chain);
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
      CHECK_FALSE(charter_chain_from_bytes(ByteView(bytes).first(size)));
    }
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      Bytes changed = bytes;
      changed[at] ^= 1;
      const auto other = charter_chain_from_bytes(changed);
      if (other) CHECK(*other != chain);
    }
  }
}

}  // namespace entente::node
