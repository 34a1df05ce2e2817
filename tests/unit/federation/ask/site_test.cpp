#include "federation/ask/site.h"

#include <doctest/doctest.h>

#include "federation/agree/agreement_exchange.h"
#include "federation/ask/admission.h"
#include "security/identity/charter_draft.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using entente::test::TwoOrganisations;
using security::PinnedOrganisation;
using security::SigningKey;

namespace {

// An organisation that rotates a key of one purpose: what it signs with, and its charters.
struct Rotating {
  explicit Rotating(TwoOrganisations& both)
      : random(both.random), now(both.now), keys(security::generate_keys(both.random)) {
    const auto charter = security::first_charter(
        {"airshed", "An authority", now - days(1), now + days(365), 1}, keys);
    auto made = PinnedOrganisation::from_chain({security::sign_charter(*charter, keys.roots)});
    REQUIRE(made);
    self.emplace(std::move(*made));
  }
  // The charter that names a new key before the one in use.
  SigningKey announce(KeyPurpose purpose) {
    SigningKey fresh = SigningKey::generate(random);
    advance(change({{purpose, fresh.public_key()}}));
    return fresh;
  }
  void revoke(const PublicKey& key) {
    security::CharterChange made = change({});
    made.revoke = {hash_public_key(key)};
    advance(made);
  }
  security::CharterChange change(std::vector<PurposeKey> add) const {
    security::CharterChange made;
    made.add = std::move(add);
    made.issued = now;
    made.expires = now + days(365);
    return made;
  }
  void advance(const security::CharterChange& made) {
    const auto next = security::next_charter(*self, made);
    REQUIRE(next);
    REQUIRE(self->advance(security::sign_charter(*next, keys.roots)));
  }

  Random& random;
  Instant now;
  security::OrganisationKeys keys;
  std::optional<PinnedOrganisation> self;
};

// What the provider's site becomes once it has pinned the partner's charters.
std::shared_ptr<SiteSnapshot> pinning(const TwoOrganisations& both, const Rotating& partner) {
  auto site = both.site();
  KnownPartner known = known_partner(*partner.self, "airshed");
  known.organisation = both.consumer;
  site->partners.insert_or_assign(both.consumer, std::move(known));
  return site;
}

enum class Waits { until_pinned, not_at_all };

// How many of 10,000 envelopes are refused while the key for envelopes is rotated ten times.
int lost(Waits waits) {
  TwoOrganisations both;
  Rotating partner(both);
  SigningKey key = std::move(partner.keys.envelope);
  std::optional<SigningKey> next;
  auto site = pinning(both, partner);
  const Bytes body = canonical_bytes(both.envelope(both.question(entente::test::kMeanByState)));
  int refused = 0;
  for (int call = 0; call < 10'000; ++call) {
    if (call % 1'000 == 250) {
      next.emplace(partner.announce(KeyPurpose::envelope));
      if (waits == Waits::not_at_all) key = std::move(*next);
    }
    if (call % 1'000 == 500) site = pinning(both, partner);
    if (call % 1'000 == 750 && waits == Waits::until_pinned) key = std::move(*next);
    const auto opened =
        open_envelope(*site, both.peer(),
                      to_wire_bytes(security::sign_body(key, security::contexts::kEnvelope, body)),
                      security::contexts::kEnvelope, both.now);
    if (!opened) ++refused;
  }
  return refused;
}

// Terms between the two, signed by the consumer with this key.
Outcome consumer_signed(const TwoOrganisations& both, const SiteSnapshot& site,
                        const SigningKey& key) {
  SignedAgreement wire;
  wire.agreement = canonical_bytes(both.agreement);
  wire.consumer_signature = key.sign(security::contexts::kAgreement, wire.agreement);
  return verify_partner(site, both.consumer, wire);
}

}  // namespace

TEST_SUITE("ask/site") {
  TEST_CASE("rotating the key for envelopes ten times loses none of 10,000 calls") {
    CHECK(lost(Waits::until_pinned) == 0);
    // The control: a key that is used before the partner has pinned it is refused meanwhile.
    CHECK(lost(Waits::not_at_all) == 2'500);
  }

  TEST_CASE("terms that a former key signed in its time verify and what it signs later does not") {
    TwoOrganisations both;
    Rotating partner(both);
    both.agreement.issued = both.now - hours(1);
    const SigningKey second = partner.announce(KeyPurpose::agreement);
    partner.announce(KeyPurpose::agreement);
    const SigningKey& first = partner.keys.agreement;
    REQUIRE_FALSE(partner.self->has_key(KeyPurpose::agreement, first.public_key()));
    auto site = pinning(both, partner);
    CHECK(consumer_signed(both, *site, first));
    CHECK(consumer_signed(both, *site, second));
    // Its charters dropped it at `now`: later terms are not its own.
    both.agreement.issued = both.now + hours(1);
    CHECK_FALSE(consumer_signed(both, *site, first));
    CHECK(consumer_signed(both, *site, second));
    both.agreement.issued = both.now - hours(1);
    CHECK_FALSE(consumer_signed(both, *site, SigningKey::generate(both.random)));
    partner.revoke(first.public_key());
    CHECK_FALSE(consumer_signed(both, *pinning(both, partner), first));
  }

  TEST_CASE("a message counts under the keys of the charter in force alone") {
    TwoOrganisations both;
    Rotating partner(both);
    AgreementMessage message;
    message.sender = both.consumer;
    message.receiver = both.provider;
    message.thread = message.terms = both.agreement_id;
    message.step = AgreementStep::terminate;
    message.number = 1;
    const auto heard = [&](const SigningKey& key) {
      return open_message(*pinning(both, partner), both.consumer, sealed_message(key, message))
          .has_value();
    };
    CHECK(heard(partner.keys.agreement));
    const SigningKey second = partner.announce(KeyPurpose::agreement);
    CHECK(heard(partner.keys.agreement));
    CHECK(heard(second));
    const SigningKey third = partner.announce(KeyPurpose::agreement);
    CHECK_FALSE(heard(partner.keys.agreement));
    CHECK(heard(second));
    CHECK(heard(third));
    CHECK_FALSE(heard(partner.keys.envelope));
  }
}
