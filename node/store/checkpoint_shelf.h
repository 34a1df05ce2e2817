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
  std::string note;  // with the own signature alone
};
// The newest kCheckpointsKept are kept.
void keep_checkpoint(Database& database, const OwnCheckpoint& checkpoint);
std::optional<OwnCheckpoint> newest_checkpoint(Database& database);

// A partner's word for a checkpoint of this site.
struct Cosignature {
  OrgId witness;
  std::uint64_t size = 0;
  Instant time;      // when it came
  std::string line;  // one, as c2sp.org/tlog-cosignature writes it
};
// The newest of each witness is kept.
void keep_cosignature(Database& database, const Cosignature& cosignature);
std::optional<Cosignature> newest_cosignature(Database& database, const OrgId& witness);
// The note with the lines of all who cosigned just this size.
std::string note_with_cosignatures(Database& database, const OwnCheckpoint& checkpoint);

// Why this log was found changed; it stays until the database is another one.
void keep_fault(Database& database, const std::string& reason, Instant now);
std::string kept_fault(Database& database);  // empty: none

struct SeenCheckpoint {
  security::LogName log;
  Instant time;
  std::string note;
};
// Empty when nothing was seen of this log.
std::string seen_note(Database& database, const security::LogName& log);
// Of one organisation, whose CA may name as many sites as it likes.
inline constexpr std::size_t kSitesSeen = 16;
// False when that many sites of the organisation are kept already.
bool keep_seen(Database& database, const SeenCheckpoint& seen);
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
// False when there is one of this log that nobody has settled yet.
bool keep_conflict(Database& database, const LogConflict& conflict);
std::vector<LogConflict> all_conflicts(Database& database);
// What is against this organisation and not settled yet, for people; empty when nothing is.
std::string open_conflict(Database& database, const OrgId& organisation);
// An administrator goes on: conflicts are settled (they stay to be read), and its logs begin anew.
// Nothing changes where there was none.
void settle_conflicts(Database& database, const OrgId& organisation);

}  // namespace entente::node
