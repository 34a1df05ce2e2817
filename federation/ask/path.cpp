#include "federation/ask/path.h"

#include <algorithm>
#include <set>

#include "schemas/composite_answer.h"
#include "schemas/question.h"
#include "security/identity/keys.h"

namespace entente::federation {
namespace {

Error foreign(std::string what) {
  return make_error(ErrorCode::verification_failed, std::move(what));
}

// The envelope inside `outer`, when it can be what caused it.
Result<Envelope> cause_of(const SiteSnapshot& site, const Envelope& outer) {
  const auto body = signed_from_bytes(outer.via);
  if (!body) return foreign("the envelope that this one is sent on for cannot be read");
  auto cause = envelope_from_bytes(body->body);
  if (!cause) return foreign("the envelope that this one is sent on for is malformed");
  const auto known = site.partners.find(cause->origin);
  if (known != site.partners.end() &&
      !known->second.signed_envelope(security::contexts::kEnvelope, *body)) {
    return foreign("an envelope on the way was not signed by '" + known->second.name + "'");
  }
  if (cause->audience != outer.origin) return foreign("an envelope on the way was for another");
  if (cause->query_id != outer.query_id) return foreign("the query id changed on the way");
  if (cause->purpose != outer.purpose) return foreign("the purpose changed on the way");
  if (cause->deadline < outer.deadline) {
    return make_error(ErrorCode::deadline_exceeded, "the deadline is later than that on the way");
  }
  return cause;
}

}  // namespace

Result<QuestionPath> path_of(const SiteSnapshot& site, const Envelope& envelope) {
  QuestionPath path;
  path.origin = envelope.origin;
  path.answer_to = {envelope.seal_key, envelope.origin};
  std::set<OrgId> passed = {envelope.origin};
  if (envelope.origin != site.self) passed.insert(site.self);
  bool to_origin = envelope.to_origin;
  Envelope outer = envelope;
  while (!outer.via.empty()) {
    if (path.hops.size() == kPathMost) {
      return make_error(ErrorCode::shape_refused, "the question was sent on more than 8 times");
    }
    auto cause = cause_of(site, outer);
    if (!cause) return std::move(cause).error();
    if (!passed.insert(cause->origin).second) {
      return make_error(ErrorCode::shape_refused,
                        "the question went in a circle: it has been at an organisation twice",
                        "see 'entente system tree' for what a system twin is made of");
    }
    const auto question = question_from_bytes(cause->question);
    if (!question) return foreign("the question on the way cannot be read");
    path.hops.push_back({outer.origin, question->export_name});
    path.origin = cause->origin;
    // Handed up as far as every organisation between says so, if whoever is there is known here.
    if (to_origin && site.partners.contains(cause->origin)) {
      path.answer_to = {cause->seal_key, cause->origin};
    }
    to_origin = to_origin && cause->to_origin;
    outer = std::move(*cause);
  }
  return path;
}

Outcome check_onward(const QuestionPath& path, const Agreement& terms) {
  if (path.hops.empty()) return {};
  const std::string& composite = path.hops.front().composite;
  if (std::find(terms.onward.begin(), terms.onward.end(), composite) != terms.onward.end()) {
    return {};
  }
  return make_error(ErrorCode::denied,
                    "the agreement '" + terms.name + "' does not let answers be shared onward " +
                        "through the system twin '" + composite + "'",
                    "propose an agreement whose onward names it");
}

}  // namespace entente::federation
