#include "node/daemon/agreement_rows.h"

namespace entente::node {

using federation::AgreementEntry;
using federation::Standing;

namespace {

constexpr std::int64_t kOfferedHere = 1, kHeldHere = 2, kHeldThere = 4;

std::int64_t flags_of(const Standing& standing) {
  return (standing.offered_here ? kOfferedHere : 0) | (standing.held_here ? kHeldHere : 0) |
         (standing.held_there ? kHeldThere : 0);
}

Error unreadable() {
  return make_error(ErrorCode::store_failed, "a stored agreement does not read");
}

Result<AgreementEntry> read_row(Statement& row) {
  AgreementEntry entry;
  auto id = AgreementId::from_bytes(row.blob(0));
  entry.signed_bytes = row.blob(1);
  auto terms = federation::read_terms(entry.signed_bytes);
  auto state = federation::agreement_state_from_text(row.text(4));
  if (!id || !terms || !state) return unreadable();
  entry.id = *id;
  entry.terms = terms->id;
  entry.value = std::move(terms->value);
  entry.previous = row.blob(2);
  entry.provides = row.integer(3) != 0;
  const std::int64_t flags = row.integer(5);
  entry.standing = {*state, (flags & kOfferedHere) != 0, (flags & kHeldHere) != 0,
                    (flags & kHeldThere) != 0};
  if (!is_possible(entry.standing)) return unreadable();
  entry.since = {row.integer(6)};
  entry.last_error = row.text(7);
  entry.reason = row.text(8);
  if (const Bytes message = row.blob(9); !message.empty()) {
    auto outbox = agreement_message_from_bytes(message);
    if (!outbox) return unreadable();
    entry.outbox = std::move(*outbox);
  }
  entry.sent = static_cast<std::uint64_t>(row.integer(10));
  entry.heard = static_cast<std::uint64_t>(row.integer(11));
  if (const Bytes hash = row.blob(12); !hash.empty()) {
    auto heard = Hash256::from_bytes(hash);
    if (!heard) return unreadable();
    entry.heard_hash = *heard;
  }
  if (const std::int64_t code = row.integer(13); code != 0) {
    Refusal refusal;
    refusal.code = code_from_number(static_cast<std::uint16_t>(code));
    refusal.subject = row.text(14);
    entry.heard_refusal = std::move(refusal);
  }
  return entry;
}

}  // namespace

// What had not arrived by the former, unnumbered messages is offered or signed anew by a person.
const char* agreement_threads_migration() {
  return "CREATE TABLE agreement_threads (id BLOB PRIMARY KEY, signed BLOB NOT NULL,"
         "  previous BLOB NOT NULL, provides INTEGER NOT NULL, state TEXT NOT NULL,"
         "  flags INTEGER NOT NULL, since INTEGER NOT NULL, last_error TEXT NOT NULL,"
         "  reason TEXT NOT NULL, message BLOB NOT NULL, sent INTEGER NOT NULL,"
         "  heard INTEGER NOT NULL, heard_hash BLOB NOT NULL, heard_code INTEGER NOT NULL,"
         "  heard_subject TEXT NOT NULL) STRICT;"
         "INSERT INTO agreement_threads SELECT id, signed, x'', provides,"
         "  CASE WHEN state = 'agreed' THEN 'proposed'"
         "       WHEN outbox = 'propose' THEN 'terminated' ELSE state END,"
         "  CASE WHEN state = 'proposed' AND provides AND outbox <> 'propose' THEN 1 ELSE 0 END,"
         "  since, last_error, reason, x'', 0, 0, x'', 0, '' FROM agreements;"
         "DROP TABLE agreements;";
}

void write_agreement_row(Database& database, const AgreementEntry& entry) {
  Statement& row = database.cached(
      "INSERT OR REPLACE INTO agreement_threads (id, signed, previous, provides, state, flags, "
      "since, last_error, reason, message, sent, heard, heard_hash, heard_code, heard_subject) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  const Bytes message = entry.outbox ? canonical_bytes(*entry.outbox) : Bytes{};
  const bool refused = entry.heard_refusal.has_value();
  row.bind(1, entry.id.view()).bind(2, ByteView(entry.signed_bytes));
  row.bind(3, ByteView(entry.previous)).bind(4, std::int64_t{entry.provides});
  row.bind(5, to_text(entry.standing.state)).bind(6, flags_of(entry.standing));
  row.bind(7, entry.since.ns).bind(8, std::string_view(entry.last_error));
  row.bind(9, std::string_view(entry.reason)).bind(10, ByteView(message));
  row.bind(11, static_cast<std::int64_t>(entry.sent));
  row.bind(12, static_cast<std::int64_t>(entry.heard)).bind(13, entry.heard_hash.view());
  row.bind(14, refused ? static_cast<std::int64_t>(entry.heard_refusal->code) : std::int64_t{0});
  row.bind(15, refused ? std::string_view(entry.heard_refusal->subject) : std::string_view());
  row.run();
}

Result<std::vector<AgreementEntry>> read_agreement_rows(Database& database) {
  std::vector<AgreementEntry> entries;
  Statement rows = database.prepare(
      "SELECT id, signed, previous, provides, state, flags, since, last_error, reason, message, "
      "sent, heard, heard_hash, heard_code, heard_subject FROM agreement_threads");
  while (rows.step()) {
    auto entry = read_row(rows);
    if (!entry) return std::move(entry).error();
    entries.push_back(std::move(*entry));
  }
  return entries;
}

}  // namespace entente::node
