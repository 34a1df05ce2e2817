#include "federation/agree/agreement_exchange.h"

#include "federation/ask/admission.h"
#include "federation/ask/limits.h"
#include "federation/query/parser.h"
#include "federation/query/plan.h"

namespace entente::federation {
namespace {

// Whether the agreement's terms let this question through, from plan to shape.
Outcome passes(const Agreement& agreement, const std::string& text, Instant now) {
  auto sentence = parse_question(text);
  if (!sentence) return std::move(sentence).error();
  const NamedTarget* target = std::get_if<NamedTarget>(&sentence->target);
  const std::string name = target != nullptr ? target->name.text : "twins OF …";
  const ExportView* view = agreement.find_export(name);
  if (view == nullptr) {
    return make_error(ErrorCode::denied, "the agreement has no export '" + name + "'");
  }
  const MemberView member{view, "provider"};
  PlanOptions options;
  options.now = now;
  // Without this a must_not that names no epsilon would hold for that reason alone.
  options.default_epsilon = limits::kTestEpsilon;
  auto planned = plan(*sentence, {&member, 1}, options);
  if (!planned) return std::move(planned).error();
  for (const MemberPlan& part : planned->members) {
    if (!part.question) continue;
    if (auto shape = check_shape(*part.question, *view, agreement); !shape) return shape;
  }
  return {};
}

}  // namespace

std::string_view to_text(AgreementState state) {
  switch (state) {
    case AgreementState::proposed:
      return "proposed";
    case AgreementState::agreed:
      return "agreed";
    case AgreementState::active:
      return "active";
    case AgreementState::terminated:
      return "terminated";
    case AgreementState::expired:
      return "expired";
  }
  return "terminated";
}

std::optional<AgreementState> agreement_state_from_text(std::string_view text) {
  for (const auto state : {AgreementState::proposed, AgreementState::agreed, AgreementState::active,
                           AgreementState::terminated, AgreementState::expired}) {
    if (to_text(state) == text) return state;
  }
  return {};
}

Result<VerifiedAgreement> verify_agreement(const SiteSnapshot& site, const PublicKey& self_key,
                                           const OrgId& peer, ByteView signed_bytes, Instant now) {
  auto wire = signed_agreement_from_bytes(signed_bytes);
  if (!wire) return std::move(wire).error();
  auto value = agreement_from_bytes(wire->agreement);
  if (!value) return std::move(value).error();
  const bool provides = value->provider == peer && value->consumer == site.self;
  const bool consumes = value->consumer == peer && value->provider == site.self;
  if (!provides && !consumes) {
    return make_error(ErrorCode::agreement_invalid, "the agreement is between others");
  }
  if (value->expires <= now) {
    return make_error(ErrorCode::agreement_invalid, "the agreement has expired");
  }
  const auto partner = site.partners.find(peer);
  if (partner == site.partners.end()) {
    return make_error(ErrorCode::link_not_active, "no active link with this organisation");
  }
  const PublicKey& peer_key = partner->second.agreement_key;
  const auto valid = [&](const PublicKey& key, const Signature& signature) {
    return security::verify(key, security::contexts::kAgreement, wire->agreement, signature);
  };
  if (!valid(provides ? peer_key : self_key, wire->provider_signature)) {
    return make_error(ErrorCode::verification_failed, "the provider's signature is not valid");
  }
  if (wire->consumer_signature &&
      !valid(consumes ? peer_key : self_key, *wire->consumer_signature)) {
    return make_error(ErrorCode::verification_failed, "the consumer's signature is not valid");
  }
  VerifiedAgreement verified;
  verified.id = agreement_id_of(wire->agreement);
  verified.value = std::move(*value);
  verified.settled = wire->consumer_signature.has_value();
  verified.wire = std::move(*wire);
  return verified;
}

Outcome run_agreement_tests(const Agreement& agreement, Instant now) {
  for (const AgreementTest& test : agreement.tests) {
    const Outcome outcome = passes(agreement, test.question, now);
    if (test.must && !outcome) {
      return make_error(
          ErrorCode::agreement_invalid,
          "the test must \"" + test.question + "\" does not hold: " + outcome.error().what);
    }
    if (!test.must && outcome) {
      return make_error(ErrorCode::agreement_invalid,
                        "the test must_not \"" + test.question + "\" does not hold: it is allowed");
    }
    if (!test.must && outcome.error().code == ErrorCode::query_syntax) {
      return make_error(
          ErrorCode::agreement_invalid,
          "the test must_not \"" + test.question + "\" is no question: " + outcome.error().what);
    }
  }
  return {};
}

}  // namespace entente::federation
