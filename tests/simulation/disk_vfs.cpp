// The disks of disk.h as an SQLite VFS.
#include <sqlite3.h>

#include <algorithm>
#include <cstring>

#include "node/store/page_check.h"
#include "tests/simulation/disk.h"

namespace entente::simulation {
namespace {

// By name. One thread works with them at a time.
std::map<std::string, Disk*>& disks() {
  static std::map<std::string, Disk*> all;
  return all;
}

constexpr std::string_view kRoot = "/simulated/";

Disk* disk_of(std::string_view path) {
  if (!path.starts_with(kRoot)) return nullptr;
  path.remove_prefix(kRoot.size());
  const auto found = disks().find(std::string(path.substr(0, path.find('/'))));
  return found == disks().end() ? nullptr : found->second;
}

struct Handle {
  sqlite3_file base;
  Disk* disk;
  std::shared_ptr<Disk::File>* file;
  int level;
  std::uint8_t index_shared;  // bits of the index locks that this handle holds
  std::uint8_t index_exclusive;
};

Handle& of(sqlite3_file* file) {
  return *reinterpret_cast<Handle*>(file);
}
Disk::File& file_of(sqlite3_file* file) {
  return **of(file).file;
}

int unlock(sqlite3_file* f, int level) {
  Handle& handle = of(f);
  auto& file = file_of(f);
  if (level < SQLITE_LOCK_RESERVED && file.reserved == &handle) file.reserved = nullptr;
  if (level < SQLITE_LOCK_EXCLUSIVE && file.exclusive == &handle) file.exclusive = nullptr;
  if (level < SQLITE_LOCK_SHARED && handle.level >= SQLITE_LOCK_SHARED) --file.shared;
  handle.level = std::min(handle.level, level);
  return SQLITE_OK;
}

int lock(sqlite3_file* f, int level) {
  Handle& handle = of(f);
  auto& file = file_of(f);
  if (handle.level >= level) return SQLITE_OK;
  if (file.exclusive != nullptr && file.exclusive != &handle) return SQLITE_BUSY;
  if (handle.level < SQLITE_LOCK_SHARED) ++file.shared;
  handle.level = std::max(handle.level, SQLITE_LOCK_SHARED);
  if (level >= SQLITE_LOCK_RESERVED) {
    if (file.reserved != nullptr && file.reserved != &handle) return SQLITE_BUSY;
    file.reserved = &handle;
  }
  if (level == SQLITE_LOCK_EXCLUSIVE) {
    if (file.shared > 1) return SQLITE_BUSY;
    file.exclusive = &handle;
  }
  handle.level = level;
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* f, int offset, int count, int flags) {
  Handle& handle = of(f);
  auto& file = file_of(f);
  for (int i = offset; i < offset + count; ++i) {
    const auto slot = static_cast<std::size_t>(i);
    const auto bit = static_cast<std::uint8_t>(1u << i);
    if ((flags & SQLITE_SHM_LOCK) == 0) continue;
    const bool mine = (handle.index_shared & bit) != 0;
    if (file.index_exclusive[slot] != nullptr && file.index_exclusive[slot] != &handle) {
      return SQLITE_BUSY;
    }
    if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && file.index_shared[slot] > (mine ? 1 : 0)) {
      return SQLITE_BUSY;
    }
  }
  for (int i = offset; i < offset + count; ++i) {
    const auto slot = static_cast<std::size_t>(i);
    const auto bit = static_cast<std::uint8_t>(1u << i);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
      if ((handle.index_shared & bit) != 0) --file.index_shared[slot];
      if ((handle.index_exclusive & bit) != 0) file.index_exclusive[slot] = nullptr;
      handle.index_shared &= static_cast<std::uint8_t>(~bit);
      handle.index_exclusive &= static_cast<std::uint8_t>(~bit);
    } else if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
      file.index_exclusive[slot] = &handle;
      handle.index_exclusive |= bit;
    } else if ((handle.index_shared & bit) == 0) {
      ++file.index_shared[slot];
      handle.index_shared |= bit;
    }
  }
  return SQLITE_OK;
}

int shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  auto& index = file_of(f).index;
  *out = nullptr;
  if (size > 32'768) return SQLITE_IOERR_SHMMAP;
  if (static_cast<std::size_t>(region) >= index.size()) {
    if (extend == 0) return SQLITE_OK;
    while (static_cast<std::size_t>(region) >= index.size()) {
      index.push_back(std::make_unique<std::array<char, 32'768>>());
    }
  }
  *out = index[static_cast<std::size_t>(region)]->data();
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file*) {}

int shm_unmap(sqlite3_file* f, int remove) {
  shm_lock(f, 0, 8, SQLITE_SHM_UNLOCK);
  if (remove != 0) file_of(f).index.clear();
  return SQLITE_OK;
}

int close(sqlite3_file* f) {
  unlock(f, SQLITE_LOCK_NONE);
  shm_lock(f, 0, 8, SQLITE_SHM_UNLOCK);
  delete of(f).file;
  return SQLITE_OK;
}

int read(sqlite3_file* f, void* into, int amount, sqlite3_int64 at) {
  if (!of(f).disk->has_power()) return SQLITE_IOERR_READ;
  const Bytes& seen = file_of(f).seen;
  const auto size = static_cast<sqlite3_int64>(seen.size());
  const auto there = std::clamp<sqlite3_int64>(size - at, 0, amount);
  if (there > 0) std::memcpy(into, seen.data() + at, static_cast<std::size_t>(there));
  if (there == amount) return SQLITE_OK;
  std::memset(static_cast<char*>(into) + there, 0, static_cast<std::size_t>(amount - there));
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* f, const void* data, int amount, sqlite3_int64 at) {
  return of(f).disk->write(file_of(f), data, amount, at);
}
int truncate(sqlite3_file* f, sqlite3_int64 size) {
  return of(f).disk->truncate(file_of(f), size);
}
int sync(sqlite3_file* f, int) {
  return of(f).disk->sync(file_of(f));
}
int size(sqlite3_file* f, sqlite3_int64* out) {
  *out = static_cast<sqlite3_int64>(file_of(f).seen.size());
  return SQLITE_OK;
}
int reserved(sqlite3_file* f, int* out) {
  *out = file_of(f).reserved != nullptr ? 1 : 0;
  return SQLITE_OK;
}
int control(sqlite3_file*, int, void*) {
  return SQLITE_NOTFOUND;
}
int sector(sqlite3_file*) {
  return 4'096;
}
int traits(sqlite3_file*) {
  return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

const sqlite3_io_methods kMethods = {
    2,       close,  read,   write,   truncate, sync,        size,      lock,    unlock, reserved,
    control, sector, traits, shm_map, shm_lock, shm_barrier, shm_unmap, nullptr, nullptr};

int vfs_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  file->pMethods = nullptr;
  Disk* disk = name == nullptr ? nullptr : disk_of(name);
  if (disk == nullptr || !disk->has_power()) return SQLITE_CANTOPEN;
  auto opened = disk->open(name, (flags & SQLITE_OPEN_CREATE) != 0);
  if (!opened) return SQLITE_CANTOPEN;
  Handle& handle = of(file);
  handle.disk = disk;
  handle.file = new std::shared_ptr<Disk::File>(std::move(opened));  // C code owns the handle
  handle.level = SQLITE_LOCK_NONE;
  handle.index_shared = handle.index_exclusive = 0;
  handle.base.pMethods = &kMethods;
  if (out != nullptr) *out = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs*, const char* name, int) {
  Disk* disk = disk_of(name);
  if (disk == nullptr || !disk->has_power()) return SQLITE_IOERR_DELETE;
  if (!disk->exists(name)) return SQLITE_IOERR_DELETE_NOENT;
  disk->remove(name);
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs*, const char* name, int, int* out) {
  const Disk* disk = disk_of(name);
  *out = disk != nullptr && disk->exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  sqlite3_snprintf(size, out, "%s", name);
  return SQLITE_OK;
}

// SQLite asks for it once a process; salts of the WAL are all that depends on it.
int vfs_randomness(sqlite3_vfs*, int size, char* out) {
  std::memset(out, 0x5a, static_cast<std::size_t>(size));
  return size;
}
int vfs_sleep(sqlite3_vfs*, int microseconds) {
  return microseconds;
}
int vfs_time(sqlite3_vfs*, double* out) {
  *out = 2'461'000.0;
  return SQLITE_OK;
}
int vfs_last_error(sqlite3_vfs*, int, char*) {
  return 0;
}
int vfs_time_ms(sqlite3_vfs*, sqlite3_int64* out) {
  *out = 212'630'400'000'000;
  return SQLITE_OK;
}

}  // namespace

Disk::Disk(std::string name) : name_(std::move(name)) {
  disks()[name_] = this;
}
Disk::~Disk() {
  disks().erase(name_);
}

void use_simulated_disks() {
  static const bool done = [] {
    node::page_check_vfs();  // configures SQLite before its first use
    static sqlite3_vfs vfs{};
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(Handle);
    vfs.mxPathname = 512;
    vfs.zName = "entente-simulation";
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xAccess = vfs_access;
    vfs.xFullPathname = vfs_full_path;
    vfs.xRandomness = vfs_randomness;
    vfs.xSleep = vfs_sleep;
    vfs.xCurrentTime = vfs_time;
    vfs.xGetLastError = vfs_last_error;
    vfs.xCurrentTimeInt64 = vfs_time_ms;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
  }();
  if (!done) throw std::runtime_error("the simulated disks cannot be registered");
}

}  // namespace entente::simulation
