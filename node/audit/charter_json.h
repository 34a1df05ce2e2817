// An organisation's charters in JSON, as receipts and audit bundles carry them: signed ones, the
// first charter first, base64url.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "security/identity/charter.h"

namespace entente::node {

boost::json::array charters_json(const std::vector<SignedCharter>& chain);

// The organisation of `object`'s "charters", which must be the one that its "organisation" names.
// Refuses: invalid_argument (they do not read), verification_failed (they do not follow from it).
[[nodiscard]] Result<security::PinnedOrganisation> pinned_from(const boost::json::object& object);

}  // namespace entente::node
