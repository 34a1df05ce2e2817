#include "federation/ask/admission.h"

#include <doctest/doctest.h>

#include <functional>

#include "security/privacy/rho.h"
#include "tests/support/two_organisations.h"

using namespace entente;
using namespace entente::federation;
using namespace entente::test;

namespace {

using Change = std::function<void(TwoOrganisations&, Envelope&)>;

// The code with which a question is refused after one change; `internal` when it is admitted.
ErrorCode refused_with(const Change& change, const std::string& text = kMeanByState) {
  TwoOrganisations both;
  Envelope envelope = both.envelope(both.question(text));
  change(both, envelope);
  const auto admitted = admit(*both.site(), both.peer(), both.signed_bytes(envelope), both.now);
  return admitted ? ErrorCode::internal : admitted.error().code;
}

}  // namespace

TEST_SUITE("ask/admission") {
  TEST_CASE("a question that keeps every term is admitted with its price") {
    TwoOrganisations both;
    const Question question = both.question(kMeanByState);
    const Envelope envelope = both.envelope(question);
    const auto admitted = admit(*both.site(), both.peer(), both.signed_bytes(envelope), both.now);
    REQUIRE(admitted);
    CHECK(admitted->question == question);
    REQUIRE(admitted->inquiry.charges.size() == 1);
    CHECK(admitted->inquiry.charges[0].rho.units == question.rho_per_block);
    CHECK(admitted->inquiry.site_cap == both.view.rho_cap);
    CHECK(admitted->inquiry.partner_quota == both.agreement.rho_per_block);
  }

  TEST_CASE("each term that is broken is refused by its own code") {
    const struct {
      const char* what;
      ErrorCode code;
      Change change;
    } rows[] = {
        {"issued in the future", ErrorCode::stale,
         [](auto&, auto& e) {
           e.issued = e.issued + minutes(5), e.deadline = e.issued + seconds(1);
         }},
        {"deadline over", ErrorCode::deadline_exceeded,
         [](auto& b, auto& e) { e.issued = b.now - minutes(1), e.deadline = b.now; }},
        {"deadline too far", ErrorCode::invalid_argument,
         [](auto& b, auto& e) { e.deadline = b.now + minutes(3); }},
        {"another audience", ErrorCode::verification_failed,
         [](auto& b, auto& e) { e.audience = b.consumer; }},
        {"another site", ErrorCode::verification_failed,
         [](auto&, auto& e) { e.audience_site = "other"; }},
        {"another origin", ErrorCode::verification_failed,
         [](auto& b, auto& e) { e.origin = b.provider; }},
        {"unknown agreement", ErrorCode::agreement_missing,
         [](auto& b, auto& e) { e.agreement = b.random.template id<AgreementId>(); }},
        {"expired agreement", ErrorCode::agreement_missing,
         [](auto& b, auto& e) {
           b.agreement.expires = b.now;
           b.sign();
           e.agreement = b.agreement_id;
         }},
        {"another purpose", ErrorCode::denied, [](auto&, auto& e) { e.purpose = "marketing"; }},
        {"an export changed since", ErrorCode::agreement_missing,
         [](auto& b, auto&) { b.view.rho_cap.units /= 2; }},
        {"an organisation cut off", ErrorCode::denied,
         [](auto& b, auto&) {
           b.policy = *security::Policy::from_toml(
               "[user.admin]\nroles = [\"owner\"]\n[cut_off]\norganisations = [\"" +
               b.consumer.hex() + "\"]\n");
         }},
        {"an aggregate not agreed", ErrorCode::shape_refused,
         [](auto& b, auto& e) {
           b.agreement.aggregates = {Aggregate::count};
           b.sign();
           e.agreement = b.agreement_id;
         }},
        {"a group too small", ErrorCode::group_too_small,
         [](auto& b, auto& e) {
           b.agreement.min_units = 29;
           b.sign();
           e.agreement = b.agreement_id;
         }},
        {"more than the quota at once", ErrorCode::epsilon_refused,
         [](auto& b, auto& e) {
           b.agreement.rho_per_block = {1};
           b.sign();
           e.agreement = b.agreement_id;
         }},
    };
    CHECK(refused_with([](auto&, auto&) {}) == ErrorCode::internal);  // the control
    for (const auto& row : rows) {
      CAPTURE(row.what);
      CHECK(refused_with(row.change) == row.code);
    }
  }

  TEST_CASE("a receipt counts as shown only if this very site has signed it") {
    TwoOrganisations both;
    const security::SigningKey answer_key = security::SigningKey::generate(both.random);
    const security::SigningKey other_key = security::SigningKey::generate(both.random);
    auto site = both.site();
    site->answer_key = answer_key.public_key();
    const LedgerReceipt receipt{both.provider, "main", {7, both.random.id<Hash256>()}, both.now};
    const auto signed_with = [](const security::SigningKey& key, std::string_view context,
                                const LedgerReceipt& value) {
      return to_wire_bytes(security::sign_body(key, context, canonical_bytes(value)));
    };
    const auto shown = [&](const Bytes& bytes) {
      Envelope envelope = both.envelope(both.question(kMeanByState));
      envelope.receipt = bytes;
      const auto admitted = admit(*site, both.peer(), both.signed_bytes(envelope), both.now);
      REQUIRE(admitted);  // what does not verify stops nobody: it would stop everybody
      return admitted->inquiry.shown;
    };
    using namespace security::contexts;
    CHECK(shown(signed_with(answer_key, kReceipt, receipt)) == receipt);
    CHECK_FALSE(shown({}));
    CHECK_FALSE(shown({1, 2, 3}));
    CHECK_FALSE(shown(signed_with(other_key, kReceipt, receipt)));
    // A key of an earlier charter that is not revoked signed what partners still hold.
    site->earlier_answer_keys = {both.random.id<PublicKey>(), other_key.public_key()};
    CHECK(shown(signed_with(other_key, kReceipt, receipt)) == receipt);
    CHECK_FALSE(shown(signed_with(other_key, kAnswer, receipt)));
    site->earlier_answer_keys.clear();
    CHECK_FALSE(shown(signed_with(answer_key, kAnswer, receipt)));
    LedgerReceipt elsewhere = receipt;
    elsewhere.site = "other";
    CHECK_FALSE(shown(signed_with(answer_key, kReceipt, elsewhere)));
    elsewhere = receipt;
    elsewhere.organisation = both.consumer;
    CHECK_FALSE(shown(signed_with(answer_key, kReceipt, elsewhere)));
  }

  TEST_CASE("guarantees of other partners go with the inquiry and fit the cap") {
    TwoOrganisations both;
    auto site = both.site();
    const auto add = [&](const OrgId& partner, std::uint64_t rho, const std::string& domain) {
      Agreement terms = both.agreement;
      terms.consumer = partner;
      terms.rho_guaranteed = {rho};
      terms.exports[0].domain = domain;
      const AgreementId id = both.random.id<AgreementId>();
      site->agreements.emplace(id, ActiveAgreement{id, terms});
      return terms;
    };
    const OrgId other = both.random.id<OrgId>();
    const std::uint64_t cap = both.view.rho_cap.units;
    add(other, cap / 4, "air");
    add(other, cap / 2, "air");
    add(other, cap, "water");
    add(both.consumer, cap / 8, "air");
    const Bytes envelope = both.signed_bytes(both.envelope(both.question(kMeanByState)));
    const auto admitted = admit(*site, both.peer(), envelope, both.now);
    REQUIRE(admitted);
    CHECK(admitted->inquiry.guaranteed_to_others == std::vector<Guarantee>{{other, {cap / 2}}});
    Agreement terms = both.agreement;
    terms.consumer = both.random.id<OrgId>();
    terms.rho_guaranteed = {cap - cap / 2 - cap / 8};
    CHECK(check_guarantees(*site, terms));
    terms.rho_guaranteed.units += 1;
    const auto refused = check_guarantees(*site, terms);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::agreement_invalid);
    CHECK(refused.error().what.find("epsilon_guaranteed") != std::string::npos);
  }

  TEST_CASE("a question that names the whole quota fits it") {
    TwoOrganisations both;
    both.agreement.rho_per_block = *security::rho_cap_of(1, both.view.delta);
    both.sign();
    const Envelope envelope = both.envelope(both.question(kMeanByState));  // epsilon = 1
    CHECK(admit(*both.site(), both.peer(), both.signed_bytes(envelope), both.now));
  }

  TEST_CASE("a group below the minimum is refused by declared sizes, before anything is read") {
    CHECK(refused_with([](auto&, auto&) {},
                       "SELECT mean(pm25) FROM air GROUP BY county OVER '2015-08-23' .. "
                       "'2015-08-24' WITH (epsilon = 1, purpose = 'planning')") ==
          ErrorCode::group_too_small);
  }

  TEST_CASE("a question the planner would never make is refused by the site's own check") {
    TwoOrganisations both;
    Question question = both.question(kMeanByState);
    question.columns[0].upper = 1'000;  // wider than the export
    const auto wide =
        admit(*both.site(), both.peer(), both.signed_bytes(both.envelope(question)), both.now);
    REQUIRE_FALSE(wide);
    CHECK(wide.error().code == ErrorCode::shape_refused);
    question = both.question(kMeanByState);
    question.rho_per_block = 0;
    CHECK_FALSE(
        admit(*both.site(), both.peer(), both.signed_bytes(both.envelope(question)), both.now));
  }

  TEST_CASE("any flipped byte of a signed envelope is refused") {
    TwoOrganisations both;
    const Bytes good = both.signed_bytes(both.envelope(both.question(kMeanByState)));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      Bytes bad = good;
      bad[i] ^= 0x10;
      CHECK_FALSE(admit(*both.site(), both.peer(), bad, both.now));
    }
  }

  TEST_CASE("a peer whose link is not active is refused whatever it signs") {
    TwoOrganisations both;
    auto site = both.site();
    site->partners.clear();
    const auto refused =
        admit(*site, both.peer(), both.signed_bytes(both.envelope(both.question(kMeanByState))),
              both.now);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::link_not_active);
  }
}
