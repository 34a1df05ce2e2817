// Raw bytes and their text forms. Text decoding is strict: one form per value, anything else
// refused.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/result.h"

namespace entente {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

// The bytes of a text, without copying; the view lives as long as the text.
inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline Bytes to_bytes(ByteView view) {
  return {view.begin(), view.end()};
}
inline Bytes to_bytes(std::string_view text) {
  return to_bytes(bytes_of(text));
}
inline std::string_view text_of(ByteView view) {
  return {reinterpret_cast<const char*>(view.data()), view.size()};
}

// Lower-case hexadecimal, two digits a byte.
std::string to_hex(ByteView bytes);
// Refuses (invalid_argument): odd length, upper case, anything but 0-9a-f.
[[nodiscard]] Result<Bytes> from_hex(std::string_view text);

// URL-safe base64 without padding (RFC 4648 section 5).
std::string to_base64url(ByteView bytes);
[[nodiscard]] Result<Bytes> from_base64url(std::string_view text);

}  // namespace entente
