// JSON text to a value, refusing what Boost.JSON would pass over: repeated keys.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

#include "schemas/base/result.h"

namespace entente::node {

// Refuses (config_invalid): no JSON (with line and column), a key twice in one object, nesting
// deeper than `depth_max`. A byte order mark is passed over.
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text, std::string_view file,
                                                    int depth_max);

}  // namespace entente::node
