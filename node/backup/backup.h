// Backups of a node's home, and homes made from them.
//
// A backup holds the two databases as they stood at one moment each (copied while the node runs),
// the sealed keys, the charters, the policy and the configuration. It does not hold the key file,
// the administrator's token, or anything that lives in run/. It is sealed under the vault's key.
//
// A restored node never gets budget back: its ledger is closed for every partner until `entente
// budget reconcile` has spent what may have been charged after the backup was made.
#pragma once

#include <filesystem>
#include <string>

#include "node/backup/backup_stream.h"
#include "node/store/sqlite.h"

namespace entente::node {

// What a running node gives: query-only connections of its own to each database.
struct BackupSource {
  std::string home;
  Database& entente;
  Database& history;
  const security::Vault& vault;
  BackupDescription description;
};

// Makes `path`, which appears only when it is complete. Takes as much free space as the databases
// beside it, for their copies in between. Refuses: conflict (it exists), disk_full, store_failed,
// deadline_exceeded (progress said so), and as backup_bytes. Throws StoreFault when a database
// cannot be read.
[[nodiscard]] Result<BackupContents> create_backup(const BackupSource& source,
                                                   const std::filesystem::path& path,
                                                   Random& random, const BackupProgress& progress);

// About how many bytes of files a backup of this home takes in, for progress; what lies in
// `folder`, where backups are made, is no part of it. Refuses: conflict (a link lies in the home: a
// backup would not hold what it names), store_failed.
[[nodiscard]] Result<std::uint64_t> backup_bytes(const std::string& home,
                                                 const std::string& folder);
// Removes copies of databases that a process which was killed left behind.
void sweep_backup_copies(const std::string& home);

// Makes a home out of a backup. `home` must be missing or empty. With `wrapped` (of the
// description) the vault is opened as before; without it `vault`'s key is written as the key file.
// A new administrator's token is made. Refuses: conflict (not empty), and as read_backup; then the
// folder is left with what was written and a mark that `serve` refuses to start from.
[[nodiscard]] Result<BackupContents> restore_backup(const std::filesystem::path& path,
                                                    const security::Vault& vault,
                                                    const std::string& home, Random& random,
                                                    const BackupProgress& progress);

// What a restore left in a home for the next start.
struct RestoreMark {
  bool complete = false;
  Instant created;     // of the backup
  std::string source;  // its file
};
// None when there is none. Refuses: config_invalid (it does not read).
[[nodiscard]] Result<std::optional<RestoreMark>> restore_mark(const std::string& home);
// After the ledger was closed durably.
[[nodiscard]] Outcome clear_restore_mark(const std::string& home);

}  // namespace entente::node
