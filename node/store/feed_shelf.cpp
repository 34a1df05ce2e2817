#include "node/store/feed_shelf.h"

#include "schemas/base/log.h"

namespace entente::node {
namespace {

Outcome unreadable() {
  return make_error(ErrorCode::store_failed, "a followed feed does not read");
}

}  // namespace

const char* FeedShelf::migration() {
  return "CREATE TABLE followed (id BLOB PRIMARY KEY, organisation BLOB NOT NULL,"
         "  agreement_id BLOB NOT NULL, agreement BLOB NOT NULL, question TEXT NOT NULL,"
         "  purpose TEXT NOT NULL, terms BLOB NOT NULL, started INTEGER NOT NULL,"
         "  ticks INTEGER NOT NULL, next INTEGER NOT NULL DEFAULT 0,"
         "  ended INTEGER NOT NULL DEFAULT 0) STRICT;"
         "CREATE TABLE followed_ticks (feed BLOB NOT NULL, sequence INTEGER NOT NULL,"
         "  revision INTEGER NOT NULL, release BLOB NOT NULL, received INTEGER NOT NULL,"
         "  PRIMARY KEY (feed, sequence, revision)) STRICT;";
}

Outcome FeedShelf::load() {
  auto reader = store_.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare(
      "SELECT id, organisation, agreement_id, agreement, question, purpose, terms, started, ticks, "
      "next, ended FROM followed");
  while (rows.step()) {
    const auto id = QueryId::from_bytes(rows.blob(0));
    const auto organisation = OrgId::from_bytes(rows.blob(1));
    const auto agreement = AgreementId::from_bytes(rows.blob(2));
    if (!id || !organisation || !agreement) return unreadable();
    FollowedFeed feed;
    feed.id = *id;
    feed.organisation = *organisation;
    feed.agreement_id = *agreement;
    feed.agreement = rows.blob(3);
    feed.question = rows.text(4);
    feed.purpose = rows.text(5);
    feed.terms = rows.blob(6);
    feed.started = {rows.integer(7)};
    feed.ticks = static_cast<std::uint32_t>(rows.integer(8));
    feed.next = static_cast<std::uint32_t>(rows.integer(9));
    if (rows.integer(10) != 0) {
      feed.ended = code_from_number(static_cast<std::uint16_t>(rows.integer(10)));
    }
    entries_.emplace(feed.id, std::move(feed));
  }
  return {};
}

Result<const FollowedFeed*> FeedShelf::named(const std::string& digits) const {
  const FollowedFeed* found = nullptr;
  for (const auto& [id, feed] : entries_) {
    if (digits.empty() || !id.hex().starts_with(digits)) continue;
    if (found != nullptr) {
      return make_error(ErrorCode::conflict, "'" + digits + "' fits several feeds",
                        "give more of the id");
    }
    found = &feed;
  }
  if (found == nullptr) {
    return make_error(ErrorCode::not_found, "this site follows no feed '" + digits + "'",
                      "see 'entente feed list'");
  }
  return found;
}

void FeedShelf::add(FollowedFeed feed, std::function<void(Outcome)> done) {
  store_.post<int>(
      [feed](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "INSERT INTO followed (id, organisation, agreement_id, agreement, question, purpose, "
            "terms, started, ticks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
        row.bind(1, feed.id.view()).bind(2, feed.organisation.view());
        row.bind(3, feed.agreement_id.view()).bind(4, ByteView(feed.agreement));
        row.bind(5, std::string_view(feed.question)).bind(6, std::string_view(feed.purpose));
        row.bind(7, ByteView(feed.terms)).bind(8, feed.started.ns);
        row.bind(9, static_cast<std::int64_t>(feed.ticks)).run();
        return 0;
      },
      [this, feed, done = std::move(done)](Result<int> added) {
        if (added) entries_.emplace(feed.id, feed);
        done(added ? Outcome() : Outcome(added.error()));
      });
}

void FeedShelf::remove(const QueryId& id) {
  entries_.erase(id);
  store_.post<int>(
      [id](Database& database) -> Result<int> {
        Statement& row = database.cached("DELETE FROM followed WHERE id = ?");
        row.bind(1, id.view()).run();
        return 0;
      },
      [](Result<int> gone) {
        if (!gone)
          log::error("feed", "a refused feed stays listed", {{"reason", gone.error().what}});
      });
}

void FeedShelf::keep(const QueryId& id, std::uint32_t sequence, FollowedTick tick,
                     std::function<void(Outcome)> done) {
  store_.post<int>(
      [id, sequence, tick = std::move(tick)](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "INSERT INTO followed_ticks (feed, sequence, revision, release, received) "
            "VALUES (?, ?, 0, ?, ?)");
        row.bind(1, id.view()).bind(2, static_cast<std::int64_t>(sequence));
        row.bind(3, ByteView(tick.release)).bind(4, tick.received.ns).run();
        Statement& next = database.cached("UPDATE followed SET next = ? WHERE id = ?");
        next.bind(1, static_cast<std::int64_t>(sequence) + 1).bind(2, id.view()).run();
        return 0;
      },
      [this, id, sequence, done = std::move(done)](Result<int> kept) {
        const auto found = entries_.find(id);
        if (kept && found != entries_.end()) found->second.next = sequence + 1;
        done(kept ? Outcome() : Outcome(kept.error()));
      });
}

void FeedShelf::end(const QueryId& id, ErrorCode why) {
  const auto found = entries_.find(id);
  if (found == entries_.end() || !found->second.running()) return;
  found->second.ended = why;
  store_.post<int>(
      [id, why](Database& database) -> Result<int> {
        Statement& row = database.cached("UPDATE followed SET ended = ? WHERE id = ?");
        row.bind(1, static_cast<std::int64_t>(why)).bind(2, id.view()).run();
        return 0;
      },
      [](Result<int> kept) {
        if (!kept) log::error("feed", "an end was not kept", {{"reason", kept.error().what}});
      });
}

std::vector<FollowedTick> FeedShelf::ticks(const QueryId& id) const {
  auto reader = store_.reader();
  if (!reader) throw StoreFault(reader.error().what, 0);
  Statement rows = reader->prepare(
      "SELECT release, received FROM followed_ticks WHERE feed = ? AND revision = 0 "
      "ORDER BY sequence");
  rows.bind(1, id.view());
  std::vector<FollowedTick> out;
  while (rows.step()) out.push_back({rows.blob(0), {rows.integer(1)}});
  return out;
}

}  // namespace entente::node
