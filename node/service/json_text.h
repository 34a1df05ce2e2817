// JSON as people expect to read it. Boost.JSON writes 12.4 as 1.24E1: right, but hard on the eyes.
#pragma once

#include <boost/json/value.hpp>
#include <string>

namespace entente::node {

// On one line; numbers in the shortest form that reads back the same; not finite becomes null.
std::string json_text(const boost::json::value& value);

}  // namespace entente::node
