// The VFS shim of the store's tests, and the proof that it sees what it claims to see.
#include "tests/unit/node/store/counting_vfs.h"

#include <doctest/doctest.h>

#include "node/store/sqlite.h"
#include "tests/unit/node/store/vfs_shim.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {
namespace {

CountingVfs* active = nullptr;
VfsShim shim;

int sync_counted(sqlite3_file* file, int flags) {
  if (active != nullptr && active->note_sync()) return SQLITE_IOERR_FSYNC;
  return VfsShim::methods_of(file).xSync(file, flags);
}

int open_counted(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  return shim.open(name, file, flags, out,
                   [](sqlite3_io_methods& methods) { methods.xSync = sync_counted; });
}

}  // namespace

CountingVfs::CountingVfs() {
  active = this;
  shim.install("counting", open_counted);
}

CountingVfs::~CountingVfs() {
  shim.remove();
  active = nullptr;
}

TEST_SUITE("node/counting_vfs") {
  TEST_CASE("a commit with synchronous=FULL is one sync of the WAL, and a failing sync is seen") {
    CountingVfs vfs;
    TemporaryFolder folder;
    auto database = Database::open(folder / "a.db", Database::Mode::read_write);
    REQUIRE(database.has_value());
    database->exec("CREATE TABLE t (x INTEGER)");
    vfs.reset();
    database->exec("INSERT INTO t VALUES (1)");
    CHECK(vfs.syncs() == 1);
    database->exec("INSERT INTO t VALUES (2)");
    CHECK(vfs.syncs() == 2);
    vfs.fail_syncs(true);
    CHECK_THROWS_AS(database->exec("INSERT INTO t VALUES (3)"), StoreFault);
    vfs.fail_syncs(false);
  }
}

}  // namespace entente::node::test
