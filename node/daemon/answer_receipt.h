// Receipts: answers with what proves them, as JSON lines that anybody verifies offline.
//
//   {"entente_receipt":1, "question":TEXT,
//    "organisation":HEX, "name":…, "charters":[…],           who answered
//    "asker":{"organisation":HEX, "charters":[…]},           who asked
//    "envelope":BASE64URL, "answer":BASE64URL, "export":BASE64URL}
// The question's text, names and the order of members are for people; everything that is shown
// after a verification is computed from signed bytes. Organisations' ids are hashes of their first
// charters, so that only the id must be known from elsewhere. A receipt knows of revocations as far
// as the charters in it go: "proof" says which was the newest.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <string_view>
#include <vector>

#include "federation/ask/asker.h"
#include "schemas/charter.h"

namespace entente::node {

// The charters of an organisation, first to newest; empty when it is not known any more.
using ChartersOf = std::function<std::vector<SignedCharter>(const OrgId&)>;

// One receipt for each member that answered.
std::vector<boost::json::value> receipts_of(const std::string& question,
                                            const federation::FederatedAnswer& answer,
                                            const OrgId& self, const ChartersOf& charters);

// The answer that a receipt proves, in the form of POST /api/v1/ask with one member, plus
// "proof": {organisation, name, site, charter, charter_issued, asker, asker_name, purpose, asked,
// answered, export, domain, audit_records, audit_head}. `expected` (zero: whoever it is) is the id
// of the organisation that must have answered. Refuses: invalid_argument (no receipt),
// verification_failed (what does not hold).
[[nodiscard]] Result<boost::json::object> verify_receipt(const boost::json::value& receipt,
                                                         const OrgId& expected);

}  // namespace entente::node
