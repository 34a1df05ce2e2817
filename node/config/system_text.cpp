#include <charconv>

#include "node/config/declarations.h"

namespace entente::node {
namespace {

using federation::SystemProperty;

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned>(c));
      out += escape;
      continue;
    }
    out += c;
  }
  return out + '"';
}

// With a point or an exponent, so that TOML reads a floating number.
std::string number_text(double number) {
  char text[64];
  const auto [end, failure] = std::to_chars(text, text + sizeof text, number);
  std::string out(text, end);
  if (out.find_first_of(".en") == std::string::npos) out += ".0";
  return out;
}

std::string property_text(const SystemProperty& property) {
  std::string out = "item = " + quoted(property.item) + "\n";
  const auto say = [&](const char* key, const std::string& value) {
    out += std::string(key) + " = " + value + "\n";
  };
  say("over", quoted(to_text(property.over)));
  if (property.every) say("every", quoted(to_text(*property.every)));
  if (property.lower && property.upper) {
    say("bounds", "[" + number_text(*property.lower) + ", " + number_text(*property.upper) + "]");
  }
  if (!property.unit.empty()) say("unit", quoted(property.unit));
  if (property.kept) say("keep", "true");
  if (property.epsilon) say("epsilon", number_text(*property.epsilon));
  if (!property.purpose.empty()) say("purpose", quoted(property.purpose));
  if (property.since) say("since", quoted(to_text(*property.since)));
  if (property.until) say("until", quoted(to_text(*property.until)));
  return out;
}

}  // namespace

std::string system_text(const federation::SystemTwin& system) {
  std::string out = "[system." + quoted(system.name) + "]\n";
  out += "title = " + quoted(system.title) + "\nmembers = [";
  for (const auto& member : system.members) {
    out += (&member == system.members.data() ? "" : ", ") + quoted(to_text(member));
  }
  out += "]\nneeds = " + quoted(to_text(system.needs)) + "\n";
  if (system.answer) out += "answer = " + quoted(to_text(*system.answer)) + "\n";
  for (const SystemProperty& property : system.properties) {
    out += "\n[system." + quoted(system.name) + ".property." + quoted(property.name) + "]\n" +
           property_text(property);
  }
  return out;
}

}  // namespace entente::node
