// The VFS shim of the store's tests, and the proof that it sees what it claims to see.
#include "tests/unit/node/store/counting_vfs.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstring>
#include <unordered_map>

#include "node/store/sqlite.h"
#include "schemas/base/guarded.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {
namespace {

CountingVfs* active = nullptr;
sqlite3_vfs* original = nullptr;
sqlite3_vfs shim;
// One patched method table per table of the original; the file's own sync stays reachable by it.
struct Patched {
  sqlite3_io_methods methods;
  const sqlite3_io_methods* original;
};
Guarded<std::unordered_map<const sqlite3_io_methods*, Patched>> tables;

int sync_counted(sqlite3_file* file, int flags) {
  const auto* patched = reinterpret_cast<const Patched*>(file->pMethods);
  if (active != nullptr && active->note_sync()) return SQLITE_IOERR_FSYNC;
  return patched->original->xSync(file, flags);
}

int open_counted(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  const int code = original->xOpen(original, name, file, flags, out);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  tables.with([&](auto& map) {
    auto [entry, fresh] = map.try_emplace(file->pMethods);
    if (fresh) {
      entry->second = {*file->pMethods, file->pMethods};
      entry->second.methods.xSync = sync_counted;
    }
    file->pMethods = &entry->second.methods;
  });
  return code;
}

}  // namespace

CountingVfs::CountingVfs() {
  original = sqlite3_vfs_find("unix");
  shim = *original;
  shim.zName = "counting";
  shim.pNext = nullptr;
  shim.xOpen = open_counted;
  active = this;
  sqlite3_vfs_register(&shim, 1);
}

CountingVfs::~CountingVfs() {
  sqlite3_vfs_unregister(&shim);
  sqlite3_vfs_register(original, 1);
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
