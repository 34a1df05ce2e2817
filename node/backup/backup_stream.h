// The form of a backup: one sealed file that holds a tar archive.
//
//   "ENTENTE-BACKUP1\n" (16), length of what follows (4, little-endian), a description as JSON;
//   then a sealed stream (security/vault/sealed_stream.h) with all of this authenticated: a
//   compressed tar archive of regular files.
// The description stands in the clear, so that an operator sees whose backup lies there and which
// key it wants. Where a pass phrase opens the vault it holds the wrapped key too: that phrase opens
// this backup for ever, also after the node has got another. Threads: one at a time; blocks on the
// disk.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "schemas/base/ids.h"
#include "schemas/base/random.h"
#include "schemas/base/result.h"
#include "schemas/base/time.h"
#include "security/vault/vault.h"

namespace entente::node {

struct BackupDescription {
  OrgId organisation;
  std::string name;  // local id of the organisation
  std::string site;
  std::string version;  // of the software that made it
  Instant created;
  Hash256 vault;  // Vault::fingerprint of the key that opens it
  Bytes wrapped;  // that key wrapped (security/vault/key_wrap.h); empty: a key file opens it
};

// Told how many bytes of files went through; false ends the work (refused as deadline_exceeded).
using BackupProgress = std::function<bool(std::uint64_t bytes)>;

class BackupWriter {
 public:
  // Begins `path`, which must not exist. Refuses: conflict, store_failed, disk_full.
  [[nodiscard]] static Result<std::unique_ptr<BackupWriter>> begin(
      const std::filesystem::path& path, const BackupDescription& description,
      const security::Vault& vault, Random& random, BackupProgress progress);
  virtual ~BackupWriter() = default;

  // A file under a relative name with '/' between folders. Refuses: store_failed, disk_full,
  // deadline_exceeded.
  [[nodiscard]] virtual Outcome add(const std::string& name, const std::filesystem::path& file) = 0;
  // Ends and syncs the file. Without it nothing that was written opens as a backup.
  [[nodiscard]] virtual Outcome finish() = 0;
};

// Refuses: not_found, invalid_argument (no backup), version_too_new.
[[nodiscard]] Result<BackupDescription> describe_backup(const std::filesystem::path& path);

struct BackupContents {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
// Reads a backup to its end. `into` is where its files are written, with 0600; empty: nowhere, they
// are only verified. Refuses: as describe_backup; verification_failed (changed, cut off, another
// key, a name that leads elsewhere); conflict (a file exists); store_failed, disk_full,
// deadline_exceeded.
[[nodiscard]] Result<BackupContents> read_backup(const std::filesystem::path& path,
                                                 const security::Vault& vault,
                                                 const std::filesystem::path& into,
                                                 const BackupProgress& progress);

}  // namespace entente::node
