// How the vault of a home is opened at start, and how that is changed.
//
//   vault.key      the key itself: a file of 32 bytes that is kept apart from backups
//   vault.sealed   the key wrapped (security/vault/key_wrap.h) under a pass phrase, or under a
//                  credential: $CREDENTIALS_DIRECTORY/entente-vault, as systemd's
//                  LoadCredential= gives it, or the file that $ENTENTE_VAULT_CREDENTIAL names
// One of them is there, not both.
#pragma once

#include <string>
#include <string_view>

#include "schemas/base/random.h"
#include "schemas/base/result.h"
#include "security/vault/vault.h"

namespace entente::node {

enum class VaultWay { key_file, passphrase, credential };
std::string_view to_text(VaultWay way);  // "key-file", …

// Refuses: not_found (neither file), config_invalid (both; or it does not read).
[[nodiscard]] Result<VaultWay> vault_way(const std::string& home);

// `passphrase` is used where one is needed. Refuses: node_not_running (one is needed and none was
// given: the vault stays sealed), verification_failed (a wrong one), not_found (no credential), and
// as vault_way and Vault::open_file.
[[nodiscard]] Result<security::Vault> open_vault(const std::string& home,
                                                 const security::Secret* passphrase = nullptr);

// The same, but with the key file where both are: to complete what was interrupted.
[[nodiscard]] Result<security::Vault> open_vault_to_protect(
    const std::string& home, const security::Secret* passphrase = nullptr);

// The wrapped key of a home, empty with a key file.
[[nodiscard]] Result<Bytes> wrapped_key(const std::string& home);

// The credential of this process. Refuses: not_found.
[[nodiscard]] Result<security::Secret> read_credential();
// A pass phrase or another secret in a file: its content without the line feed at its end.
// Refuses: not_found, payload_too_large.
[[nodiscard]] Result<security::Secret> read_secret_file(const std::string& path);

// Removes what an interrupted change of the protection left half written.
void sweep_vault_files(const std::string& home);

// From now on the vault is opened that way. The new file is durable before the old one goes; when
// both are found (a crash in between), doing it again completes it. What the disk keeps of a
// removed file is the disk's affair. `secret` for all but key_file.
// Refuses: as wrap_key and write_private.
[[nodiscard]] Outcome protect_vault(const std::string& home, const security::Vault& vault,
                                    VaultWay way, const security::Secret* secret, Random& random);

}  // namespace entente::node
