#include "node/store/checkpoint_shelf.h"

namespace entente::node {

using security::LogName;
using security::WitnessVerdict;

namespace {

std::optional<OwnCheckpoint> own_from(Statement& row) {
  std::optional<OwnCheckpoint> found;
  if (row.step()) {
    found =
        OwnCheckpoint{static_cast<std::uint64_t>(row.integer(0)), {row.integer(1)}, row.text(2)};
  }
  row.reset();
  return found;
}

LogName log_from(Statement& row) {
  const auto organisation = OrgId::from_bytes(row.blob(0));
  if (!organisation) throw StoreFault("a stored checkpoint does not read", 0);
  return {*organisation, row.text(1)};
}

}  // namespace

const char* checkpoint_migration() {
  return "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
         "  note TEXT NOT NULL) STRICT;"
         "CREATE TABLE cosigned (witness BLOB PRIMARY KEY, size INTEGER NOT NULL,"
         "  time INTEGER NOT NULL, note TEXT NOT NULL) STRICT;"
         "CREATE TABLE seen_checkpoint (organisation BLOB NOT NULL, site TEXT NOT NULL,"
         "  time INTEGER NOT NULL, note TEXT NOT NULL, PRIMARY KEY (organisation, site)) STRICT;"
         "CREATE TABLE log_conflict (organisation BLOB NOT NULL, site TEXT NOT NULL,"
         "  time INTEGER NOT NULL, verdict INTEGER NOT NULL, reason TEXT NOT NULL,"
         "  seen TEXT NOT NULL, shown TEXT NOT NULL,"
         "  PRIMARY KEY (organisation, site, seen, shown)) STRICT;";
}

void keep_checkpoint(Database& database, const OwnCheckpoint& checkpoint) {
  Statement& row =
      database.cached("INSERT OR REPLACE INTO checkpoint (size, time, note) VALUES (?, ?, ?)");
  row.bind(1, static_cast<std::int64_t>(checkpoint.size)).bind(2, checkpoint.time.ns);
  row.bind(3, std::string_view(checkpoint.note)).run();
  Statement& old = database.cached(
      "DELETE FROM checkpoint WHERE size <= (SELECT size FROM checkpoint ORDER BY size DESC "
      "LIMIT 1 OFFSET ?)");
  old.bind(1, kCheckpointsKept).run();
}

std::optional<OwnCheckpoint> newest_checkpoint(Database& database) {
  return own_from(
      database.cached("SELECT size, time, note FROM checkpoint ORDER BY size DESC LIMIT 1"));
}

std::optional<OwnCheckpoint> newest_cosigned(Database& database, const OrgId& witness) {
  Statement& row = database.cached("SELECT size, time, note FROM cosigned WHERE witness = ?");
  row.bind(1, witness.view());
  return own_from(row);
}

void keep_cosignature(Database& database, std::uint64_t size, const OrgId& witness,
                      const std::string& line) {
  Statement& row = database.cached("SELECT size, time, note FROM checkpoint WHERE size = ?");
  row.bind(1, static_cast<std::int64_t>(size));
  auto checkpoint = own_from(row);
  if (!checkpoint) return;
  checkpoint->note = security::with_cosignature(checkpoint->note, line);
  keep_checkpoint(database, *checkpoint);
  Statement& cosigned = database.cached(
      "INSERT OR REPLACE INTO cosigned (witness, size, time, note) VALUES (?, ?, ?, ?)");
  cosigned.bind(1, witness.view()).bind(2, static_cast<std::int64_t>(size));
  cosigned.bind(3, checkpoint->time.ns).bind(4, std::string_view(checkpoint->note)).run();
}

std::string seen_note(Database& database, const LogName& log) {
  Statement& row =
      database.cached("SELECT note FROM seen_checkpoint WHERE organisation = ? AND site = ?");
  row.bind(1, log.organisation.view()).bind(2, std::string_view(log.site));
  std::string note = row.step() ? row.text(0) : std::string();
  row.reset();
  return note;
}

void keep_seen(Database& database, const SeenCheckpoint& seen) {
  Statement& row = database.cached(
      "INSERT OR REPLACE INTO seen_checkpoint (organisation, site, time, note) "
      "VALUES (?, ?, ?, ?)");
  row.bind(1, seen.log.organisation.view()).bind(2, std::string_view(seen.log.site));
  row.bind(3, seen.time.ns).bind(4, std::string_view(seen.note)).run();
}

std::vector<SeenCheckpoint> all_seen(Database& database) {
  Statement rows = database.prepare(
      "SELECT organisation, site, time, note FROM seen_checkpoint ORDER BY organisation, site");
  std::vector<SeenCheckpoint> all;
  while (rows.step()) all.push_back({log_from(rows), {rows.integer(2)}, rows.text(3)});
  return all;
}

bool keep_conflict(Database& database, const LogConflict& conflict) {
  Statement& known = database.cached(
      "SELECT 1 FROM log_conflict WHERE organisation = ? AND site = ? AND seen = ? AND shown = ?");
  known.bind(1, conflict.log.organisation.view()).bind(2, std::string_view(conflict.log.site));
  known.bind(3, std::string_view(conflict.seen)).bind(4, std::string_view(conflict.shown));
  const bool there = known.step();
  known.reset();
  if (there) return false;
  Statement& row = database.cached(
      "INSERT INTO log_conflict (organisation, site, time, verdict, reason, seen, shown) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  row.bind(1, conflict.log.organisation.view()).bind(2, std::string_view(conflict.log.site));
  row.bind(3, conflict.time.ns).bind(4, static_cast<std::int64_t>(conflict.verdict));
  row.bind(5, std::string_view(conflict.reason)).bind(6, std::string_view(conflict.seen));
  row.bind(7, std::string_view(conflict.shown)).run();
  return true;
}

std::vector<LogConflict> all_conflicts(Database& database) {
  Statement rows = database.prepare(
      "SELECT organisation, site, time, verdict, reason, seen, shown FROM log_conflict "
      "ORDER BY time");
  std::vector<LogConflict> all;
  while (rows.step()) {
    all.push_back({log_from(rows),
                   {rows.integer(2)},
                   static_cast<WitnessVerdict>(rows.integer(3)),
                   rows.text(4),
                   rows.text(5),
                   rows.text(6)});
  }
  return all;
}

void forget_seen(Database& database, const OrgId& organisation) {
  Statement& row = database.cached("DELETE FROM seen_checkpoint WHERE organisation = ?");
  row.bind(1, organisation.view()).run();
}

}  // namespace entente::node
