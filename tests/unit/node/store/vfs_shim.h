// A VFS over SQLite's own whose files' methods a test replaces.
#pragma once

#include <sqlite3.h>

#include <unordered_map>

#include "schemas/base/guarded.h"

namespace entente::node::test {

// One of them at a time is the default VFS, from install() to remove(); the files opened meanwhile
// must be closed before. Threads: open from any.
class VfsShim {
 public:
  using Open = int (*)(sqlite3_vfs*, const char*, sqlite3_file*, int, int*);
  using Remove = int (*)(sqlite3_vfs*, const char*, int);

  // What is null stays SQLite's.
  void install(const char* name, Open opening, Remove removing = nullptr) {
    original_ = sqlite3_vfs_find("unix");
    shim_ = *original_;
    shim_.zName = name;
    shim_.pNext = nullptr;
    shim_.xOpen = opening;
    if (removing != nullptr) shim_.xDelete = removing;
    sqlite3_vfs_register(&shim_, 1);
  }
  void remove() {
    sqlite3_vfs_unregister(&shim_);
    sqlite3_vfs_register(original_, 1);
  }
  sqlite3_vfs& original() { return *original_; }

  // Opens as SQLite does, and then lets `patch` replace methods: once per table of the original.
  template <class Patch>
  int open(const char* name, sqlite3_file* file, int flags, int* out, const Patch& patch) {
    const int code = original_->xOpen(original_, name, file, flags, out);
    if (code != SQLITE_OK || file->pMethods == nullptr) return code;
    tables_.with([&](auto& tables) {
      auto [entry, fresh] = tables.try_emplace(file->pMethods);
      if (fresh) {
        entry->second = {*file->pMethods, file->pMethods};
        patch(entry->second.methods);
      }
      file->pMethods = &entry->second.methods;
    });
    return code;
  }
  // A file's own methods.
  static const sqlite3_io_methods& methods_of(sqlite3_file* file) {
    return *reinterpret_cast<const Patched*>(file->pMethods)->original;
  }

 private:
  struct Patched {
    sqlite3_io_methods methods;
    const sqlite3_io_methods* original;
  };
  sqlite3_vfs* original_ = nullptr;
  sqlite3_vfs shim_{};
  Guarded<std::unordered_map<const sqlite3_io_methods*, Patched>> tables_;
};

}  // namespace entente::node::test
