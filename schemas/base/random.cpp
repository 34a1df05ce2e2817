#include "schemas/base/random.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace entente {

void ensure_sodium() {
  static const bool ready = sodium_init() >= 0;
  ENTENTE_CHECK(ready);
}

std::uint64_t Random::u64() {
  std::array<std::uint8_t, 8> raw{};
  fill(raw);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) value |= std::uint64_t{raw[i]} << (8 * i);
  return value;
}

std::uint64_t Random::below(std::uint64_t bound) {
  ENTENTE_CHECK(bound > 0);
  const std::uint64_t least = (0 - bound) % bound;  // rejects the uneven rest of the range
  std::uint64_t draw = u64();
  while (draw < least) draw = u64();
  return draw % bound;
}

SystemRandom::SystemRandom() {
  ensure_sodium();
}
void SystemRandom::fill(std::span<std::uint8_t> out) {
  randombytes_buf(out.data(), out.size());
}

SeededRandom::SeededRandom(std::uint64_t seed) {
  ensure_sodium();
  for (std::size_t i = 0; i < 8; ++i) key_[i] = static_cast<std::uint8_t>(seed >> (8 * i));
}

void SeededRandom::fill(std::span<std::uint8_t> out) {
  if (out.empty()) return;
  static constexpr std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> kNonce{};
  if (out.empty()) return;
  std::memset(out.data(), 0, out.size());
  crypto_stream_chacha20_xor_ic(out.data(), out.data(), out.size(), kNonce.data(), block_,
                                key_.data());
  block_ += out.size() / 64 + 1;
}

}  // namespace entente
