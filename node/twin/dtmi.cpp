#include "node/twin/dtmi.h"

namespace entente::node {
namespace {

constexpr std::size_t kDtmiBytes = 4'096;

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_segment(std::string_view text) {
  if (text.empty() || is_digit(text.front()) || text.back() == '_') return false;
  for (char c : text) {
    if (!is_letter(c) && !is_digit(c) && c != '_') return false;
  }
  return true;
}

// At most `digits` digits without a leading zero; -1 otherwise.
int version_number(std::string_view text, std::size_t digits) {
  if (text.empty() || text.size() > digits || text.front() == '0') return -1;
  int value = 0;
  for (char c : text) {
    if (!is_digit(c)) return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

}  // namespace

std::optional<Dtmi> parse_dtmi(std::string_view text) {
  if (text.size() > kDtmiBytes || !text.starts_with("dtmi:")) return std::nullopt;
  Dtmi dtmi;
  if (const auto hash = text.find('#'); hash != std::string_view::npos) {
    const auto fragment = text.substr(hash + 1);
    if (!fragment.empty() && !is_segment(fragment)) return std::nullopt;
    dtmi.has_fragment = true;
    text = text.substr(0, hash);
  }
  if (const auto semicolon = text.find(';'); semicolon != std::string_view::npos) {
    const auto version = text.substr(semicolon + 1);
    const auto dot = version.find('.');
    dtmi.major = version_number(version.substr(0, dot), 9);
    if (dtmi.major < 0) return std::nullopt;
    if (dot != std::string_view::npos) {
      dtmi.has_minor = true;
      dtmi.minor = version_number(version.substr(dot + 1), 6);
      if (dtmi.minor < 0) return std::nullopt;
    }
    text = text.substr(0, semicolon);
  }
  dtmi.path = text;
  auto rest = text.substr(5);
  while (true) {
    const auto colon = rest.find(':');
    const auto segment = rest.substr(0, colon);
    if (!is_segment(segment)) return std::nullopt;
    dtmi.system = dtmi.system || segment.front() == '_';
    if (colon == std::string_view::npos) break;
    rest = rest.substr(colon + 1);
  }
  dtmi.reserved = text.starts_with("dtmi:dtdl:") || text.starts_with("dtmi:standard:");
  return dtmi;
}

std::string dtmi_complaint(std::string_view text, int dtdl_version, std::size_t bytes_max) {
  const auto dtmi = parse_dtmi(text);
  if (!dtmi) return "is not a DTMI (dtmi:segment:…;version)";
  if (text.size() > bytes_max) return "is longer than " + std::to_string(bytes_max) + " characters";
  if (dtmi->system) return "has a segment that begins with '_', which only processors may make";
  if (dtmi->reserved) return "has a prefix that is reserved for the language";
  if (dtmi->has_fragment) return "has a fragment";
  if (dtdl_version < 3 && (dtmi->major == 0 || dtmi->has_minor)) {
    return "needs a version that is one whole number in DTDL 2";
  }
  return {};
}

}  // namespace entente::node
