#include "security/privacy/choice_key.h"

#include <sodium.h>

namespace entente::security {
namespace {

// Signed by nothing else, and never published.
constexpr std::string_view kContext = "entente choice key v1";

}  // namespace

ChoiceKey::ChoiceKey(const SigningKey& key) : secret_(crypto_auth_hmacsha256_KEYBYTES) {
  Signature signature = key.sign(kContext, {});
  crypto_generichash(secret_.bytes().data(), secret_.size(), signature.bytes.data(),
                     signature.bytes.size(), nullptr, 0);
  wipe(signature.bytes);
}

Hash256 ChoiceKey::rank(std::span<const ByteView> parts) const {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, secret_.view().data(), secret_.size());
  for (const ByteView part : parts) {
    std::uint8_t length[8];
    for (std::size_t i = 0; i < sizeof length; ++i) {
      length[i] = static_cast<std::uint8_t>(std::uint64_t{part.size()} >> (8 * i));
    }
    crypto_auth_hmacsha256_update(&state, length, sizeof length);
    crypto_auth_hmacsha256_update(&state, part.data(), part.size());
  }
  Hash256 rank;
  static_assert(crypto_auth_hmacsha256_BYTES == Hash256::kSize);
  crypto_auth_hmacsha256_final(&state, rank.bytes.data());
  sodium_memzero(&state, sizeof state);
  return rank;
}

}  // namespace entente::security
