#include "node/store/system_shelf.h"

#include "node/store/audit_log.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::ReleasedValue;

constexpr const char* kColumns =
    "id, system, property, opens, closes, revision, version, released, answered, members, unit,"
    " reason, figures, coverage";

void insert(Database& database, const SystemVersion& added) {
  Statement& row = database.cached(
      "INSERT INTO system_versions (name, version, declared, text, source, actor)"
      " VALUES (?, ?, ?, ?, ?, ?)");
  row.bind(1, std::string_view(added.name)).bind(2, std::int64_t{added.version});
  row.bind(3, added.declared.ns).bind(4, std::string_view(added.text));
  row.bind(5, std::string_view(added.source)).bind(6, std::string_view(added.actor)).run();
  security::AuditRecord record;
  record.time = added.declared;
  record.actor = added.actor;
  record.action = added.text.empty() ? "system.remove" : "system.declare";
  record.object = "system:" + added.name;
  record.outcome = security::AuditOutcome::done;
  record.detail = {{"version", std::to_string(added.version)}, {"source", added.source}};
  append_audit(database, std::move(record));
}

// Nothing when it does not read.
std::optional<SystemRow> row_at(const Statement& rows) {
  SystemRow row;
  row.id = rows.integer(0);
  row.system = rows.text(1);
  row.property = rows.text(2);
  row.window = {{rows.integer(3)}, {rows.integer(4)}};
  row.revision = static_cast<std::uint32_t>(rows.integer(5));
  row.version = static_cast<std::uint32_t>(rows.integer(6));
  row.released = {rows.integer(7)};
  row.answered = static_cast<std::uint32_t>(rows.integer(8));
  row.members = static_cast<std::uint32_t>(rows.integer(9));
  row.unit = rows.text(10);
  row.reason = rows.text(11);
  row.coverage = rows.text(13);
  auto values = ReleasedValue::from_durable(rows.text(12));
  if (!values) {
    log::error("system", "a kept row does not read", {{"system", row.system}, {"row", row.id}});
    return std::nullopt;
  }
  row.values = std::move(*values);
  return row;
}

std::vector<SystemRow> all_of(Statement& rows) {
  std::vector<SystemRow> out;
  while (rows.step()) {
    if (auto row = row_at(rows)) out.push_back(std::move(*row));
  }
  rows.reset();
  return out;
}

}  // namespace

const char* SystemShelf::migration() {
  return "CREATE TABLE system_versions (name TEXT NOT NULL, version INTEGER NOT NULL,"
         "  declared INTEGER NOT NULL, text TEXT NOT NULL, source TEXT NOT NULL,"
         "  actor TEXT NOT NULL, PRIMARY KEY (name, version)) STRICT;"
         "CREATE TABLE system_values (id INTEGER PRIMARY KEY, system TEXT NOT NULL,"
         "  property TEXT NOT NULL, opens INTEGER NOT NULL, closes INTEGER NOT NULL,"
         "  revision INTEGER NOT NULL, version INTEGER NOT NULL, released INTEGER NOT NULL,"
         "  answered INTEGER NOT NULL, members INTEGER NOT NULL, unit TEXT NOT NULL,"
         "  reason TEXT NOT NULL, figures TEXT NOT NULL, coverage TEXT NOT NULL,"
         "  UNIQUE (system, property, opens, closes, revision)) STRICT;";
}

std::vector<SystemVersion> SystemShelf::versions(const std::string& name) const {
  return reader_.with([&](Database& database) {
    Statement& rows = database.cached(
        "SELECT name, version, declared, text, source, actor FROM system_versions"
        " WHERE ?1 = '' OR name = ?1 ORDER BY name, version");
    rows.bind(1, std::string_view(name));
    std::vector<SystemVersion> out;
    while (rows.step()) {
      out.push_back({rows.text(0),
                     static_cast<std::uint32_t>(rows.integer(1)),
                     {rows.integer(2)},
                     rows.text(3),
                     rows.text(4),
                     rows.text(5)});
    }
    rows.reset();
    return out;
  });
}

Outcome SystemShelf::declare_at_start(const std::vector<SystemVersion>& added) {
  auto done = store_.run<int>([&added](Database& database) -> Result<int> {
    for (const SystemVersion& one : added) insert(database, one);
    return 0;
  });
  return done ? Outcome{} : Outcome(std::move(done).error());
}

void SystemShelf::declare(SystemVersion added, std::function<void(Outcome)> done) {
  store_.post<int>(
      [added = std::move(added)](Database& database) -> Result<int> {
        insert(database, added);
        return 0;
      },
      [done = std::move(done)](Result<int> kept) {
        done(kept ? Outcome{} : Outcome(std::move(kept).error()));
      });
}

void SystemShelf::keep(SystemRow row, std::function<void(Result<std::int64_t>)> done) {
  store_.post<std::int64_t>(
      [row = std::move(row)](Database& database) -> Result<std::int64_t> {
        Statement& into = database.cached(
            "INSERT INTO system_values (system, property, opens, closes, revision, version,"
            " released, answered, members, unit, reason, figures, coverage)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
        into.bind(1, std::string_view(row.system)).bind(2, std::string_view(row.property));
        into.bind(3, row.window.from.ns).bind(4, row.window.to.ns);
        into.bind(5, std::int64_t{row.revision}).bind(6, std::int64_t{row.version});
        into.bind(7, row.released.ns).bind(8, std::int64_t{row.answered});
        into.bind(9, std::int64_t{row.members}).bind(10, std::string_view(row.unit));
        into.bind(11, std::string_view(row.reason));
        into.bind(12, std::string_view(ReleasedValue::durable(row.values)));
        into.bind(13, std::string_view(row.coverage)).run();
        Statement& number = database.cached("SELECT last_insert_rowid()");
        number.step();
        const std::int64_t id = number.integer(0);
        number.reset();
        return id;
      },
      std::move(done));
}

std::vector<SystemRow> SystemShelf::latest(const std::string& system) const {
  return reader_.with([&](Database& database) {
    Statement& rows = database.cached(
        std::string("SELECT ") + kColumns +
        " FROM system_values AS one WHERE (?1 = '' OR one.system = ?1) AND NOT EXISTS"
        " (SELECT 1 FROM system_values AS other"
        "  WHERE other.system = one.system AND other.property = one.property"
        "  AND (other.closes, other.revision) > (one.closes, one.revision))"
        " ORDER BY system, property");
    rows.bind(1, std::string_view(system));
    return all_of(rows);
  });
}

std::vector<SystemRow> SystemShelf::open_since(Instant since) const {
  return reader_.with([&](Database& database) {
    Statement& rows = database.cached(
        std::string("SELECT ") + kColumns +
        " FROM system_values AS one WHERE (answered < members OR reason <> '')"
        " AND NOT EXISTS (SELECT 1 FROM system_values AS later"
        "  WHERE later.system = one.system AND later.property = one.property"
        "  AND later.opens = one.opens AND later.closes = one.closes"
        "  AND later.revision > one.revision)"
        " AND EXISTS (SELECT 1 FROM system_values AS first"
        "  WHERE first.system = one.system AND first.property = one.property"
        "  AND first.opens = one.opens AND first.closes = one.closes AND first.revision = 0"
        "  AND first.released > ?) ORDER BY id");
    rows.bind(1, since.ns);
    return all_of(rows);
  });
}

std::optional<Instant> SystemShelf::first_released(const SystemRow& row) const {
  return reader_.with([&](Database& database) -> std::optional<Instant> {
    Statement& first = database.cached(
        "SELECT released FROM system_values WHERE system = ? AND property = ? AND opens = ?"
        " AND closes = ? AND revision = 0");
    first.bind(1, std::string_view(row.system)).bind(2, std::string_view(row.property));
    first.bind(3, row.window.from.ns).bind(4, row.window.to.ns);
    std::optional<Instant> at;
    if (first.step()) at = Instant{first.integer(0)};
    first.reset();
    return at;
  });
}

std::vector<SystemRow> SystemShelf::rows(const std::string& system, const Page& page) const {
  return reader_.with([&](Database& database) {
    const std::string select = std::string("SELECT ") + kColumns +
                               " FROM system_values WHERE system = ?1 AND"
                               " (?2 = '' OR property = ?2) AND ";
    Statement& rows =
        database.cached(page.after ? select + "id > ?3 ORDER BY id LIMIT ?4"
                                   : select + "(?3 = 0 OR id < ?3) ORDER BY id DESC LIMIT ?4");
    rows.bind(1, std::string_view(system)).bind(2, std::string_view(page.property));
    rows.bind(3, page.after.value_or(page.before));
    rows.bind(4, static_cast<std::int64_t>(page.limit));
    return all_of(rows);
  });
}

std::vector<SystemRow> SystemShelf::series(const std::string& system, const std::string& property,
                                           TimeWindow within) const {
  return reader_.with([&](Database& database) {
    Statement& rows = database.cached(
        std::string("SELECT ") + kColumns +
        " FROM system_values AS one WHERE system = ? AND property = ? AND opens >= ?"
        " AND closes <= ? AND NOT EXISTS (SELECT 1 FROM system_values AS later"
        "  WHERE later.system = one.system AND later.property = one.property"
        "  AND later.opens = one.opens AND later.closes = one.closes"
        "  AND later.revision > one.revision) ORDER BY opens, closes");
    rows.bind(1, std::string_view(system)).bind(2, std::string_view(property));
    rows.bind(3, within.from.ns).bind(4, within.to.ns);
    return all_of(rows);
  });
}

}  // namespace entente::node
