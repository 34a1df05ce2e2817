#include "node/daemon/question_counts.h"

#include "schemas/base/log.h"

namespace entente::node {
namespace {

constexpr Duration kKept = hours(25);

void write_count(Store& store, const AgreementId& id, Instant minute) {
  store.post<int>(
      [id, minute](Database& database) -> Result<int> {
        database.cached("DELETE FROM question_counts WHERE minute < ?")
            .bind(1, (minute - kKept).ns)
            .run();
        database
            .cached(
                "INSERT INTO question_counts (agreement, minute, questions) VALUES (?, ?, 1) "
                "ON CONFLICT (agreement, minute) DO UPDATE SET questions = questions + 1")
            .bind(1, id.view())
            .bind(2, minute.ns)
            .run();
        return 0;
      },
      [](Result<int> done) {
        if (!done) log::warn("gate", "a count was lost", {{"reason", done.error().what}});
      });
}

}  // namespace

const char* question_counts_migration() {
  return "CREATE TABLE question_counts (agreement BLOB NOT NULL, minute INTEGER NOT NULL,"
         "  questions INTEGER NOT NULL, PRIMARY KEY (agreement, minute)) STRICT, WITHOUT ROWID;";
}

Result<std::shared_ptr<federation::QuestionRates>> open_question_counts(Store& store, Instant now) {
  auto rates = std::make_shared<federation::QuestionRates>(
      [&store](const AgreementId& id, Instant minute) { write_count(store, id, minute); });
  auto reader = store.reader();
  if (!reader) return std::move(reader).error();
  Statement rows =
      reader->prepare("SELECT agreement, minute, questions FROM question_counts WHERE minute >= ?");
  rows.bind(1, (now - kKept).ns);
  while (rows.step()) {
    auto id = AgreementId::from_bytes(rows.blob(0));
    if (!id) return make_error(ErrorCode::store_failed, "a stored count does not read");
    rates->restore(*id, {rows.integer(1)}, static_cast<std::uint32_t>(rows.integer(2)));
  }
  return rates;
}

}  // namespace entente::node
