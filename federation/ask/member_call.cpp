#include "federation/ask/member_call.h"

#include <algorithm>

#include "federation/ask/admission.h"
#include "federation/ask/limits.h"
#include "federation/link/loop.h"
#include "federation/query/suggest.h"
#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::federation {
namespace {

std::string suggestion(std::string_view word, const std::vector<std::string>& known) {
  const std::vector<std::string> near = nearest(word, known);
  return near.empty() ? "" : "; " + did_you_mean(near);
}

MemberCoverage coverage_of(const AskTarget& target) {
  MemberCoverage coverage;
  coverage.organisation = target.partner.organisation;
  coverage.name = target.partner.name;
  coverage.site = target.view->site;
  coverage.export_name = target.view->name;
  coverage.delta = target.view->delta;
  coverage.unit = target.view->unit;
  return coverage;
}

}  // namespace

void mark(MemberCoverage& coverage, MemberState state, ErrorCode code, std::string reason) {
  coverage.state = state;
  coverage.code = code;
  coverage.reason = std::move(reason);
}

std::string words_of(ErrorCode code) {
  std::string name(code_name(code));
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

Result<AskTarget> find_target(const std::shared_ptr<const SiteSnapshot>& snapshot,
                              std::string_view export_name, std::string_view organisation) {
  const SiteSnapshot& site = *snapshot;
  const KnownPartner* partner = site.partner_named(organisation);
  const auto closed = site.closed_links.find(organisation);
  if (partner == nullptr && closed != site.closed_links.end()) {
    return make_error(ErrorCode::link_not_active,
                      "the link '" + closed->first + "' is " + closed->second);
  }
  if (partner == nullptr) {
    std::vector<std::string> names;
    for (const auto& [org, known] : site.partners) names.push_back(known.name);
    return make_error(ErrorCode::query_unknown_name,
                      "there is no active link named '" + std::string(organisation) + "'" +
                          suggestion(organisation, names),
                      "see 'entente link list'");
  }
  const ActiveAgreement* best = nullptr;
  for (const auto& [id, agreement] : site.agreements) {
    const bool ours = agreement.value.consumer == site.self &&
                      agreement.value.provider == partner->organisation &&
                      agreement.value.find_export(export_name) != nullptr;
    if (ours && (best == nullptr || agreement.value.issued > best->value.issued)) best = &agreement;
  }
  if (best == nullptr) {
    for (const auto& [id, agreement] : site.suspended) {
      if (agreement.value.provider != partner->organisation ||
          agreement.value.find_export(export_name) == nullptr) {
        continue;
      }
      return make_error(
          ErrorCode::agreement_missing,
          "the agreement '" + agreement.value.name + "' with '" + partner->name + "' is suspended",
          std::string(kUntilResumed));
    }
    return make_error(ErrorCode::agreement_missing, "no active agreement with '" + partner->name +
                                                        "' covers the export '" +
                                                        std::string(export_name) + "'");
  }
  AskTarget target;
  target.partner = *partner;
  target.agreement_id = best->id;
  target.agreement = std::shared_ptr<const Agreement>(snapshot, &best->value);
  target.view = target.agreement->find_export(export_name);
  return target;
}

std::shared_ptr<MemberCall> MemberCaller::prepare(const CallTerms& terms, const MemberPlan& part,
                                                  const AskTarget& target) const {
  auto member = std::make_shared<MemberCall>();
  member->target = target;
  member->plan = part;
  member->query_id = terms.query_id;
  member->deadline = terms.deadline;
  member->coverage = coverage_of(target);
  if (!part.question) {
    mark(member->coverage, MemberState::skipped, ErrorCode::shape_refused,
         "none of its public cells is in the question");
    return member;
  }
  auto price = price_of(*part.question, *target.view);
  if (!price) {
    mark(member->coverage, MemberState::refused, price.error().code, price.error().what);
    return member;
  }
  // What the site will refuse by the terms that both have signed need not be sent to it.
  if (auto fits = check_shape(*part.question, *target.view, *target.agreement); !fits) {
    mark(member->coverage, MemberState::refused, fits.error().code, fits.error().what);
    return member;
  }
  member->price = std::move(*price);
  member->seal.emplace(security::SealPair::generate(parts_.random));
  member->question = canonical_bytes(*part.question);
  Envelope envelope;
  envelope.origin = parts_.site()->self;
  envelope.audience = target.partner.organisation;
  envelope.audience_site = target.view->site;
  envelope.query_id = terms.query_id;
  envelope.issued = parts_.clock.now();
  envelope.deadline = std::min(terms.deadline, envelope.issued + limits::kDeadlineMax);
  if (envelope.deadline <= envelope.issued) {
    mark(member->coverage, MemberState::late, ErrorCode::deadline_exceeded,
         "no time was left to ask");
    return member;
  }
  envelope.agreement = target.agreement_id;
  envelope.purpose = terms.purpose;
  envelope.seal_key = member->seal->public_key();
  envelope.question = member->question;
  envelope.fresh = terms.fresh;
  envelope.via = terms.via;
  envelope.to_origin = terms.to_origin;
  envelope.receipt = parts_.receipts.newest(envelope.audience, envelope.audience_site);
  const Signed body = security::sign_body(parts_.envelope_key, security::contexts::kEnvelope,
                                          canonical_bytes(envelope));
  member->envelope_hash = envelope_hash(body.body);
  member->envelope = to_wire_bytes(body);
  return member;
}

kj::Promise<void> MemberCaller::call(std::shared_ptr<MemberCall> member) const {
  if (member->envelope.empty() || member->reply) return kj::READY_NOW;
  auto late =
      parts_.loop.after(std::max(member->deadline - parts_.clock.now(), Duration{})).then([member] {
        mark(member->coverage, MemberState::late, ErrorCode::deadline_exceeded,
             "no answer within the deadline");
      });
  return attempt(member, 0).exclusiveJoin(kj::mv(late));
}

kj::Promise<void> MemberCaller::attempt(std::shared_ptr<MemberCall> member, int repeats) const {
  const Duration began = parts_.clock.steady();
  return parts_.send(member->target.partner.organisation, member->envelope)
      .then(
          [member](MemberReply outcome) -> kj::Promise<void> {
            if (const Refusal* refusal = std::get_if<Refusal>(&outcome)) {
              const bool counted = refusal->code == ErrorCode::replayed;
              mark(member->coverage, MemberState::refused, refusal->code,
                   counted ? "it has answered this question on another way already"
                           : words_of(refusal->code));
              member->coverage.left = refusal->left;
            } else {
              member->reply = std::move(std::get<Bytes>(outcome));
            }
            return kj::READY_NOW;
          },
          [this, member, repeats, began](kj::Exception&& fault) -> kj::Promise<void> {
            const bool lost = fault.getType() == kj::Exception::Type::DISCONNECTED &&
                              parts_.clock.steady() - began > limits::kWasUnderway;
            if (lost && repeats < limits::kRepeats) {
              return parts_.loop.after(limits::kRepeatPause * (repeats + 1))
                  .then([this, member, repeats] { return attempt(member, repeats + 1); });
            }
            log::info(
                "ask", "a member could not be asked",
                {{"partner", member->coverage.name}, {"reason", fault.getDescription().cStr()}});
            const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
            mark(member->coverage, MemberState::unreachable,
                 busy ? ErrorCode::overloaded : ErrorCode::peer_unreachable,
                 busy ? "the partner is overloaded" : "the link is down");
            return kj::READY_NOW;
          });
}

}  // namespace entente::federation
