#include "node/audit/charter_json.h"

#include <boost/json.hpp>

namespace entente::node {

namespace json = boost::json;
using security::PinnedOrganisation;

namespace {

Error unread(const std::string& why) {
  return make_error(ErrorCode::invalid_argument, "the charters do not read: " + why);
}

}  // namespace

json::array charters_json(const std::vector<SignedCharter>& chain) {
  json::array charters;
  for (const SignedCharter& one : chain) {
    charters.push_back(json::value(to_base64url(to_wire_bytes(one))));
  }
  return charters;
}

Result<PinnedOrganisation> pinned_from(const json::object& object) {
  const json::value* charters = object.if_contains("charters");
  const json::value* named = object.if_contains("organisation");
  if (charters == nullptr || !charters->is_array()) return unread("there are none");
  if (named == nullptr || !named->is_string()) return unread("'organisation' is missing");
  std::vector<SignedCharter> chain;
  for (const json::value& text : charters->get_array()) {
    if (!text.is_string()) return unread("one is no text");
    const auto bytes = from_base64url(std::string_view(text.get_string()));
    if (!bytes) return unread("one is not base64url");
    auto charter = signed_charter_from_bytes(*bytes);
    if (!charter) return unread(charter.error().what);
    chain.push_back(std::move(*charter));
  }
  auto pinned = PinnedOrganisation::from_chain(std::move(chain));
  if (!pinned) {
    return make_error(ErrorCode::verification_failed,
                      "the charters do not verify: " + pinned.error().what);
  }
  if (pinned->id().hex() != std::string_view(named->get_string())) {
    return make_error(ErrorCode::verification_failed,
                      "the charters are of another organisation than the one named");
  }
  return pinned;
}

}  // namespace entente::node
