// A provider with one export and a consumer with an agreement, as values: what admission, asking
// and agreeing are judged against in tests.
#pragma once

#include <memory>
#include <string>

#include "federation/ask/site.h"
#include "federation/query/parser.h"
#include "federation/query/plan.h"
#include "schemas/base/random.h"
#include "schemas/envelope.h"
#include "security/identity/keys.h"
#include "security/identity/peer.h"

namespace entente::test {

struct TwoOrganisations {
  SeededRandom random{42};
  Instant now = *parse_instant("2026-01-01");
  security::SigningKey envelope_key = security::SigningKey::generate(random);
  security::SigningKey provider_agreement_key = security::SigningKey::generate(random);
  security::SigningKey consumer_agreement_key = security::SigningKey::generate(random);
  OrgId provider = random.id<OrgId>();
  OrgId consumer = random.id<OrgId>();
  ExportView view;
  Agreement agreement;
  AgreementId agreement_id;
  security::Policy policy = security::Policy::initial("admin");

  TwoOrganisations() {
    view.name = "air";
    view.site = "main";
    view.domain = "air";
    view.type = "dtmi:test:Monitor;1";
    view.keys = {"state", "county"};
    view.cells = {{{"WA", "King"}, 8}, {{"WA", "Chelan"}, 20}};
    view.measures = {{"pm25", "ug/m3", Reducer::mean, {{Reducer::mean, 0, 200}}}};
    view.rho_cap = {std::uint64_t{1} << 40};
    view.delta = {std::uint64_t{1} << 40};
    agreement.provider = provider;
    agreement.consumer = consumer;
    agreement.name = "smoke";
    agreement.exports = {view};
    agreement.purposes = {"planning"};
    agreement.aggregates = {Aggregate::count, Aggregate::mean};
    agreement.min_units = 10;
    agreement.rho_per_block = {std::uint64_t{1} << 39};
    agreement.issued = now - days(1);
    agreement.expires = now + days(1);
    sign();
  }

  // After a change of the agreement.
  void sign() { agreement_id = agreement_id_of(canonical_bytes(agreement)); }

  // The provider's state.
  std::shared_ptr<federation::SiteSnapshot> site() const {
    auto snapshot = std::make_shared<federation::SiteSnapshot>();
    snapshot->self = provider;
    snapshot->self_name = "washington";
    snapshot->site = "main";
    snapshot->exports["air"] = std::make_shared<const ExportView>(view);
    snapshot->agreements.emplace(agreement_id,
                                 federation::ActiveAgreement{agreement_id, agreement});
    federation::KnownPartner partner;
    partner.organisation = consumer;
    partner.name = "airshed";
    partner.envelope_keys = {envelope_key.public_key()};
    partner.agreement_keys = {{consumer_agreement_key.public_key()}};
    snapshot->partners.emplace(consumer, partner);
    snapshot->policy = std::make_shared<const security::Policy>(policy);
    return snapshot;
  }

  security::PeerIdentity peer() const {
    security::PeerIdentity identity;
    identity.organisation = consumer;
    identity.site = "main";
    identity.certificate_expires = now + hours(12);
    return identity;
  }

  // What the consumer's planner makes of a sentence over this export.
  Question question(const std::string& text) const {
    const auto sentence = federation::parse_question(text);
    const federation::MemberView member{&view, "washington"};
    federation::PlanOptions options;
    options.now = now;
    const auto planned = federation::plan(*sentence, {&member, 1}, options);
    return *planned.value().members.front().question;
  }

  Envelope envelope(const Question& asked) {
    Envelope out;
    out.origin = consumer;
    out.audience = provider;
    out.audience_site = "main";
    out.query_id = random.id<QueryId>();
    out.issued = now;
    out.deadline = now + seconds(10);
    out.agreement = agreement_id;
    out.purpose = "planning";
    out.seal_key = security::SealPair::generate(random).public_key();
    out.question = canonical_bytes(asked);
    return out;
  }

  Bytes signed_bytes(const Envelope& out) const {
    return to_wire_bytes(
        security::sign_body(envelope_key, security::contexts::kEnvelope, canonical_bytes(out)));
  }
};

inline constexpr const char* kMeanByState =
    "SELECT mean(pm25) FROM air GROUP BY state OVER '2015-08-23' .. '2015-08-24' "
    "WITH (epsilon = 1, purpose = 'planning')";

}  // namespace entente::test
