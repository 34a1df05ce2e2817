#include "schemas/rules.h"

#include <cstdint>

#include "schemas/base/limits.h"

namespace entente::rules {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The code point that begins at `at`, which moves behind it; or 0xFFFFFFFF.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  constexpr std::uint32_t kBad = 0xFFFFFFFF;
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4) return kBad;
  std::uint32_t point = lead & (0x3Fu >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size()) return kBad;
    const auto byte = static_cast<unsigned char>(text[at++]);
    if ((byte & 0xC0) != 0x80) return kBad;
    point = (point << 6) | (byte & 0x3F);
  }
  const bool overlong = (more == 2 && point < 0x800) || (more == 3 && point < 0x10000);
  const bool surrogate = point >= 0xD800 && point <= 0xDFFF;
  return overlong || surrogate || point > 0x10FFFF ? kBad : point;
}

}  // namespace

bool is_clean_text(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) return false;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t point = next_code_point(text, at);
    const bool control = point < 0x20 || (point >= 0x7F && point < 0xA0);
    // Marks that turn the direction of writing can make one name look like another.
    const bool turns = (point >= 0x202A && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
    if (point == 0xFFFFFFFF || control || turns) return false;
  }
  return true;
}

bool is_label(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && is_clean_text(text, bytes_max);
}

bool is_property_name(std::string_view text) {
  if (text.empty() || text.size() > limits::kLabelBytes || !is_letter(text.front())) return false;
  for (const char c : text) {
    if (!is_letter(c) && !is_digit(c) && c != '.' && c != '_' && c != '-') return false;
  }
  return true;
}

bool is_zone_name(std::string_view text) {
  if (text.empty() || text.size() > limits::kNameBytes || !is_letter(text.front())) return false;
  for (const char c : text) {
    if (!is_letter(c) && !is_digit(c) && c != '/' && c != '_' && c != '+' && c != '-') return false;
  }
  return true;
}

}  // namespace entente::rules
