// The checkpoints in entente.db: this site's own with the cosignatures they got, the newest that
// this site saw of each partner's log, and what proves that a partner showed two.
//
// Functions over the store's database. Threads: the store thread to write; any to read, with its
// own connection.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "node/store/sqlite.h"
#include "security/audit/witness.h"

namespace entente::node {

// Of this site's own: at one a minute, five weeks.
inline constexpr std::int64_t kCheckpointsKept = 50'000;

const char* checkpoint_migration();

struct OwnCheckpoint {
  std::uint64_t size = 0;
  Instant time;
  std::string note;  // with the cosignatures that came in
};
// The newest kCheckpointsKept are kept.
void keep_checkpoint(Database& database, const OwnCheckpoint& checkpoint);
std::optional<OwnCheckpoint> newest_checkpoint(Database& database);
// The newest that this site cosigned; nothing when it never did.
std::optional<OwnCheckpoint> newest_cosigned(Database& database, const OrgId& witness);
// Adds a witness's line to the checkpoint of this size; nothing when that is gone.
void keep_cosignature(Database& database, std::uint64_t size, const OrgId& witness,
                      const std::string& line);

struct SeenCheckpoint {
  security::LogName log;
  Instant time;
  std::string note;
};
// Empty when nothing was seen of this log.
std::string seen_note(Database& database, const security::LogName& log);
void keep_seen(Database& database, const SeenCheckpoint& seen);
std::vector<SeenCheckpoint> all_seen(Database& database);

// Two notes of one log that do not go together, as they were received.
struct LogConflict {
  security::LogName log;
  Instant time;
  security::WitnessVerdict verdict = security::WitnessVerdict::forked;
  std::string reason;
  std::string seen;
  std::string shown;
};
// False when the same two are there already.
bool keep_conflict(Database& database, const LogConflict& conflict);
std::vector<LogConflict> all_conflicts(Database& database);
// Begins anew with this organisation's logs; conflicts stay.
void forget_seen(Database& database, const OrgId& organisation);

}  // namespace entente::node
