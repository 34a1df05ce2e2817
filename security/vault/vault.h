// Secrets at rest: sealed under subkeys of one master key, which a file of its own holds.
//
// The key file is 32 raw bytes, mode 0600, owned by the running user. From it libsodium's
// crypto_kdf derives one subkey for each use and epoch, so that a value sealed for one use never
// opens as another, and raising the epoch retires old subkeys. A sealed value is:
//   version (1 byte, 1), epoch (4 bytes, little-endian), nonce (24), ciphertext with tag (n + 16),
// XChaCha20-Poly1305 with version, epoch and the caller's `aad` authenticated. The aad says where
// the value belongs ("keys|root|0"), so that a value moved to another row does not open.
#pragma once

#include <string>

#include "schemas/base/ids.h"
#include "schemas/base/random.h"
#include "security/identity/secret.h"

namespace entente::security {

enum class VaultUse { signing_key, access_token, store_value, invitation, backup };

inline constexpr std::size_t kVaultKeyBytes = 32;
inline constexpr std::size_t kVaultOverhead = 1 + 4 + 24 + 16;
inline constexpr std::size_t kVaultValueBytes = 1'048'576;  // one sealed value, at most

// Threads: any (const after construction).
class Vault {
 public:
  // Makes a new key file. Refuses: conflict (the path exists; a key is never overwritten),
  // store_failed (it cannot be written and synced).
  [[nodiscard]] static Result<Vault> create(const std::string& path, Random& random);
  // Refuses: not_found; config_invalid (no regular file of 32 bytes, another owner, readable or
  // writable by others); store_failed (unreadable).
  [[nodiscard]] static Result<Vault> open_file(const std::string& path);
  // From a key that a credential store handed over. Refuses (config_invalid) any other length.
  [[nodiscard]] static Result<Vault> from_key(Secret master);

  Bytes seal(VaultUse use, std::string_view aad, ByteView secret, Random& random,
             std::uint32_t epoch = 0) const;
  // Refuses (verification_failed): another use, aad or vault, or changed bytes.
  [[nodiscard]] Result<Secret> open(VaultUse use, std::string_view aad, ByteView sealed) const;

  // A key for one sealed stream (sealed_stream.h), told apart by its salt of 16 bytes.
  Secret stream_key(VaultUse use, ByteView salt) const;
  // The master key, to be wrapped (key_wrap.h) or handed to the keeper of a credential.
  Secret master() const { return master_.copy(); }
  // Tells vaults apart without telling anything of the key: a hash of a subkey.
  Hash256 fingerprint() const;

 private:
  explicit Vault(Secret master) : master_(std::move(master)) {}
  Secret subkey(VaultUse use, std::uint32_t epoch) const;
  Secret master_;
};

}  // namespace entente::security
