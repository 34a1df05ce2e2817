#include "federation/agree/agreement_exchange.h"

#include <doctest/doctest.h>

#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

// As the provider signs them first.
SignedAgreement offered(const TwoOrganisations& both) {
  SignedAgreement wire;
  wire.agreement = canonical_bytes(both.agreement);
  wire.provider_signature =
      both.provider_agreement_key.sign(security::contexts::kAgreement, wire.agreement);
  return wire;
}

// The consumer's site, which pins the provider.
std::shared_ptr<SiteSnapshot> consumer_site(const TwoOrganisations& both) {
  auto site = std::make_shared<SiteSnapshot>();
  site->self = both.consumer;
  site->site = "main";
  KnownPartner partner;
  partner.organisation = both.provider;
  partner.name = "washington";
  partner.agreement_keys = {{both.provider_agreement_key.public_key()}};
  site->partners.emplace(both.provider, partner);
  site->policy = std::make_shared<const security::Policy>(both.policy);
  return site;
}

Result<SignedTerms> read(const TwoOrganisations& both, const SignedAgreement& wire) {
  return read_offer(*consumer_site(both), both.provider, to_wire_bytes(wire), both.now);
}

}  // namespace

TEST_SUITE("agree/agreement_exchange") {
  TEST_CASE("an offer that the partner signed is read with the id that questions name") {
    TwoOrganisations both;
    const auto terms = read(both, offered(both));
    REQUIRE(terms);
    CHECK(terms->id == both.agreement_id);
    CHECK(terms->value == both.agreement);
  }

  TEST_CASE("a signature by anybody else or over other terms is refused") {
    TwoOrganisations both;
    SignedAgreement wire = offered(both);
    wire.provider_signature =
        both.envelope_key.sign(security::contexts::kAgreement, wire.agreement);
    CHECK(read(both, wire).error().code == ErrorCode::verification_failed);
    wire = offered(both);
    wire.provider_signature =
        both.provider_agreement_key.sign(security::contexts::kAnswer, wire.agreement);
    CHECK(read(both, wire).error().code == ErrorCode::verification_failed);
    wire = offered(both);
    Agreement more = both.agreement;
    more.rho_per_block.units *= 2;
    wire.agreement = canonical_bytes(more);
    CHECK(read(both, wire).error().code == ErrorCode::verification_failed);
    wire = offered(both);
    std::swap(wire.provider_signature, wire.consumer_signature);
    CHECK(read(both, wire).error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("an offer between others or dated ahead or signed by both is refused") {
    TwoOrganisations both;
    both.agreement.consumer = both.random.id<OrgId>();
    CHECK(read(both, offered(both)).error().code == ErrorCode::agreement_invalid);
    TwoOrganisations ahead;
    ahead.agreement.issued = ahead.now + hours(1);
    CHECK(read(ahead, offered(ahead)).error().code == ErrorCode::stale);
    TwoOrganisations twice;
    SignedAgreement wire = offered(twice);
    wire.consumer_signature = wire.provider_signature;
    CHECK(read(twice, wire).error().code == ErrorCode::agreement_invalid);
  }

  TEST_CASE("what time or this version does not allow is not signed") {
    TwoOrganisations both;
    CHECK_FALSE(judge(*both.site(), both.agreement, both.now).refusal);
    const auto refused = [&](auto change) {
      Agreement terms = both.agreement;
      change(terms);
      return judge(*both.site(), terms, both.now).refusal.has_value();
    };
    CHECK(refused([&](Agreement& a) { a.expires = both.now; }));
    CHECK(refused(
        [&](Agreement& a) { a.issued = both.now - days(31), a.expires = both.now + days(900); }));
    CHECK(refused([](Agreement& a) { a.min_sites = 2; }));
    // The provider's exports as declared now, and no others.
    CHECK(refused([](Agreement& a) { a.exports[0].tick = hours(2); }));
    CHECK(refused([](Agreement& a) { a.exports[0].name = "water"; }));
    CHECK(refused([](Agreement& a) { a.rho_guaranteed = {a.exports[0].rho_cap.units + 1}; }));
    // The consumer has no declarations to compare with.
    Agreement terms = both.agreement;
    terms.exports[0].tick = hours(2);
    CHECK_FALSE(judge(*consumer_site(both), terms, both.now).refusal);
  }

  TEST_CASE("a term of a newer version is refused and not ignored") {
    TwoOrganisations both;
    // As a newer version would write it: a field behind the last one that this version knows.
    both.agreement.starts = both.agreement.expires - seconds(1);
    const Bytes known = canonical_bytes(both.agreement);
    CHECK(agreement_from_bytes(known));
    Bytes bytes = known;
    // The root's pointer says how many words of data there are: one more of them, not zero.
    bytes[4] = static_cast<std::uint8_t>(bytes[4] + 1);
    const std::size_t data_words = bytes[4] - 1u;
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(8 * (1 + data_words)), 8, 0);
    bytes[8 * (1 + data_words)] = 1;
    const auto read_back = agreement_from_bytes(bytes);
    REQUIRE_FALSE(read_back);
    CHECK(read_back.error().code == ErrorCode::agreement_invalid);
    INFO(read_back.error().what);
    CHECK(read_back.error().what.find("does not know") != std::string::npos);
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
    CHECK_FALSE(run_agreement_tests(both.agreement, both.now).refusal);
    both.agreement.tests = {{true, by_county}};
    CHECK(run_agreement_tests(both.agreement, both.now).test == 1);
    both.agreement.tests = {{false, by_state}};
    CHECK(run_agreement_tests(both.agreement, both.now).test == 1);
    // A question without epsilon is judged by its shape: this must_not is allowed, so it fails.
    both.agreement.tests = {
        {false, "SELECT mean(pm25) FROM air GROUP BY state OVER 1d WITH (purpose = 'planning')"}};
    CHECK(run_agreement_tests(both.agreement, both.now).test == 1);
    both.agreement.tests = {{true, "SELECT count(*) FROM air OVER 1d WITH (purpose = 'fun')"}};
    CHECK(run_agreement_tests(both.agreement, both.now).test == 1);
    both.agreement.tests = {{false, "SELECT nonsense"}};  // a test that could never fail
    CHECK(run_agreement_tests(both.agreement, both.now).test == 1);
  }
}
