// What comes before a node is assembled: its memory kept off the disk, its vault opened, and what a
// restore left to do.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "node/backup/backup.h"
#include "node/config/settings.h"
#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "security/vault/vault.h"

namespace entente::node {

// What is in memory must not come to lie in a file because of a fault.
void forbid_core_dumps();

// The vault, by the file, credential or pass phrase that the home asks for; where a pass phrase is
// asked for and no file has it, waits for it (sealed_start.h), and the port that it waited on is
// the one to serve on. None: the process was told to end meanwhile. Refuses: as open_vault,
// read_secret_file and wait_unsealed.
[[nodiscard]] Result<std::optional<security::Vault>> open_for_daemon(
    Settings& settings, const std::optional<std::string>& passphrase_file, std::ostream& out);

// The mark of a restore, if any. Refuses (config_invalid) a restore that did not finish.
[[nodiscard]] Result<std::optional<RestoreMark>> finished_restore(const std::string& home);

// Closes the ledger of a restored node, durably, then takes the mark away: a restored ledger has
// forgotten what was charged after its backup. Without a mark, nothing. Refuses: config_invalid
// (the clock is behind the backup).
[[nodiscard]] Outcome close_restored(Store& store, const Clock& clock, const std::string& home,
                                     const std::optional<RestoreMark>& mark);

}  // namespace entente::node
