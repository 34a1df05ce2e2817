#include "federation/agree/agreement_exchange.h"

#include <doctest/doctest.h>

#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// As the provider receives it back: signed by both.
SignedAgreement settled(const TwoOrganisations& both) {
  SignedAgreement wire;
  wire.agreement = canonical_bytes(both.agreement);
  wire.provider_signature =
      both.provider_agreement_key.sign(security::contexts::kAgreement, wire.agreement);
  wire.consumer_signature =
      both.consumer_agreement_key.sign(security::contexts::kAgreement, wire.agreement);
  return wire;
}

Result<VerifiedAgreement> verify(const TwoOrganisations& both, const SignedAgreement& wire) {
  return verify_agreement(*both.site(), both.provider_agreement_key.public_key(), both.consumer,
                          to_wire_bytes(wire), both.now);
}

}  // namespace

TEST_SUITE("agree/agreement_exchange") {
  TEST_CASE("an agreement that both signed verifies and is settled") {
    TwoOrganisations both;
    const auto verified = verify(both, settled(both));
    REQUIRE(verified);
    CHECK(verified->settled);
    CHECK(verified->id == both.agreement_id);
  }

  TEST_CASE("a signature by anybody else, or over other terms, is refused") {
    TwoOrganisations both;
    SignedAgreement wire = settled(both);
    wire.consumer_signature =
        both.envelope_key.sign(security::contexts::kAgreement, wire.agreement);
    CHECK(verify(both, wire).error().code == ErrorCode::verification_failed);
    wire = settled(both);
    wire.provider_signature =
        both.provider_agreement_key.sign(security::contexts::kAnswer, wire.agreement);
    CHECK(verify(both, wire).error().code == ErrorCode::verification_failed);
    wire = settled(both);
    Agreement more = both.agreement;
    more.rho_per_block.units *= 2;
    wire.agreement = canonical_bytes(more);
    CHECK(verify(both, wire).error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("an agreement between others, or one that has ended, is refused") {
    TwoOrganisations both;
    both.agreement.consumer = both.random.id<OrgId>();
    CHECK(verify(both, settled(both)).error().code == ErrorCode::agreement_invalid);
    TwoOrganisations late;
    late.agreement.expires = late.now;
    CHECK(verify(late, settled(late)).error().code == ErrorCode::agreement_invalid);
  }

  TEST_CASE("must and must_not are run against the terms") {
    TwoOrganisations both;
    const std::string by_state =
        "SELECT mean(pm25) FROM air GROUP BY state OVER 1d WITH (epsilon = 1, purpose = "
        "'planning')";
    const std::string by_county =
        "SELECT mean(pm25) FROM air GROUP BY county OVER 1d WITH (epsilon = 1, purpose = "
        "'planning')";
    both.agreement.tests = {{true, by_state}, {false, by_county}};
    CHECK(run_agreement_tests(both.agreement, both.now));
    both.agreement.tests = {{true, by_county}};
    CHECK_FALSE(run_agreement_tests(both.agreement, both.now));
    both.agreement.tests = {{false, by_state}};
    CHECK_FALSE(run_agreement_tests(both.agreement, both.now));
    both.agreement.tests = {{false, "SELECT nonsense"}};  // a test that could never fail
    CHECK_FALSE(run_agreement_tests(both.agreement, both.now));
  }

  TEST_CASE("every state has a word that reads back") {
    for (const auto state :
         {AgreementState::proposed, AgreementState::agreed, AgreementState::active,
          AgreementState::terminated, AgreementState::expired}) {
      CHECK(agreement_state_from_text(to_text(state)) == state);
    }
    CHECK_FALSE(agreement_state_from_text("signed"));
  }
}
