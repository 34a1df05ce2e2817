#include "node/cli/json_fields.h"

namespace entente::node {
namespace json = boost::json;

const json::value& field(const json::object& object, std::string_view name) {
  static const json::value null;
  const auto* found = object.if_contains(name);
  return found == nullptr ? null : *found;
}

const json::value& field(const json::value& object, std::string_view name) {
  static const json::object none;
  const auto* members = object.if_object();
  return field(members == nullptr ? none : *members, name);
}

std::string text_of_field(const json::value& object, std::string_view name) {
  const auto* text = field(object, name).if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

std::optional<double> number_of(const json::value& value) {
  if (!value.is_number()) return std::nullopt;
  return value.to_number<double>();
}

std::optional<double> number_of_field(const json::value& object, std::string_view name) {
  return number_of(field(object, name));
}

bool is_true(const json::value& object, std::string_view name) {
  const auto* truth = field(object, name).if_bool();
  return truth != nullptr && *truth;
}

const json::array& array_of_field(const json::value& object, std::string_view name) {
  static const json::array none;
  const auto* array = field(object, name).if_array();
  return array == nullptr ? none : *array;
}

const json::array& array_of_field(const json::object& object, std::string_view name) {
  static const json::array none;
  const auto* array = field(object, name).if_array();
  return array == nullptr ? none : *array;
}

json::object object_of(json::value value) {
  if (auto* object = value.if_object()) return std::move(*object);
  json::object out;
  out["value"] = std::move(value);
  return out;
}

}  // namespace entente::node
