#include "node/store/audit_log.h"

#include <doctest/doctest.h>

#include "node/store/checkpoint_shelf.h"
#include "schemas/base/random.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;

namespace {

// A log in a file of its own, as the node writes it.
struct Log {
  test::TemporaryFolder folder;
  Database database = open();

  Database open() const {
    auto opened = Database::open(folder / "entente.db", Database::Mode::read_write);
    REQUIRE(opened);
    opened->exec(audit_migration());
    opened->exec(audit_tree_migration());
    opened->exec(checkpoint_migration());
    return std::move(*opened);
  }
  void append(int records) {
    for (int i = 0; i < records; ++i) {
      security::AuditRecord record;
      record.time = {1'000 + i};
      record.actor = "node";
      record.action = "release";
      record.object = "export " + std::to_string(i);
      append_audit(database, record);
    }
  }
  void change(const std::string& sql) { database.exec(sql.c_str()); }
  AuditVerdict verdict() { return verify_audit(database, {}); }
};

}  // namespace

TEST_SUITE_BEGIN("node/audit_log");

TEST_CASE("a log verifies whole and in parts and its tree is the one of its records") {
  Log log;
  log.append(37);
  const AuditVerdict whole = log.verdict();
  CHECK_FALSE(whole.first_bad);
  CHECK(whole.head.count == 37);
  CHECK(whole.tree == audit_tree(log.database, 37));
  for (std::uint64_t first = 1; first <= 37; ++first) {
    const AuditVerdict part = verify_audit_part(log.database, first, 5);
    CHECK_FALSE(part.first_bad);
    CHECK(part.head.count == std::min<std::uint64_t>(first + 4, 37));
  }
}

TEST_CASE("a log from before the tree gets the same tree") {
  Log log;
  log.append(21);
  const security::TreeHead tree = audit_tree(log.database, 21);
  log.change("DELETE FROM audit_node");
  CHECK(audit_tree_size(log.database) == 0);
  complete_audit_tree(log.database);
  CHECK(audit_tree(log.database, 21) == tree);
  complete_audit_tree(log.database);
  log.append(3);
  CHECK_FALSE(log.verdict().first_bad);
}

TEST_CASE("every edit of one record or node is found whole and by the part that holds it") {
  const std::uint64_t seed = SystemRandom().u64();
  CAPTURE(seed);
  SeededRandom random(seed);
  constexpr std::uint64_t kRecords = 30;
  for (int round = 0; round < 60; ++round) {
    CAPTURE(round);
    Log log;
    log.append(kRecords);
    const std::uint64_t at = 1 + random.below(kRecords);
    const std::string seq = std::to_string(at);
    const std::string leaf = std::to_string(at - 1);
    CAPTURE(at);
    const auto kind = random.below(6);
    CAPTURE(kind);
    switch (kind) {
      case 0:
        log.change("UPDATE audit SET record = (SELECT record FROM audit WHERE seq = " +
                   std::to_string(1 + at % kRecords) + ") WHERE seq = " + seq);
        break;
      case 1:
        log.change("UPDATE audit SET link = zeroblob(32) WHERE seq = " + seq);
        break;
      case 2:
        log.change("DELETE FROM audit WHERE seq = " + seq);
        break;
      case 3:
        log.change("UPDATE audit_node SET hash = zeroblob(32) WHERE level = 0 AND idx = " + leaf);
        break;
      case 4:
        log.change("DELETE FROM audit_node WHERE level = 0 AND idx = " + leaf);
        break;
      default:
        log.change("DELETE FROM audit WHERE seq > " + std::to_string(at - 1));
    }
    CHECK(log.verdict().first_bad);
    bool found = false;
    for (std::uint64_t first = 1; first <= kRecords; first += 7) {
      found |= verify_audit_part(log.database, first, 7).first_bad.has_value();
    }
    CHECK(found);
  }
}

TEST_CASE("newest checkpoints are kept with their cosignatures") {
  Log log;
  SeededRandom random(3);
  const auto key = security::SigningKey::generate(random);
  const auto witness_key = security::SigningKey::generate(random);
  const security::LogName own{random.id<OrgId>(), "main"};
  const security::LogName witness{random.id<OrgId>(), "north"};
  CHECK_FALSE(newest_checkpoint(log.database));
  for (std::uint64_t size : {3, 9}) {
    const std::string note = security::sign_checkpoint({own, {size, random.id<Hash256>()}}, key);
    keep_checkpoint(log.database, {size, {std::int64_t(size)}, note});
  }
  const auto newest = newest_checkpoint(log.database);
  REQUIRE(newest);
  CHECK(newest->size == 9);
  const std::string line = security::cosign(newest->note, witness, witness_key, {5});
  keep_cosignature(log.database, 9, witness.organisation, line);
  keep_cosignature(log.database, 4, witness.organisation, line);
  CHECK(newest_checkpoint(log.database)->note == newest->note + line);
  CHECK(newest_cosigned(log.database, witness.organisation)->size == 9);
  CHECK_FALSE(newest_cosigned(log.database, own.organisation));
}

TEST_CASE("what was seen of a partner stays until it is forgotten and conflicts for ever") {
  Log log;
  SeededRandom random(4);
  const security::LogName partner{random.id<OrgId>(), "main"};
  CHECK(seen_note(log.database, partner).empty());
  keep_seen(log.database, {partner, {1}, "first"});
  keep_seen(log.database, {partner, {2}, "second"});
  CHECK(seen_note(log.database, partner) == "second");
  const LogConflict conflict{partner, {3},      security::WitnessVerdict::forked,
                             "why",   "second", "third"};
  CHECK(keep_conflict(log.database, conflict));
  CHECK_FALSE(keep_conflict(log.database, conflict));
  forget_seen(log.database, partner.organisation);
  CHECK(seen_note(log.database, partner).empty());
  REQUIRE(all_conflicts(log.database).size() == 1);
  CHECK(all_conflicts(log.database)[0].shown == "third");
}

TEST_SUITE_END();
