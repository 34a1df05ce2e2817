// Reading a node's JSON without trusting its shape: a missing or odd field is empty, never a throw.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace entente::node {

// The field, or a null that lives for ever.
const boost::json::value& field(const boost::json::value& object, std::string_view name);
const boost::json::value& field(const boost::json::object& object, std::string_view name);
// Empty unless it is a text.
std::string text_of_field(const boost::json::value& object, std::string_view name);
// Nothing unless it is a number.
std::optional<double> number_of(const boost::json::value& value);
std::optional<double> number_of_field(const boost::json::value& object, std::string_view name);
bool is_true(const boost::json::value& object, std::string_view name);
// Empty unless it is an array. (Both forms: an object would become a temporary value.)
const boost::json::array& array_of_field(const boost::json::value& object, std::string_view name);
const boost::json::array& array_of_field(const boost::json::object& object, std::string_view name);
// The object itself; anything else stands under "value".
boost::json::object object_of(boost::json::value value);

}  // namespace entente::node
