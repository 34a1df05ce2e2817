// The vault's master key wrapped: the disk then holds nothing that opens it by itself.
//
// Under a pass phrase (Argon2id, RFC 9106, by libsodium's crypto_pwhash) or under a credential that
// somebody else keeps (a systemd credential, a mounted secret), from which a key is hashed. The
// wrapped form names its way and its cost, so that both can change without old files breaking:
//   "ENTVLT1\0" (8), way (1), operations (4, little-endian), memory in bytes (8), salt (16),
//   nonce (24), the 32 bytes sealed by XChaCha20-Poly1305 with all that precedes authenticated (48)
// Threads: any; pure but for the half second and 256 MiB that a pass phrase takes.
#pragma once

#include <string>
#include <string_view>

#include "schemas/base/bytes.h"
#include "schemas/base/random.h"
#include "security/identity/secret.h"

namespace entente::security {

enum class UnlockWay : std::uint8_t { passphrase = 1, credential = 2 };
std::string_view to_text(UnlockWay way);

inline constexpr std::size_t kWrappedKeyBytes = 8 + 1 + 4 + 8 + 16 + 24 + 32 + 16;
inline constexpr std::size_t kPassphraseLeast = 12;     // bytes
inline constexpr std::size_t kPassphraseMost = 1'024;   // bytes
inline constexpr std::size_t kCredentialLeast = 16;     // bytes
inline constexpr std::size_t kCredentialMost = 65'536;  // bytes

// What the pass phrase costs to try once. Production takes libsodium's MODERATE.
struct PassphraseCost {
  std::uint32_t operations = 3;
  std::uint64_t memory = 268'435'456;
};

// Refuses: invalid_argument (too short or too long a secret), overloaded (no memory for the hash).
[[nodiscard]] Result<Bytes> wrap_key(const Secret& master, UnlockWay way, const Secret& secret,
                                     Random& random, PassphraseCost cost = {});
// Which way a wrapped key is opened. Refuses (config_invalid) what is no wrapped key.
[[nodiscard]] Result<UnlockWay> unlock_way(ByteView wrapped);
// Refuses: config_invalid (no wrapped key, or one that would take more than 1 GiB or 16 rounds),
// verification_failed (another secret, or changed bytes), overloaded (no memory for the hash).
[[nodiscard]] Result<Secret> unwrap_key(ByteView wrapped, const Secret& secret);

}  // namespace entente::security
