// To which verbs somebody is held, as a column of a table: their names with blanks between, or "*"
// for all.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "security/policy/verb.h"

namespace entente::node {

inline std::string verbs_text(const std::optional<std::set<security::Verb>>& only) {
  if (!only) return "*";
  std::string text;
  for (const security::Verb verb : *only)
    text += (text.empty() ? "" : " ") + std::string(to_text(verb));
  return text;
}

inline std::optional<std::set<security::Verb>> verbs_from(const std::string& text) {
  if (text == "*") return std::nullopt;
  std::set<security::Verb> verbs;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    // A verb of another version allows nothing.
    if (const auto verb = security::verb_from_text(text.substr(at, end - at))) verbs.insert(*verb);
    at = end + 1;
  }
  return verbs;
}

}  // namespace entente::node
