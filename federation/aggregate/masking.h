// The cryptography of a round: pairs of keys, what two members share, masks, sealed shares.
//
// Masks are ChaCha20's key stream read as words of 64 bits, least significant byte first, under a
// key that HKDF-SHA256 (RFC 5869) makes of a secret, the round's id and the proposal's hash. Two
// members' secret is X25519 of their keys of this round, so that one adds the stream that the other
// takes away. Shares are sealed with XChaCha20-Poly1305 under a key of their own for each sender
// and receiver, with round, sender and receiver as associated data. Threads: any; pure but for the
// randomness it is given.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "schemas/base/random.h"
#include "schemas/base/result.h"
#include "schemas/sum_round.h"

namespace entente::federation {

using StreamKey = std::array<std::uint8_t, 32>;

// HKDF with HMAC-SHA256, 32 bytes long (RFC 5869).
StreamKey hkdf_sha256(ByteView secret, ByteView salt, ByteView info);

// Which round a key is for: nothing made under one serves in another.
struct RoundContext {
  RoundId round;
  Hash256 proposal;
  bool operator==(const RoundContext&) const = default;
};

// The public half of an X25519 secret of 32 bytes.
SealKey exchange_key_of(ByteView secret);
// What the holders of two secrets share. Refuses (verification_failed) a key of small order.
[[nodiscard]] Result<StreamKey> shared_secret(ByteView secret, const SealKey& other);

StreamKey pair_mask_key(const StreamKey& shared, const RoundContext& round);
StreamKey self_mask_key(ByteView seed, const RoundContext& round);
Hash256 seed_commitment(ByteView seed, const RoundContext& round, std::uint32_t member);

enum class MaskSign { plus, minus };
// Adds or takes away the stream of `key`, modulo 2^64.
void add_mask(std::span<std::uint64_t> into, const StreamKey& key, MaskSign sign);
// The lower place adds what the higher takes away.
inline MaskSign pair_sign(std::uint32_t own, std::uint32_t other) {
  return own < other ? MaskSign::plus : MaskSign::minus;
}

struct ShareRoute {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};
// What one member holds of another's secrets.
struct HeldShares {
  SecretShare seed;
  SecretShare key;
};
// `shared` is what sender and receiver share by their seal keys. One sealing a route and round.
Bytes seal_shares(const HeldShares& shares, const StreamKey& shared, const RoundContext& round,
                  ShareRoute route);
// Refuses: verification_failed.
[[nodiscard]] Result<HeldShares> open_shares(ByteView sealed, const StreamKey& shared,
                                             const RoundContext& round, ShareRoute route);

}  // namespace entente::federation
