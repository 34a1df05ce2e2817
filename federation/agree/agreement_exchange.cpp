#include "federation/agree/agreement_exchange.h"

#include "federation/agree/limits.h"
#include "federation/ask/admission.h"
#include "federation/query/parser.h"
#include "federation/query/plan.h"
#include "security/privacy/rho.h"

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
  // A question that names no epsilon is tried with the whole quota, so that it is judged by its
  // shape and not refused for want of a number.
  options.default_epsilon = security::epsilon_of(agreement.rho_per_block, view->delta);
  auto planned = plan(*sentence, {&member, 1}, options);
  if (!planned) return std::move(planned).error();
  if (auto allowed = check_purpose(agreement, planned->purpose); !allowed) return allowed;
  for (const MemberPlan& part : planned->members) {
    if (!part.question) continue;
    if (auto shape = check_shape(*part.question, *view, agreement); !shape) return shape;
  }
  return {};
}

Error unfit(std::string what, std::string remedy = {}) {
  return make_error(ErrorCode::agreement_invalid, std::move(what), std::move(remedy));
}

// A term that nothing here would keep is refused: to ignore it would be to break it.
Outcome check_kept(const Agreement& terms) {
  if (terms.min_sites > 1) {
    return unfit("min_sites " + std::to_string(terms.min_sites) +
                 " needs secure aggregation, which this version does not have");
  }
  return {};
}

Outcome check_exports(const SiteSnapshot& site, const Agreement& terms) {
  for (const ExportView& view : terms.exports) {
    const auto offered = site.offered(view.name);
    if (offered == nullptr) {
      return unfit("this site has no export '" + view.name + "'");
    }
    if (*offered != view) {
      return unfit("the export '" + view.name + "' is declared otherwise than in these terms",
                   "propose the agreement again");
    }
  }
  return {};
}

Judgement against(Outcome outcome) {
  return outcome ? Judgement{} : Judgement{std::move(outcome).error(), 0};
}

}  // namespace

Bytes sealed_message(const security::SigningKey& agreement_key, const AgreementMessage& message) {
  return to_wire_bytes(
      security::sign_body(agreement_key, kAgreementMessageContext, canonical_bytes(message)));
}

Result<OpenedMessage> open_message(const SiteSnapshot& site, const OrgId& peer,
                                   ByteView signed_message) {
  const auto partner = site.partners.find(peer);
  if (partner == site.partners.end()) {
    return make_error(ErrorCode::link_not_active, "no active link with this organisation");
  }
  auto outer = signed_from_bytes(signed_message);
  if (!outer) return std::move(outer).error();
  if (!partner->second.signed_message(kAgreementMessageContext, *outer)) {
    return make_error(ErrorCode::verification_failed, "the message's signature is not valid");
  }
  auto message = agreement_message_from_bytes(outer->body);
  if (!message) return std::move(message).error();
  if (message->sender != peer || message->receiver != site.self) {
    return make_error(ErrorCode::verification_failed, "the message is for or from somebody else");
  }
  return OpenedMessage{std::move(*message), agreement_message_hash(outer->body)};
}

Result<SignedTerms> read_terms(ByteView signed_bytes) {
  auto wire = signed_agreement_from_bytes(signed_bytes);
  if (!wire) return std::move(wire).error();
  auto value = agreement_from_bytes(wire->agreement);
  if (!value) return std::move(value).error();
  const AgreementId id = agreement_id_of(wire->agreement);
  return SignedTerms{id, std::move(*value), std::move(*wire)};
}

Outcome verify_partner(const SiteSnapshot& site, const OrgId& peer, const SignedAgreement& wire) {
  const auto partner = site.partners.find(peer);
  if (partner == site.partners.end()) {
    return make_error(ErrorCode::link_not_active, "no active link with this organisation");
  }
  auto value = agreement_from_bytes(wire.agreement);
  if (!value) return std::move(value).error();
  const bool provides = value->provider == peer && value->consumer == site.self;
  const bool consumes = value->consumer == peer && value->provider == site.self;
  if (!provides && !consumes) return unfit("the agreement is between others");
  const auto& signature = provides ? wire.provider_signature : wire.consumer_signature;
  if (!signature || !partner->second.signed_terms(wire, value->issued, *signature)) {
    return make_error(ErrorCode::verification_failed,
                      "the agreement does not bear the partner's signature");
  }
  return {};
}

Result<SignedTerms> read_offer(const SiteSnapshot& site, const OrgId& peer, ByteView signed_bytes,
                               Instant now) {
  auto terms = read_terms(signed_bytes);
  if (!terms) return terms;
  if (auto valid = verify_partner(site, peer, terms->wire); !valid) return std::move(valid).error();
  if (terms->wire.provider_signature && terms->wire.consumer_signature) {
    return unfit("an offer bears one signature");
  }
  if (terms->value.issued > now + limits::kIssuedAhead) {
    return make_error(ErrorCode::stale, "the offer is dated in the future");
  }
  return terms;
}

Instant offer_ends(const Agreement& terms) {
  std::int64_t end = 0;
  if (__builtin_add_overflow(terms.issued.ns, limits::kOfferLife.ns, &end)) return terms.expires;
  return std::min(Instant{end}, terms.expires);
}

Judgement judge(const SiteSnapshot& site, const Agreement& terms, Instant now) {
  if (terms.expires <= now) return {unfit("the agreement has expired"), 0};
  if (offer_ends(terms) <= now) return {unfit("the offer has lapsed: it was not answered"), 0};
  if (auto kept = check_kept(terms); !kept) return against(std::move(kept));
  if (terms.provider == site.self) {
    if (auto same = check_exports(site, terms); !same) return against(std::move(same));
    if (auto kept = check_guarantees(site, terms); !kept) return against(std::move(kept));
  }
  return run_agreement_tests(terms, now);
}

std::string test_name(const Agreement& terms, std::uint16_t test) {
  std::string name = "test " + std::to_string(test);
  if (test == 0 || test > terms.tests.size()) return name;
  const AgreementTest& one = terms.tests[test - 1];
  return name + ", " + (one.must ? "must" : "must_not") + " \"" + one.question + "\"";
}

Judgement run_agreement_tests(const Agreement& terms, Instant now) {
  for (std::size_t i = 0; i < terms.tests.size(); ++i) {
    const AgreementTest& test = terms.tests[i];
    const Outcome outcome = passes(terms, test.question, now);
    const auto number = static_cast<std::uint16_t>(i + 1);
    const auto failed = [&](const std::string& why) {
      return Judgement{unfit(test_name(terms, number) + why), number};
    };
    if (test.must && !outcome) return failed(" does not hold: " + outcome.error().what);
    if (!test.must && outcome) return failed(" does not hold: it is allowed");
    if (!test.must && outcome.error().code == ErrorCode::query_syntax) {
      return failed(" is no question: " + outcome.error().what);
    }
  }
  return {};
}

}  // namespace entente::federation
