// The vault and backups of a home without a running node: what the command line does by itself.
#pragma once

#include <optional>
#include <string>

#include "node/backup/backup.h"
#include "node/daemon/vault_lock.h"

namespace entente::node {

struct VaultChange {
  std::string home;
  std::string way;                        // to_text(VaultWay)
  std::optional<std::string> secret;      // the new pass phrase or credential; none: as at start
  std::optional<std::string> passphrase;  // that opens it until now
  bool dry_run = false;
};
// Refuses: conflict (the node runs), invalid_argument (no such way, no secret), verification_failed
// (the key does not open this node's keys), and as open_vault and protect_vault.
[[nodiscard]] Outcome change_protection(const VaultChange& change, Random& random);

struct BackupUse {
  std::string file;
  std::string home;
  std::string key_file;               // empty: the home's, by vault_lock.h
  std::optional<std::string> secret;  // that unwraps its key; none: the credential as at start
  BackupProgress progress;
};
// What opens this backup. Refuses: as describe_backup.
[[nodiscard]] Result<VaultWay> backup_way(const std::string& file);
// The vault that opens it: its wrapped key by the secret, else a key file. Refuses:
// verification_failed (another key), not_found, invalid_argument (no secret).
[[nodiscard]] Result<security::Vault> open_backup_vault(const BackupUse& use,
                                                        const BackupDescription& description);

}  // namespace entente::node
