#include "node/service/json_text.h"

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

namespace entente::node {
namespace {

namespace json = boost::json;

// As deep as what it is given: replies are ours, and a parsed body is at most kHttpJsonDepth deep.
void append(std::string& out, const json::value& value) {
  if (const auto* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& member : *object) {
      if (!std::exchange(first, false)) out += ',';
      out += json::serialize(json::string(member.key()));
      out += ':';
      append(out, member.value());
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    bool first = true;
    for (const json::value& element : *array) {
      if (!std::exchange(first, false)) out += ',';
      append(out, element);
    }
    out += ']';
  } else if (const auto* number = value.if_double()) {
    char text[64];
    const auto end = std::to_chars(text, text + sizeof text, *number);
    out += std::isfinite(*number) ? std::string_view(text, end.ptr - text) : "null";
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string out;
  append(out, value);
  return out;
}

}  // namespace entente::node
