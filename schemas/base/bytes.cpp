#include "schemas/base/bytes.h"

#include <sodium.h>

namespace entente {

std::string to_hex(ByteView bytes) {
  std::string text(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(text.data(), text.size(), bytes.data(), bytes.size());
  text.pop_back();
  return text;
}

Result<Bytes> from_hex(std::string_view text) {
  const auto refuse = [] {
    return make_error(ErrorCode::invalid_argument, "this is not lower-case hexadecimal");
  };
  if (text.empty()) return Bytes{};  // libsodium wants somewhere to write
  for (const char c : text) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return refuse();
  }
  Bytes out(text.size() / 2);
  std::size_t length = 0;
  if (text.size() % 2 != 0 || sodium_hex2bin(out.data(), out.size(), text.data(), text.size(),
                                             nullptr, &length, nullptr) != 0) {
    return refuse();
  }
  return out;
}

std::string to_base64url(ByteView bytes) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), kVariant), '\0');
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), kVariant);
  text.pop_back();
  return text;
}

Result<Bytes> from_base64url(std::string_view text) {
  constexpr int kVariant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  Bytes out(text.size() / 4 * 3 + 3);
  std::size_t length = 0;
  const char* end = nullptr;
  if (sodium_base642bin(out.data(), out.size(), text.data(), text.size(), nullptr, &length, &end,
                        kVariant) != 0 ||
      end != text.data() + text.size()) {
    return make_error(ErrorCode::invalid_argument, "this is not URL-safe base64 without padding");
  }
  out.resize(length);
  return out;
}

}  // namespace entente
