#include "node/daemon/answer_receipt.h"

#include <boost/json.hpp>

#include "federation/ask/answer_proof.h"
#include "node/audit/charter_json.h"
#include "node/daemon/answer_json.h"

namespace entente::node {

namespace json = boost::json;
using namespace federation;

namespace {

Error no_receipt(const std::string& why) {
  return make_error(ErrorCode::invalid_argument, "this is no receipt: " + why,
                    "give a file that 'entente ask --receipts FILE' wrote");
}

Result<Bytes> bytes_at(const json::object& receipt, const char* name) {
  const json::value* found = receipt.if_contains(name);
  if (found == nullptr || !found->is_string()) {
    return no_receipt(std::string("'") + name + "' is missing");
  }
  auto bytes = from_base64url(std::string_view(found->get_string()));
  if (!bytes) return no_receipt(std::string("'") + name + "' is not base64url");
  return bytes;
}

// What `ask` shows of this member, as far as it is signed.
FederatedAnswer shown_answer(ProvenAnswer&& proven, const security::PinnedOrganisation& site) {
  MemberCoverage member;
  member.organisation = site.id();
  member.name = site.current().name;
  member.site = proven.release.site;
  member.export_name = proven.plan.members.front().question->export_name;
  member.state = MemberState::answered;
  member.reused = proven.answer.reused;
  member.charged = proven.answer.charged;
  member.left = proven.answer.left;
  member.caps = proven.answer.caps;
  member.delta = proven.delta;
  member.delta_charged = proven.answer.delta_charged;
  member.unit = proven.release.unit;
  member.age = proven.answer.issued - proven.plan.window.to;
  member.revision = proven.release.revision;
  member.composed_of = proven.release.composed_of;
  FederatedAnswer answer;
  answer.query_id = proven.envelope.query_id;
  answer.plan = std::move(proven.plan);
  answer.rows = std::move(proven.rows);
  answer.coverage.push_back(std::move(member));
  return answer;
}

}  // namespace

std::vector<json::value> receipts_of(const std::string& question, const FederatedAnswer& answer,
                                     const OrgId& self, const ChartersOf& charters) {
  const json::object asker{{"organisation", self.hex()},
                           {"charters", charters_json(charters(self))}};
  std::vector<json::value> receipts;
  for (const MemberCoverage& member : answer.coverage) {
    if (!member.proof) continue;
    json::object one{{"entente_receipt", 1}, {"question", question}};
    one["organisation"] = member.organisation.hex();
    one["name"] = member.name;
    one["charters"] = charters_json(charters(member.organisation));
    one["asker"] = asker;
    one["envelope"] = to_base64url(member.proof->envelope);
    one["answer"] = to_base64url(member.proof->answer);
    one["export"] = to_base64url(member.proof->export_view);
    receipts.push_back(std::move(one));
  }
  return receipts;
}

Result<json::object> verify_receipt(const json::value& receipt, const OrgId& expected) {
  const json::object* object = receipt.if_object();
  const json::value* version = object == nullptr ? nullptr : object->if_contains("entente_receipt");
  if (version == nullptr) return no_receipt("'entente_receipt' is missing");
  if (*version != 1) {
    return make_error(ErrorCode::version_too_new, "the receipt is of a newer version",
                      "verify it with a newer entente");
  }
  const json::value* asked_by = object->if_contains("asker");
  if (asked_by == nullptr || !asked_by->is_object()) return no_receipt("'asker' is missing");
  auto envelope = bytes_at(*object, "envelope");
  auto answer = bytes_at(*object, "answer");
  auto view = bytes_at(*object, "export");
  for (const auto* part : {&envelope, &answer, &view}) {
    if (!*part) return part->error();
  }
  auto site = pinned_from(*object);
  if (!site) return std::move(site).error();
  auto asker = pinned_from(asked_by->get_object());
  if (!asker) return std::move(asker).error();
  if (!expected.is_zero() && site->id() != expected) {
    return make_error(
        ErrorCode::verification_failed,
        "the answer is of organisation " + site->id().hex() + ", not of " + expected.hex());
  }
  auto proven = prove({std::move(*envelope), std::move(*answer), std::move(*view)}, *site, *asker);
  if (!proven) return std::move(proven).error();
  json::object proof{{"organisation", site->id().hex()},
                     {"name", site->current().name},
                     {"site", proven->release.site},
                     {"charter", site->current().version},
                     {"charter_issued", to_text(site->current().issued)},
                     {"asker", asker->id().hex()},
                     {"asker_name", asker->current().name},
                     {"purpose", proven->envelope.purpose},
                     {"asked", to_text(proven->envelope.issued)},
                     {"answered", to_text(proven->answer.issued)},
                     {"export", proven->plan.members.front().question->export_name},
                     {"domain", proven->domain},
                     {"audit_records", nullptr},
                     {"audit_head", proven->answer.audit_head.hex()}};
  if (proven->receipt) proof["audit_records"] = proven->receipt->head.count;
  json::object out = answer_json("", shown_answer(std::move(*proven), *site)).as_object();
  out.erase("question");
  out["proof"] = std::move(proof);
  return out;
}

}  // namespace entente::node
