#include "node/daemon/link_register.h"

#include <algorithm>

#include "node/store/audit_log.h"
#include "node/store/checkpoint_shelf.h"

namespace entente::node {
namespace {

constexpr LinkState kStates[] = {LinkState::pending, LinkState::active, LinkState::suspended,
                                 LinkState::revoked};

std::string joined(const std::vector<std::string>& addresses) {
  std::string text;
  for (const std::string& address : addresses) text += (text.empty() ? "" : " ") + address;
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

void write_row(Database& database, const LinkEntry& entry) {
  Statement& row = database.cached(
      "INSERT INTO links (org, name, title, site, addresses, state, our_turn, since, last_error, "
      "dials, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org) DO UPDATE SET "
      "name = excluded.name, title = excluded.title, site = excluded.site, "
      "addresses = excluded.addresses, state = excluded.state, our_turn = excluded.our_turn, "
      "since = excluded.since, last_error = excluded.last_error, dials = excluded.dials, "
      "words = excluded.words");
  const std::string addresses = joined(entry.addresses);
  row.bind(1, entry.organisation.view()).bind(2, std::string_view(entry.name));
  row.bind(3, std::string_view(entry.title)).bind(4, std::string_view(entry.site));
  row.bind(5, std::string_view(addresses)).bind(6, to_text(entry.state));
  row.bind(7, std::int64_t{entry.our_turn}).bind(8, entry.since.ns);
  row.bind(9, std::string_view(entry.last_error)).bind(10, std::int64_t{entry.dials});
  row.bind(11, std::string_view(entry.words)).run();
  Statement& charter = database.cached(
      "INSERT OR REPLACE INTO partner_charters (org, version, signed) VALUES (?, ?, ?)");
  for (std::size_t i = 0; i < entry.chain.size(); ++i) {
    const Bytes bytes = to_wire_bytes(entry.chain[i]);
    charter.bind(1, entry.organisation.view()).bind(2, static_cast<std::int64_t>(i + 1));
    charter.bind(3, ByteView(bytes)).run();
  }
}

}  // namespace

std::string_view to_text(LinkState state) {
  switch (state) {
    case LinkState::pending:
      return "pending";
    case LinkState::active:
      return "active";
    case LinkState::suspended:
      return "suspended";
    case LinkState::revoked:
      return "revoked";
  }
  return "revoked";
}

const char* LinkRegister::migration() {
  return "CREATE TABLE links (org BLOB PRIMARY KEY, name TEXT NOT NULL, title TEXT NOT NULL,"
         "  site TEXT NOT NULL, addresses TEXT NOT NULL, state TEXT NOT NULL,"
         "  our_turn INTEGER NOT NULL, since INTEGER NOT NULL, last_error TEXT NOT NULL,"
         "  dials INTEGER NOT NULL, words TEXT NOT NULL) STRICT;"
         "CREATE TABLE partner_charters (org BLOB NOT NULL, version INTEGER NOT NULL,"
         "  signed BLOB NOT NULL, PRIMARY KEY (org, version)) STRICT;";
}

Outcome LinkRegister::load() {
  auto reader = parts_.store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT org, name, title, site, addresses, state, our_turn, since, last_error, dials, words "
      "FROM links");
  Statement charters =
      reader->prepare("SELECT signed FROM partner_charters WHERE org = ? ORDER BY version");
  while (rows.step()) {
    LinkEntry entry;
    auto organisation = OrgId::from_bytes(rows.blob(0));
    if (!organisation) return std::move(organisation).error();
    entry.organisation = *organisation;
    entry.name = rows.text(1);
    entry.title = rows.text(2);
    entry.site = rows.text(3);
    entry.addresses = split(rows.text(4));
    const std::string state = rows.text(5);
    const auto known = std::find_if(std::begin(kStates), std::end(kStates),
                                    [&](LinkState s) { return to_text(s) == state; });
    if (known == std::end(kStates)) {
      return make_error(ErrorCode::store_failed, "a stored link does not read");
    }
    entry.state = *known;
    entry.our_turn = rows.integer(6) != 0;
    entry.since = {rows.integer(7)};
    entry.last_error = rows.text(8);
    entry.dials = rows.integer(9) != 0;
    entry.words = rows.text(10);
    charters.bind(1, entry.organisation.view());
    while (charters.step()) {
      auto charter = signed_charter_from_bytes(charters.blob(0));
      if (!charter) return std::move(charter).error();
      entry.chain.push_back(std::move(*charter));
    }
    charters.reset();
    entries_.emplace(entry.organisation, std::move(entry));
  }
  return load_trust(*reader);
}

const LinkEntry* LinkRegister::named(std::string_view name) const {
  const LinkEntry* found = nullptr;
  for (const auto& [org, entry] : entries_) {
    if (entry.name == name && (found == nullptr || entry.state != LinkState::revoked))
      found = &entry;
  }
  return found;
}

bool LinkRegister::name_taken(std::string_view name) const {
  const LinkEntry* entry = named(name);
  return entry != nullptr && entry->state != LinkState::revoked;
}

security::PinnedOrganisations LinkRegister::pinned() const {
  security::PinnedOrganisations pinned;
  for (const auto& [org, entry] : entries_) {
    if (entry.state != LinkState::active) continue;
    auto organisation = security::PinnedOrganisation::from_chain(entry.chain);
    if (organisation && organisation->id() == org) pinned.emplace(org, std::move(*organisation));
  }
  return pinned;
}

void LinkRegister::save(const std::string& actor, LinkEntry entry, std::string action,
                        Reply reply) {
  const OrgId organisation = entry.organisation;
  if (!saving_.insert(organisation).second) {
    return reply(make_error(ErrorCode::overloaded, "another change of this link is being saved"));
  }
  const Instant now = parts_.clock.now();
  parts_.store.post<LinkEntry>(
      [actor, entry = std::move(entry), action = std::move(action),
       now](Database& database) -> Result<LinkEntry> {
        write_row(database, entry);
        security::AuditRecord record;
        record.time = now;
        record.actor = actor;
        record.action = action;
        record.object = "link:" + entry.organisation.hex();
        record.outcome = security::AuditOutcome::done;
        record.detail = {{"charter", std::to_string(entry.chain.size())},
                         {"name", entry.name},
                         {"state", std::string(to_text(entry.state))}};
        append_audit(database, std::move(record));
        if (action == "link.resume") settle_conflicts(database, entry.organisation);
        return entry;
      },
      [this, organisation, reply = std::move(reply)](Result<LinkEntry> saved) {
        saving_.erase(organisation);
        if (saved) {
          // What was heard while it was being saved.
          const LinkEntry& before = entries_[organisation];
          saved->heard = std::max(saved->heard, before.heard);
          saved->told = std::max(saved->told, before.told);
          entries_[organisation] = *saved;
          save_status(*saved);
          parts_.changed();
        }
        reply(std::move(saved));
      });
}

void LinkRegister::freeze(const OrgId& organisation, const std::string& why, Reply reply) {
  const auto found = entries_.find(organisation);
  if (found == entries_.end() || found->second.state != LinkState::active) {
    return reply(make_error(ErrorCode::conflict, "the link is not active"));
  }
  LinkEntry next = found->second;
  next.state = LinkState::suspended;
  next.our_turn = true;
  next.since = parts_.clock.now();
  next.last_error = why;
  save("node", std::move(next), "link.freeze", std::move(reply));
}

void LinkRegister::add(const std::string& actor, LinkEntry entry, Reply reply) {
  const auto known = entries_.find(entry.organisation);
  if (known != entries_.end() && known->second.state != LinkState::revoked) {
    return reply(
        make_error(ErrorCode::conflict,
                   "there is a link with this organisation already, '" + known->second.name + "'",
                   "revoke it first if it should be made anew"));
  }
  if (name_taken(entry.name)) {
    return reply(
        make_error(ErrorCode::conflict, "the name '" + entry.name + "' is taken by another link"));
  }
  if (auto continues = check_continues(entry); !continues) {
    return reply(std::move(continues).error());
  }
  entry.since = entry.heard = parts_.clock.now();
  save(actor, std::move(entry), "link.enrol", std::move(reply));
}

void LinkRegister::confirm(const std::string& actor, const std::string& name,
                           const std::optional<std::string>& words, Reply reply) {
  const LinkEntry* entry = named(name);
  if (entry == nullptr)
    return reply(make_error(ErrorCode::not_found, "no link named '" + name + "'"));
  if (words && *words != entry->words) {
    return reply(make_error(
        ErrorCode::verification_failed, "the words differ from those of this link's enrolment",
        "if your partner reads other words, somebody sits between you: revoke"));
  }
  move(actor, name, "link.confirm", {LinkState::pending}, LinkState::active, std::move(reply));
}

void LinkRegister::suspend(const std::string& actor, const std::string& name, Reply reply) {
  move(actor, name, "link.suspend", {LinkState::active}, LinkState::suspended, std::move(reply));
}

void LinkRegister::resume(const std::string& actor, const std::string& name, Reply reply) {
  move(actor, name, "link.resume", {LinkState::suspended}, LinkState::active, std::move(reply));
}

void LinkRegister::revoke(const std::string& actor, const std::string& name, Reply reply) {
  move(actor, name, "link.revoke", {LinkState::pending, LinkState::active, LinkState::suspended},
       LinkState::revoked, std::move(reply));
}

void LinkRegister::move(const std::string& actor, const std::string& name,
                        const std::string& action, std::set<LinkState> from, LinkState to,
                        Reply reply) {
  const LinkEntry* entry = named(name);
  if (entry == nullptr)
    return reply(make_error(ErrorCode::not_found, "no link named '" + name + "'"));
  if (!from.contains(entry->state)) {
    return reply(make_error(ErrorCode::conflict,
                            "the link '" + name + "' is " + std::string(to_text(entry->state))));
  }
  LinkEntry next = *entry;
  next.state = to;
  next.our_turn = false;
  next.since = parts_.clock.now();
  next.last_error.clear();
  save(actor, std::move(next), action, std::move(reply));
}

}  // namespace entente::node
