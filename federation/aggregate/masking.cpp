#include "federation/aggregate/masking.h"

#include <sodium.h>

#include <bit>
#include <cstring>

#include "schemas/base/hash.h"
#include "security/identity/secret.h"

namespace entente::federation {
namespace {

// A key that does not outlive one call.
struct Ephemeral {
  StreamKey key{};
  Ephemeral() = default;
  explicit Ephemeral(const StreamKey& from) : key(from) {}
  Ephemeral(const Ephemeral&) = delete;
  Ephemeral& operator=(const Ephemeral&) = delete;
  ~Ephemeral() { security::wipe(key); }
};

void hmac_sha256(ByteView key, std::initializer_list<ByteView> parts, StreamKey& out) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, key.data(), key.size());
  for (const ByteView part : parts) {
    crypto_auth_hmacsha256_update(&state, part.data(), part.size());
  }
  crypto_auth_hmacsha256_final(&state, out.data());
  security::wipe({reinterpret_cast<std::uint8_t*>(&state), sizeof state});
}

void append(Bytes& out, ByteView part) {
  out.insert(out.end(), part.begin(), part.end());
}

void append(Bytes& out, std::uint32_t number) {
  for (unsigned i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
}

Bytes info_of(std::string_view purpose, const RoundContext& round) {
  Bytes info;
  append(info, bytes_of(purpose));
  append(info, round.proposal.view());
  return info;
}

// Round, sender and receiver: the associated data of a sealed share, and what its key is made for.
Bytes route_bytes(const RoundContext& round, ShareRoute route) {
  Bytes out = info_of("entente sum sealed share v1", round);
  append(out, round.round.view());
  append(out, route.from);
  append(out, route.to);
  return out;
}

}  // namespace

StreamKey hkdf_sha256(ByteView secret, ByteView salt, ByteView info) {
  static_assert(crypto_auth_hmacsha256_BYTES == 32);
  ensure_sodium();
  Ephemeral extracted;
  hmac_sha256(salt, {secret}, extracted.key);
  StreamKey out{};
  const std::uint8_t first = 1;
  hmac_sha256(extracted.key, {info, {&first, 1}}, out);
  return out;
}

SealKey exchange_key_of(ByteView secret) {
  ENTENTE_CHECK(secret.size() == crypto_scalarmult_SCALARBYTES);
  SealKey out;
  crypto_scalarmult_base(out.bytes.data(), secret.data());
  return out;
}

Result<StreamKey> shared_secret(ByteView secret, const SealKey& other) {
  ENTENTE_CHECK(secret.size() == crypto_scalarmult_SCALARBYTES);
  StreamKey out{};
  if (crypto_scalarmult(out.data(), secret.data(), other.bytes.data()) == 0) return out;
  return make_error(ErrorCode::verification_failed, "a member's key is no key that keeps a secret");
}

StreamKey pair_mask_key(const StreamKey& shared, const RoundContext& round) {
  return hkdf_sha256(shared, round.round.view(), info_of("entente sum pair mask v1", round));
}

StreamKey self_mask_key(ByteView seed, const RoundContext& round) {
  return hkdf_sha256(seed, round.round.view(), info_of("entente sum self mask v1", round));
}

Hash256 seed_commitment(ByteView seed, const RoundContext& round, std::uint32_t member) {
  Bytes place;
  append(place, member);
  return hash_parts("entente sum seed commitment v1", {round.proposal.view(), place, seed});
}

void add_mask(std::span<std::uint64_t> into, const StreamKey& key, MaskSign sign) {
  static_assert(std::endian::native == std::endian::little);
  // A key has one stream: its nonce says nothing.
  constexpr std::array<std::uint8_t, crypto_stream_chacha20_NONCEBYTES> kNonce{};
  // As many words at once as stay in the first cache.
  constexpr std::size_t kChunk = 1'024;
  std::array<std::uint64_t, kChunk> stream;
  auto* const bytes = reinterpret_cast<std::uint8_t*>(stream.data());
  for (std::size_t at = 0; at < into.size(); at += kChunk) {
    const std::size_t words = std::min(kChunk, into.size() - at);
    std::memset(bytes, 0, 8 * words);
    crypto_stream_chacha20_xor_ic(bytes, bytes, 8 * words, kNonce.data(), at * 8 / 64, key.data());
    std::uint64_t* const out = into.data() + at;
    if (sign == MaskSign::plus) {
      for (std::size_t i = 0; i < words; ++i) out[i] += stream[i];
    } else {
      for (std::size_t i = 0; i < words; ++i) out[i] -= stream[i];
    }
  }
  security::wipe({bytes, 8 * std::min(kChunk, into.size())});
}

Bytes seal_shares(const HeldShares& shares, const StreamKey& shared, const RoundContext& round,
                  ShareRoute route) {
  constexpr std::array<std::uint8_t, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> kNonce{};
  static_assert(kSealedShareBytes ==
                2 * SecretShare::kSize + crypto_aead_xchacha20poly1305_ietf_ABYTES);
  const Bytes data = route_bytes(round, route);
  const Ephemeral key(hkdf_sha256(shared, round.round.view(), data));
  std::array<std::uint8_t, 2 * SecretShare::kSize> plain;
  std::copy(shares.seed.bytes.begin(), shares.seed.bytes.end(), plain.begin());
  std::copy(shares.key.bytes.begin(), shares.key.bytes.end(), plain.begin() + SecretShare::kSize);
  Bytes sealed(kSealedShareBytes);
  crypto_aead_xchacha20poly1305_ietf_encrypt(sealed.data(), nullptr, plain.data(), plain.size(),
                                             data.data(), data.size(), nullptr, kNonce.data(),
                                             key.key.data());
  security::wipe(plain);
  return sealed;
}

Result<HeldShares> open_shares(ByteView sealed, const StreamKey& shared, const RoundContext& round,
                               ShareRoute route) {
  constexpr std::array<std::uint8_t, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES> kNonce{};
  const Bytes data = route_bytes(round, route);
  const Ephemeral key(hkdf_sha256(shared, round.round.view(), data));
  std::array<std::uint8_t, 2 * SecretShare::kSize> plain{};
  if (sealed.size() != kSealedShareBytes ||
      crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data(),
                                                 sealed.size(), data.data(), data.size(),
                                                 kNonce.data(), key.key.data()) != 0) {
    return make_error(ErrorCode::verification_failed,
                      "what member " + std::to_string(route.from) +
                          " is said to have sealed to this site was not, or was changed");
  }
  HeldShares out;
  std::copy_n(plain.begin(), SecretShare::kSize, out.seed.bytes.begin());
  std::copy_n(plain.begin() + SecretShare::kSize, SecretShare::kSize, out.key.bytes.begin());
  security::wipe(plain);
  return out;
}

}  // namespace entente::federation
