#include "schemas/base/hash.h"

#include <sodium.h>

namespace entente {
namespace {

void add(crypto_generichash_state& state, ByteView part) {
  std::array<std::uint8_t, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(part.size()) >> (8 * i));
  }
  crypto_generichash_update(&state, length.data(), length.size());
  crypto_generichash_update(&state, part.data(), part.size());
}

}  // namespace

Hash256 hash_parts(std::string_view context, std::initializer_list<ByteView> parts) {
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, Hash256::kSize);
  add(state, bytes_of(context));
  for (const ByteView part : parts) add(state, part);
  Hash256 out;
  crypto_generichash_final(&state, out.bytes.data(), out.bytes.size());
  return out;
}

Hash256 hash(std::string_view context, ByteView data) {
  return hash_parts(context, {data});
}

}  // namespace entente
