#include "node/daemon/partner_status.h"

#include <limits>

#include "node/daemon/limits.h"

namespace entente::node {
namespace {

// The first step at which the verb is refused.
PartnerStatus refused_from(std::string_view verb) {
  // What takes something away is always heard; "agreement.tell" is judged by the step it tells.
  if (verb == "agreement.terminate" || verb == "agreement.withdraw" ||
      verb == "agreement.suspend" || verb == "agreement.tell" || verb == "feed.cancel" ||
      verb.starts_with("link.")) {
    return static_cast<PartnerStatus>(static_cast<int>(PartnerStatus::status_only) + 1);
  }
  if (verb.starts_with("agreement.")) return PartnerStatus::no_agreements;
  if (verb == "feed.pull") return PartnerStatus::status_only;
  return PartnerStatus::no_questions;  // questions, feeds, and whatever comes later
}

}  // namespace

std::string_view to_text(PartnerStatus status) {
  switch (status) {
    case PartnerStatus::fresh:
      return "fresh";
    case PartnerStatus::no_agreements:
      return "no new agreements";
    case PartnerStatus::no_questions:
      return "no new questions";
    case PartnerStatus::status_only:
      return "nothing but status";
  }
  return "nothing but status";
}

PartnerStatus partner_status(Instant heard, Instant now) {
  if (now < heard + limits::kNoAgreementsAfter) return PartnerStatus::fresh;
  if (now < heard + limits::kNoQuestionsAfter) return PartnerStatus::no_agreements;
  if (now < heard + limits::kStatusOnlyAfter) return PartnerStatus::no_questions;
  return PartnerStatus::status_only;
}

Instant next_step(Instant heard, PartnerStatus status) {
  switch (status) {
    case PartnerStatus::fresh:
      return heard + limits::kNoAgreementsAfter;
    case PartnerStatus::no_agreements:
      return heard + limits::kNoQuestionsAfter;
    case PartnerStatus::no_questions:
      return heard + limits::kStatusOnlyAfter;
    case PartnerStatus::status_only:
      break;
  }
  return {std::numeric_limits<std::int64_t>::max()};
}

Outcome status_allows(PartnerStatus status, std::string_view verb) {
  if (status < refused_from(verb)) return {};
  return make_error(
      ErrorCode::stale,
      "the partner's charter was not heard of for long: " + std::string(to_text(status)),
      "see 'entente link show': the link refreshes it by itself once it stands");
}

}  // namespace entente::node
