#include "node/store/sqlite.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/node/temporary_folder.h"

namespace entente::node {
namespace {

using test::TemporaryFolder;

Database opened(const std::string& path, Database::Mode mode = Database::Mode::read_write) {
  auto database = Database::open(path, mode);
  REQUIRE(database.has_value());
  return std::move(*database);
}

std::string pragma(Database& database, const std::string& name) {
  auto query = database.prepare("PRAGMA " + name);
  return query.step() ? query.text(0) : "";
}

TEST_SUITE("node/sqlite") {
  TEST_CASE("a writing connection has every setting and a private file") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    CHECK(pragma(database, "journal_mode") == "wal");
    CHECK(pragma(database, "synchronous") == "2");
    CHECK(pragma(database, "foreign_keys") == "1");
    CHECK(pragma(database, "trusted_schema") == "0");
    CHECK(pragma(database, "cell_size_check") == "1");
    CHECK(pragma(database, "temp_store") == "2");
    CHECK(pragma(database, "mmap_size") == "0");
    CHECK(pragma(database, "wal_autocheckpoint") == "0");
    // Defensive mode: the schema table cannot be written even when asked for.
    database.exec("PRAGMA writable_schema=ON");
    CHECK_THROWS_AS(database.exec("UPDATE sqlite_schema SET name='x'"), StoreFault);
    struct stat info {};
    REQUIRE(::stat((folder / "a.db").c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
  }

  TEST_CASE("values come back as they were bound, empty ones and zero bytes included") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    database.exec("CREATE TABLE t (i, r, t, b, n)");
    const Bytes blob{0, 255, 0, 7};
    database.prepare("INSERT INTO t VALUES (?, ?, ?, ?, ?)")
        .bind(1, std::int64_t{-9'007'199'254'740'993})
        .bind(2, 0.1)
        .bind(3, std::string_view("a\0b", 3))
        .bind(4, ByteView(blob))
        .bind_null(5)
        .run();
    database.prepare("INSERT INTO t VALUES (0, 0, ?, ?, ?)")
        .bind(1, std::string_view())
        .bind(2, ByteView())
        .bind(3, 1.0)
        .run();
    auto query = database.prepare("SELECT i, r, t, b, n FROM t ORDER BY i");
    REQUIRE(query.step());
    CHECK(query.integer(0) == -9'007'199'254'740'993);
    CHECK(query.real(1) == 0.1);
    CHECK(query.text(2) == std::string("a\0b", 3));
    CHECK(query.blob(3) == blob);
    CHECK(query.is_null(4));
    REQUIRE(query.step());
    CHECK_FALSE(query.is_null(2));
    CHECK(query.text(2).empty());
    CHECK_FALSE(query.is_null(3));
    CHECK_FALSE(query.step());
  }

  TEST_CASE("a cached statement starts afresh at each call") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    auto& first = database.cached("SELECT ?1 UNION ALL SELECT 2");
    first.bind(1, std::int64_t{1});
    REQUIRE(first.step());
    auto& again = database.cached("SELECT ?1 UNION ALL SELECT 2");
    CHECK(&again == &first);
    REQUIRE(again.step());
    CHECK(again.is_null(0));  // the binding is gone too
    CHECK_THROWS_AS(database.cached("SELECT nonsense"), StoreFault);
    CHECK_THROWS_AS(database.cached("SELECT nonsense"), StoreFault);
  }

  TEST_CASE("a reader cannot write, and does not create a file") {
    TemporaryFolder folder;
    auto writer = opened(folder / "a.db");
    writer.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    auto reader = opened(folder / "a.db", Database::Mode::read_only);
    auto query = reader.prepare("SELECT x FROM t");
    REQUIRE(query.step());
    CHECK(query.integer(0) == 1);
    CHECK_THROWS_AS(reader.exec("INSERT INTO t VALUES (2)"), StoreFault);
    CHECK_THROWS_AS(reader.exec("PRAGMA query_only=OFF; INSERT INTO t VALUES (2)"), StoreFault);
    auto missing = Database::open(folder / "missing.db", Database::Mode::read_only);
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().code == ErrorCode::store_failed);
    CHECK_FALSE(std::ifstream(folder / "missing.db").good());
  }

  TEST_CASE("a file that is no database and a damaged one are refused by name") {
    TemporaryFolder folder;
    std::ofstream(folder / "text.db") << std::string(8'192, 'x');
    auto refused = Database::open(folder / "text.db", Database::Mode::read_write);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::store_failed);
    CHECK(refused.error().what.find("text.db") != std::string::npos);
    {
      auto database = opened(folder / "torn.db");
      database.exec("CREATE TABLE t (x TEXT); CREATE INDEX i ON t (x)");
      for (int i = 0; i < 500; ++i) {
        database.cached("INSERT INTO t VALUES (?)").bind(1, std::string(100, 'a')).run();
      }
    }
    {
      std::fstream file(folder / "torn.db", std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(2 * 4'096);
      const std::string noise(4'096, '\x5a');
      file.write(noise.data(), static_cast<std::streamsize>(noise.size()));
    }
    auto torn = Database::open(folder / "torn.db", Database::Mode::read_write);
    REQUIRE_FALSE(torn.has_value());
    CHECK(torn.error().code == ErrorCode::store_failed);
  }

  TEST_CASE("migrations run once each, and a failing one leaves its version untouched") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    CHECK(migrate(database, {"CREATE TABLE a (x)"}).has_value());
    CHECK(migrate(database, {"CREATE TABLE a (x)", "CREATE TABLE b (x)"}).has_value());
    CHECK(pragma(database, "user_version") == "2");
    const auto broken = migrate(database, {"", "", "CREATE TABLE c (x); CREATE TABLE a (x)"});
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().code == ErrorCode::store_failed);
    CHECK(pragma(database, "user_version") == "2");
    CHECK_THROWS_AS(database.exec("SELECT * FROM c"), StoreFault);
  }

  TEST_CASE("a database of a newer version is refused and left as it is") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    database.exec("PRAGMA user_version=7");
    const auto refused = migrate(database, {"CREATE TABLE a (x)"});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == ErrorCode::version_too_new);
    CHECK_THROWS_AS(database.exec("SELECT * FROM a"), StoreFault);
  }

  TEST_CASE("a checkpoint empties the WAL unless a reader holds it") {
    TemporaryFolder folder;
    auto database = opened(folder / "a.db");
    database.exec("CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    CHECK(database.wal_pages() > 0);
    database.checkpoint();
    CHECK(database.wal_pages() == 0);
    auto reader = opened(folder / "a.db", Database::Mode::read_only);
    auto query = reader.prepare("SELECT x FROM t");
    REQUIRE(query.step());
    database.exec("INSERT INTO t VALUES (2)");
    database.exec("INSERT INTO t VALUES (3)");
    database.checkpoint();
    CHECK(database.wal_pages() > 0);  // the reader still needs the older state
    query.reset();
    database.checkpoint();
    CHECK(database.wal_pages() == 0);
  }
}

}  // namespace
}  // namespace entente::node
