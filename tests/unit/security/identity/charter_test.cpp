#include "security/identity/charter.h"

#include <doctest/doctest.h>

#include "tests/unit/security/identity/organisations.h"

using namespace entente;
using namespace entente::security;
using test::kNow;

namespace {

std::vector<const SigningKey*> pick(const OrganisationKeys& keys,
                                    std::initializer_list<std::size_t> which) {
  std::vector<const SigningKey*> out;
  for (const std::size_t i : which) out.push_back(&keys.roots[i]);
  return out;
}

}  // namespace

TEST_SUITE("security/charter") {
  TEST_CASE("a first charter names its organisation by its own hash") {
    SeededRandom random(1);
    const auto org = test::make_organisation(random);
    CHECK(org.pinned.id() == org_id_of(org.pinned.chain()[0].charter));
    CHECK(org.pinned.current().version == 1);
    CHECK(org.pinned.has_key(KeyPurpose::ca, org.keys.ca.public_key()));
    CHECK_FALSE(org.pinned.has_key(KeyPurpose::answer, org.keys.ca.public_key()));
    CHECK(org.pinned.in_force(kNow));
    CHECK_FALSE(org.pinned.in_force(kNow + days(365)));
  }

  TEST_CASE("terms that break a rule make no charter") {
    SeededRandom random(2);
    const OrganisationKeys keys = generate_keys(random);
    CHECK(first_charter({"a", "", kNow, kNow + days(1), 1}, keys));
    CHECK_FALSE(first_charter({"A", "", kNow, kNow + days(1), 1}, keys));
    CHECK_FALSE(first_charter({"a", "", kNow, kNow, 1}, keys));
    CHECK_FALSE(first_charter({"a", "", kNow, kNow + days(1), 2}, keys));
  }

  TEST_CASE("the threshold counts distinct root keys with valid signatures, no more") {
    SeededRandom random(3);
    const OrganisationKeys keys = generate_keys(random, 3), foreign = generate_keys(random, 3);
    const Charter charter = *first_charter({"a", "", kNow, kNow + days(1), 2}, keys);
    const auto pins = [](const SignedCharter& signed_charter) {
      return PinnedOrganisation::from_chain({signed_charter}).has_value();
    };
    CHECK(pins(sign_charter(charter, pick(keys, {0, 2}))));
    CHECK(pins(sign_charter(charter, pick(keys, {0, 1, 2}))));
    CHECK_FALSE(pins(sign_charter(charter, pick(keys, {}))));
    CHECK_FALSE(pins(sign_charter(charter, pick(keys, {1}))));
    CHECK_FALSE(pins(sign_charter(charter, pick(keys, {1, 1, 1}))));
    CHECK_FALSE(pins(sign_charter(charter, pick(foreign, {0, 1, 2}))));
    SignedCharter one_false = sign_charter(charter, pick(keys, {0, 1}));
    one_false.signatures[1].signature.bytes[5] ^= 1;
    CHECK_FALSE(pins(one_false));
    SignedCharter renamed = sign_charter(charter, pick(keys, {0, 1}));
    renamed.signatures[1].key = keys.roots[2].public_key();
    CHECK_FALSE(pins(renamed));
    SignedCharter by_purpose = sign_charter(charter, pick(keys, {0}));
    by_purpose.signatures.push_back(
        {keys.ca.public_key(), keys.ca.sign(contexts::kCharter, by_purpose.charter)});
    CHECK_FALSE(pins(by_purpose));
  }

  TEST_CASE("the next charter needs the thresholds of the old and of the new keys") {
    SeededRandom random(4);
    auto org = test::make_organisation(random, "a", 2, 2);
    const OrganisationKeys fresh = generate_keys(random, 2);
    Charter next = test::next_charter(org.pinned);
    next.root_keys = {fresh.roots[0].public_key(), fresh.roots[1].public_key()};
    next.threshold = 1;
    const auto attempt = [&](std::vector<const SigningKey*> signers) {
      PinnedOrganisation copy = org.pinned;
      return copy.advance(sign_charter(next, signers)).has_value();
    };
    const SigningKey *old0 = &org.keys.roots[0], *old1 = &org.keys.roots[1];
    const SigningKey* new0 = &fresh.roots[0];
    CHECK(attempt({old0, old1, new0}));
    CHECK_FALSE(attempt({old0, old1}));
    CHECK_FALSE(attempt({new0, &fresh.roots[1]}));
    CHECK_FALSE(attempt({old0, old0, new0}));
  }

  TEST_CASE("gaps, rollbacks, wrong predecessors and time running backwards are refused") {
    SeededRandom random(5);
    auto org = test::make_organisation(random);
    const SignedCharter first = org.pinned.chain()[0];
    const Charter second = test::next_charter(org.pinned);
    const auto refused = [&](Charter charter, ErrorCode code) {
      PinnedOrganisation copy = org.pinned;
      const auto result = copy.advance(sign_charter(charter, org.keys.roots));
      REQUIRE_FALSE(result);
      CHECK(result.error().code == code);
      CHECK(copy.current() == org.pinned.current());
      CHECK(copy.chain() == org.pinned.chain());
    };
    Charter gap = second;
    gap.version = 3;
    refused(gap, ErrorCode::charter_invalid);
    Charter stranger = second;
    stranger.previous = random.id<Hash256>();
    refused(stranger, ErrorCode::charter_invalid);
    Charter earlier = second;
    earlier.issued = org.pinned.current().issued - hours(1);
    refused(earlier, ErrorCode::charter_invalid);
    REQUIRE(org.pinned.advance(sign_charter(second, org.keys.roots)));
    CHECK(*org.pinned.advance(sign_charter(second, org.keys.roots)) == Advance::unchanged);
    const auto rollback = org.pinned.advance(first);
    REQUIRE_FALSE(rollback);
    CHECK(rollback.error().code == ErrorCode::stale);
    CHECK(org.pinned.current().version == 2);
    CHECK(PinnedOrganisation::from_chain(org.pinned.chain()));
    CHECK_FALSE(PinnedOrganisation::from_chain({org.pinned.chain()[1]}));
    CHECK_FALSE(PinnedOrganisation::from_chain({first, first}));
    CHECK_FALSE(PinnedOrganisation::from_chain({}));
  }

  TEST_CASE("two signed charters with one number are a conflict, a forged one is not") {
    SeededRandom random(6);
    auto org = test::make_organisation(random);
    const auto impostor = test::make_organisation(random);
    const Charter one = test::next_charter(org.pinned);
    Charter two = one;
    two.title = "Something else";
    REQUIRE(org.pinned.advance(sign_charter(one, org.keys.roots)));
    const auto conflict = org.pinned.advance(sign_charter(two, org.keys.roots));
    REQUIRE_FALSE(conflict);
    CHECK(conflict.error().code == ErrorCode::conflict);
    const auto forged = org.pinned.advance(sign_charter(two, impostor.keys.roots));
    REQUIRE_FALSE(forged);
    CHECK(forged.error().code == ErrorCode::charter_invalid);
    const auto other_first = org.pinned.advance(impostor.pinned.chain()[0]);
    REQUIRE_FALSE(other_first);
    CHECK(other_first.error().code == ErrorCode::charter_invalid);
  }

  TEST_CASE("a charter with a weak key is refused even when signed") {
    SeededRandom random(7);
    const OrganisationKeys keys = generate_keys(random);
    const Charter good = *first_charter({"a", "", kNow, kNow + days(1), 1}, keys);
    for (std::size_t i = 0; i < good.keys.size(); ++i) {
      CAPTURE(i);
      Charter weak = good;
      weak.keys[i].key = PublicKey{};
      weak.keys[i].key.bytes[0] = 1;
      REQUIRE(charter_from_bytes(canonical_bytes(weak)));
      CHECK_FALSE(PinnedOrganisation::from_chain({sign_charter(weak, keys.roots)}));
    }
    CHECK(PinnedOrganisation::from_chain({sign_charter(good, keys.roots)}));
  }

  TEST_CASE("revocation is by the hash of the public key") {
    SeededRandom random(8);
    auto org = test::make_organisation(random);
    const PublicKey bad = SigningKey::generate(random).public_key();
    Charter next = test::next_charter(org.pinned);
    next.revoked_keys = {hash_public_key(bad)};
    REQUIRE(org.pinned.advance(sign_charter(next, org.keys.roots)));
    CHECK(org.pinned.has_revoked(bad));
    CHECK_FALSE(org.pinned.has_revoked(org.keys.ca.public_key()));
  }

  TEST_CASE("keys of earlier charters are known until they are revoked") {
    SeededRandom random(77);
    test::Organisation org = test::make_organisation(random);
    const PublicKey old_key = org.keys.answer.public_key();
    const PublicKey new_key = SigningKey::generate(random).public_key();
    Charter next = test::next_charter(org.pinned);
    for (PurposeKey& one : next.keys) {
      if (one.purpose == KeyPurpose::answer) one.key = new_key;
    }
    REQUIRE(org.pinned.advance(sign_charter(next, org.keys.roots)));
    CHECK_FALSE(org.pinned.has_key(KeyPurpose::answer, old_key));
    CHECK(org.pinned.keys_ever(KeyPurpose::answer) == std::vector<PublicKey>{new_key, old_key});
    next = test::next_charter(org.pinned);
    next.revoked_keys.push_back(hash_public_key(old_key));
    REQUIRE(org.pinned.advance(sign_charter(next, org.keys.roots)));
    CHECK(org.pinned.keys_ever(KeyPurpose::answer) == std::vector<PublicKey>{new_key});
  }
}
