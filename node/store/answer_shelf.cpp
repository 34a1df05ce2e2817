#include "node/store/answer_shelf.h"

#include "federation/ask/composition.h"
#include "federation/ask/limits.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using federation::HeldAnswer;

void keep_in(Database& database, const HeldAnswer& answer) {
  const Bytes question = canonical_bytes(answer.question);
  Statement& had = database.cached(
      "INSERT OR IGNORE INTO answers_had (organisation, site, hash, revision, cells, opens, closes,"
      " question, composed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  had.bind(1, answer.organisation.view()).bind(2, std::string_view(answer.site));
  had.bind(3, question_hash(question).view());
  had.bind(4, static_cast<std::int64_t>(answer.revision));
  // Only what may be added up is looked for by more than its hash.
  const bool additive = federation::is_additive(answer.question) && !answer.composed;
  const Hash256 cells =
      additive ? federation::cells_key(answer.question, answer.revision) : Hash256{};
  had.bind(5, additive ? cells.view() : ByteView{});
  had.bind(6, answer.question.window.from.ns).bind(7, answer.question.window.to.ns);
  had.bind(8, additive ? ByteView(question) : ByteView{})
      .bind(9, std::int64_t{answer.composed})
      .run();
  Statement& left = database.cached(
      "INSERT INTO blocks_left (organisation, domain, block, rho, issued, delta)"
      " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (organisation, domain, block) DO UPDATE"
      " SET rho = excluded.rho, issued = excluded.issued, delta = excluded.delta"
      " WHERE excluded.issued >= issued");
  for (const BlockAmount& amount : answer.left) {
    left.bind(1, answer.organisation.view()).bind(2, std::string_view(answer.domain));
    left.bind(3, amount.start.ns).bind(4, static_cast<std::int64_t>(amount.rho.units));
    left.bind(5, answer.issued.ns);
    left.bind(6, static_cast<std::int64_t>(answer.delta_left.units)).run();
  }
}

}  // namespace

const char* AnswerShelf::migration() {
  // The key's columns come first: otherwise quick_check of SQLite 3.40 takes the others for NULL.
  return "CREATE TABLE answers_had (organisation BLOB NOT NULL, site TEXT NOT NULL,"
         "  hash BLOB NOT NULL, revision INTEGER NOT NULL, composed INTEGER NOT NULL,"
         "  cells BLOB NOT NULL, opens INTEGER NOT NULL, closes INTEGER NOT NULL,"
         "  question BLOB NOT NULL,"
         "  PRIMARY KEY (organisation, site, hash, revision, composed)) STRICT, WITHOUT ROWID;"
         "CREATE INDEX answers_had_cells ON answers_had (cells, opens) WHERE cells <> x'';"
         "CREATE TABLE blocks_left (organisation BLOB NOT NULL, domain TEXT NOT NULL,"
         "  block INTEGER NOT NULL, rho INTEGER NOT NULL, issued INTEGER NOT NULL,"
         "  PRIMARY KEY (organisation, domain, block)) STRICT, WITHOUT ROWID;";
}

const char* AnswerShelf::delta_migration() {
  return "ALTER TABLE blocks_left ADD COLUMN delta INTEGER;";
}

void AnswerShelf::keep(HeldAnswer answer) {
  store_.post<int>(
      [answer = std::move(answer)](Database& database) -> Result<int> {
        keep_in(database, answer);
        return 0;
      },
      [](Result<int> kept) {
        if (!kept) log::error("ask", "an answer was not noted", {{"reason", kept.error().what}});
      });
}

bool AnswerShelf::holds(const OrgId& organisation, const std::string& site, const Hash256& question,
                        std::uint32_t revision, Way way) const {
  return reader_.with([&](Database& database) {
    Statement& row = database.cached(
        "SELECT 1 FROM answers_had WHERE organisation = ? AND site = ? AND hash = ? AND"
        " revision = ? AND composed <= ?");
    row.bind(1, organisation.view()).bind(2, std::string_view(site)).bind(3, question.view());
    row.bind(4, static_cast<std::int64_t>(revision)).bind(5, std::int64_t{way == Way::any});
    const bool known = row.step();
    row.reset();
    return known;
  });
}

std::vector<Question> AnswerShelf::alike(const OrgId& organisation, const std::string& site,
                                         const Hash256& cells, TimeWindow window) const {
  return reader_.with([&](Database& database) {
    std::vector<Question> found;
    Statement& rows = database.cached(
        "SELECT question FROM answers_had WHERE cells = ? AND cells <> x'' AND opens < ? AND"
        " closes > ? AND organisation = ? AND site = ?"
        " ORDER BY closes - opens DESC, opens, hash LIMIT ?");
    rows.bind(1, cells.view()).bind(2, window.to.ns).bind(3, window.from.ns);
    rows.bind(4, organisation.view()).bind(5, std::string_view(site));
    rows.bind(6, static_cast<std::int64_t>(federation::limits::kComposedReleases));
    while (rows.step()) {
      if (auto question = question_from_bytes(rows.blob(0))) found.push_back(std::move(*question));
    }
    rows.reset();
    return found;
  });
}

std::optional<federation::KnownLeft> AnswerShelf::left(const OrgId& organisation,
                                                       const std::string& domain,
                                                       Instant block) const {
  return reader_.with([&](Database& database) {
    Statement& row = database.cached(
        "SELECT rho, delta FROM blocks_left WHERE organisation = ? AND domain = ? AND block = ?");
    row.bind(1, organisation.view()).bind(2, std::string_view(domain)).bind(3, block.ns);
    std::optional<federation::KnownLeft> left;
    if (row.step()) {
      left.emplace();
      left->rho = {static_cast<std::uint64_t>(row.integer(0))};
      if (!row.is_null(1)) left->delta = DeltaUnits{static_cast<std::uint64_t>(row.integer(1))};
    }
    row.reset();
    return left;
  });
}

}  // namespace entente::node
