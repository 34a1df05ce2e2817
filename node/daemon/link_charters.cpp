// What partners show of their charters, and what is kept of it.
#include <algorithm>

#include "node/daemon/limits.h"
#include "node/daemon/link_register.h"
#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using security::Advance;
using security::PinnedOrganisation;

void write_conflict(Database& database, const CharterConflict& conflict) {
  Statement& row = database.cached(
      "INSERT OR IGNORE INTO charter_conflict (org, version, time, pinned, shown) "
      "VALUES (?, ?, ?, ?, ?)");
  const Bytes pinned = to_wire_bytes(conflict.pinned), shown = to_wire_bytes(conflict.shown);
  row.bind(1, conflict.organisation.view()).bind(2, std::int64_t{conflict.version});
  row.bind(3, conflict.time.ns).bind(4, ByteView(pinned)).bind(5, ByteView(shown)).run();
}

security::AuditRecord conflict_record(const CharterConflict& conflict, const std::string& why) {
  security::AuditRecord record;
  record.time = conflict.time;
  record.actor = "organisation:" + conflict.organisation.hex();
  record.action = "charter.conflict";
  record.object = "link:" + conflict.organisation.hex();
  record.outcome = security::AuditOutcome::refused;
  record.detail = {{"pinned", charter_hash(conflict.pinned.charter).hex()},
                   {"reason", why},
                   {"shown", charter_hash(conflict.shown.charter).hex()},
                   {"version", std::to_string(conflict.version)}};
  return record;
}

}  // namespace

const char* LinkRegister::trust_migration() {
  return "CREATE TABLE link_status (org BLOB PRIMARY KEY, heard INTEGER NOT NULL,"
         "  told INTEGER NOT NULL) STRICT;"
         "CREATE TABLE charter_conflict (org BLOB NOT NULL, version INTEGER NOT NULL,"
         "  time INTEGER NOT NULL, pinned BLOB NOT NULL, shown BLOB NOT NULL,"
         "  PRIMARY KEY (org, version)) STRICT;"
         "CREATE TABLE invitation (id BLOB PRIMARY KEY, name TEXT NOT NULL, secret BLOB NOT NULL,"
         "  created INTEGER NOT NULL, expires INTEGER NOT NULL, wrong_proofs INTEGER NOT NULL,"
         "  port INTEGER NOT NULL, made_by TEXT NOT NULL) STRICT;";
}

Outcome LinkRegister::load_trust(Database& reader) {
  Statement status = reader.prepare("SELECT org, heard, told FROM link_status");
  // A link of before this was kept is as fresh as this start.
  for (auto& [org, entry] : entries_) entry.heard = parts_.clock.now();
  while (status.step()) {
    const auto org = OrgId::from_bytes(status.blob(0));
    const auto entry = org ? entries_.find(*org) : entries_.end();
    if (entry == entries_.end()) continue;
    entry->second.heard = {status.integer(1)};
    entry->second.told = static_cast<std::uint32_t>(status.integer(2));
    status_saved_[*org] = entry->second.heard;
  }
  Statement rows = reader.prepare(
      "SELECT org, version, time, pinned, shown FROM charter_conflict ORDER BY time");
  while (rows.step()) {
    auto org = OrgId::from_bytes(rows.blob(0));
    auto pinned = signed_charter_from_bytes(rows.blob(3));
    auto shown = signed_charter_from_bytes(rows.blob(4));
    if (!org || !pinned || !shown) {
      return make_error(ErrorCode::store_failed, "a kept conflict of charters does not read");
    }
    conflicts_.push_back({*org,
                          static_cast<std::uint32_t>(rows.integer(1)),
                          {rows.integer(2)},
                          std::move(*pinned),
                          std::move(*shown)});
  }
  return {};
}

// Whether an organisation that enrols anew goes on from where it was pinned before.
Outcome LinkRegister::check_continues(const LinkEntry& entry) const {
  const auto known = entries_.find(entry.organisation);
  if (known == entries_.end()) return {};
  auto pinned = PinnedOrganisation::from_chain(known->second.chain);
  if (!pinned) return std::move(pinned).error();
  for (std::size_t i = 0; i < std::min(entry.chain.size(), pinned->chain().size()); ++i) {
    if (entry.chain[i].charter == pinned->chain()[i].charter) continue;
    return make_error(ErrorCode::conflict,
                      "the charter with number " + std::to_string(i + 1) +
                          " is another than the one pinned before",
                      "ask the partner's administrator by another channel");
  }
  if (entry.chain.size() < pinned->chain().size()) {
    return make_error(ErrorCode::stale, "the partner shows charter version " +
                                            std::to_string(entry.chain.size()) + ", but version " +
                                            std::to_string(pinned->chain().size()) +
                                            " was pinned before");
  }
  return {};
}

void LinkRegister::take_charters(const OrgId& organisation, std::vector<SignedCharter> shown,
                                 Pinned pinned) {
  const auto found = entries_.find(organisation);
  if (found == entries_.end() || found->second.state != LinkState::active) {
    return pinned(make_error(ErrorCode::link_not_active, "there is no active link"));
  }
  LinkEntry& entry = found->second;
  auto known = PinnedOrganisation::from_chain(entry.chain);
  if (!known) return pinned(std::move(known).error());
  const std::uint32_t before = known->current().version;
  bool current_shown = false;
  for (const SignedCharter& one : shown) {
    auto advanced = known->advance(one);
    if (advanced) {
      current_shown = true;
      continue;
    }
    if (advanced.error().code == ErrorCode::conflict) {
      return in_conflict(entry, one, advanced.error(), std::move(pinned));
    }
    if (advanced.error().code != ErrorCode::stale) return pinned(std::move(advanced).error());
  }
  if (!current_shown) {
    return pinned(make_error(ErrorCode::stale,
                             "the partner shows an older charter than version " +
                                 std::to_string(before) + ", which is pinned",
                             "it was restored from a backup, or somebody uses its old keys"));
  }
  heard(entry);
  const std::uint32_t now = known->current().version;
  if (now == before) return pinned(now);
  LinkEntry next = entry;
  next.chain = known->chain();
  save("organisation:" + organisation.hex(), std::move(next), "link.charter",
       [pinned = std::move(pinned), now](Result<LinkEntry> saved) {
         if (!saved) return pinned(std::move(saved).error());
         pinned(now);
       });
}

void LinkRegister::in_conflict(const LinkEntry& entry, const SignedCharter& shown, const Error& why,
                               Pinned pinned) {
  const auto charter = charter_from_bytes(shown.charter);
  const std::uint32_t version = charter ? charter->version : 0;
  CharterConflict conflict{entry.organisation, version, parts_.clock.now(),
                           version == 0 ? SignedCharter{} : entry.chain[version - 1], shown};
  log::error("identity", "two charters carry one number: the link freezes",
             {{"partner", entry.organisation.short_hex()}, {"version", version}});
  parts_.store.post<int>(
      [conflict, reason = why.what](Database& database) -> Result<int> {
        write_conflict(database, conflict);
        append_audit(database, conflict_record(conflict, reason));
        return 0;
      },
      [this, conflict, why, pinned = std::move(pinned)](Result<int> kept) {
        if (!kept) return pinned(std::move(kept).error());
        const bool fresh = std::none_of(conflicts_.begin(), conflicts_.end(), [&](const auto& one) {
          return one.organisation == conflict.organisation && one.version == conflict.version;
        });
        if (fresh) conflicts_.push_back(conflict);
        freeze(conflict.organisation, why.what, [pinned, why](Result<LinkEntry> frozen) {
          if (!frozen) log::warn("identity", "not frozen", {{"reason", frozen.error().what}});
          pinned(why);
        });
      });
}

void LinkRegister::heard(LinkEntry& entry) {
  entry.heard = parts_.clock.now();
  save_status(entry);
}

void LinkRegister::told(const OrgId& organisation, std::uint32_t version) {
  const auto found = entries_.find(organisation);
  if (found == entries_.end() || found->second.told == version) return;
  found->second.told = version;
  status_saved_.erase(organisation);
  save_status(found->second);
}

void LinkRegister::save_status(const LinkEntry& entry) {
  const auto saved = status_saved_.find(entry.organisation);
  if (saved != status_saved_.end() && entry.heard < saved->second + limits::kStatusSaved &&
      entry.heard >= saved->second) {
    return;
  }
  status_saved_[entry.organisation] = entry.heard;
  parts_.store.post<int>(
      [org = entry.organisation, heard = entry.heard,
       told = entry.told](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "INSERT OR REPLACE INTO link_status (org, heard, told) VALUES (?, ?, ?)");
        row.bind(1, org.view()).bind(2, heard.ns).bind(3, std::int64_t{told}).run();
        return 0;
      },
      [](Result<int> kept) {
        if (!kept) log::warn("link", "a status was not kept", {{"reason", kept.error().what}});
      });
}

}  // namespace entente::node
