// Integers as one to ten bytes, the small ones short: seven bits a byte, low bits first, the top
// bit saying that more follow. Signed ones fold their sign into the lowest bit.
#pragma once

#include <bit>
#include <cstdint>

#include "schemas/base/bytes.h"

namespace entente::node {

inline void append_varint(std::uint64_t value, Bytes& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<std::uint8_t>(value));
}
inline void append_signed_varint(std::int64_t value, Bytes& out) {
  const auto bits = static_cast<std::uint64_t>(value);
  append_varint((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : 0), out);
}

// Each takes one integer off the front of `bytes`; false: cut short, or longer than 64 bits.
[[nodiscard]] inline bool take_varint(ByteView& bytes, std::uint64_t& value) {
  value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < 10; ++i) {
    const std::uint64_t seven = bytes[i] & 0x7F;
    if (i == 9 && seven > 1) return false;
    value |= seven << (7 * i);
    if ((bytes[i] & 0x80) == 0) {
      bytes = bytes.subspan(i + 1);
      return true;
    }
  }
  return false;
}
[[nodiscard]] inline bool take_signed_varint(ByteView& bytes, std::int64_t& value) {
  std::uint64_t folded = 0;
  if (!take_varint(bytes, folded)) return false;
  value = static_cast<std::int64_t>((folded >> 1) ^ (~(folded & 1) + 1));
  return true;
}
[[nodiscard]] inline bool take_byte(ByteView& bytes, std::uint8_t& value) {
  if (bytes.empty()) return false;
  value = bytes.front();
  bytes = bytes.subspan(1);
  return true;
}

}  // namespace entente::node
