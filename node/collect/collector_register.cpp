#include "node/collect/collector_register.h"

#include <algorithm>

#include "node/limits.h"
#include "node/store/audit_log.h"

namespace entente::node {
namespace {

Error refused(const std::string& name, const char* why) {
  return make_error(ErrorCode::certificate_refused, "the collector '" + name + "' " + why,
                    "enrol it with 'entente collector add'");
}

void write_row(Database& database, const CollectorEntry& entry) {
  Statement& row = database.cached(
      "INSERT INTO collectors (name, leaf_key, batch_key, since, expires, revoked) "
      "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET leaf_key = excluded.leaf_key, "
      "batch_key = excluded.batch_key, since = excluded.since, expires = excluded.expires, "
      "revoked = excluded.revoked");
  row.bind(1, std::string_view(entry.name)).bind(2, entry.leaf_key.view());
  row.bind(3, entry.batch_key.view()).bind(4, entry.since.ns).bind(5, entry.expires.ns);
  row.bind(6, std::int64_t{entry.revoked}).run();
}

}  // namespace

const char* CollectorRegister::migration() {
  return "CREATE TABLE collectors (name TEXT PRIMARY KEY, leaf_key BLOB NOT NULL,"
         "  batch_key BLOB NOT NULL, since INTEGER NOT NULL, expires INTEGER NOT NULL,"
         "  revoked INTEGER NOT NULL) STRICT;";
}

Outcome CollectorRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows =
      reader->prepare("SELECT name, leaf_key, batch_key, since, expires, revoked FROM collectors");
  while (rows.step()) {
    CollectorEntry entry;
    entry.name = rows.text(0);
    auto leaf = Hash256::from_bytes(rows.blob(1));
    auto batch = PublicKey::from_bytes(rows.blob(2));
    if (!leaf || !batch) {
      return make_error(ErrorCode::store_failed, "a stored collector does not read");
    }
    entry.leaf_key = *leaf;
    entry.batch_key = *batch;
    entry.since = {rows.integer(3)};
    entry.expires = {rows.integer(4)};
    entry.revoked = rows.integer(5) != 0;
    entries_.emplace(entry.name, std::move(entry));
  }
  return {};
}

void CollectorRegister::save(const std::string& actor, CollectorEntry entry, const char* action,
                             Reply reply) {
  const std::string name = entry.name;
  if (!saving_.insert(name).second) {
    return reply(
        make_error(ErrorCode::overloaded, "another change of this collector is being saved"));
  }
  entry.since = parts_.clock.now();
  parts_.store.post<CollectorEntry>(
      [actor, entry, action = std::string(action)](Database& database) -> Result<CollectorEntry> {
        write_row(database, entry);
        security::AuditRecord record;
        record.time = entry.since;
        record.actor = actor;
        record.action = action;
        record.object = "collector:" + entry.name;
        record.outcome = security::AuditOutcome::done;
        record.detail = {{"batch_key", entry.batch_key.hex()}, {"leaf_key", entry.leaf_key.hex()}};
        append_audit(database, std::move(record));
        return entry;
      },
      [this, name, reply = std::move(reply)](Result<CollectorEntry> saved) {
        saving_.erase(name);
        if (saved) {
          entries_[name] = *saved;
          parts_.changed();
        }
        reply(std::move(saved));
      });
}

void CollectorRegister::enrol(const std::string& actor, CollectorEntry entry, Reply reply) {
  if (!entries_.contains(entry.name) && entries_.size() >= limits::kCollectors) {
    return reply(make_error(ErrorCode::overloaded, "there are 10000 collectors already",
                            "use a name that exists"));
  }
  entry.revoked = false;
  save(actor, std::move(entry), "collector.enrol", std::move(reply));
}

void CollectorRegister::revoke(const std::string& actor, const std::string& name, Reply reply) {
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    return reply(make_error(ErrorCode::not_found, "no collector named '" + name + "'",
                            "see 'entente collector list'"));
  }
  if (found->second.revoked) {
    return reply(make_error(ErrorCode::conflict, "the collector '" + name + "' is revoked"));
  }
  CollectorEntry entry = found->second;
  entry.revoked = true;
  save(actor, std::move(entry), "collector.revoke", std::move(reply));
}

Result<PublicKey> CollectorRegister::admit(const security::PeerIdentity& peer, Instant now) const {
  const auto found = entries_.find(peer.site);
  if (found == entries_.end()) return refused(peer.site, "is not enrolled");
  const CollectorEntry& entry = found->second;
  if (entry.revoked) return refused(peer.site, "was revoked");
  if (entry.leaf_key != peer.leaf_key) return refused(peer.site, "was enrolled anew since");
  if (now >= peer.certificate_expires) return refused(peer.site, "has an expired certificate");
  return entry.batch_key;
}

bool CollectorRegister::any_active(Instant now) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& each) {
    return !each.second.revoked && now < each.second.expires;
  });
}

}  // namespace entente::node
