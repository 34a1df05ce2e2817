#include "node/store/page_check.h"

#include <sqlite3.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <utility>

#include "schemas/base/bytes.h"

namespace entente::node {
namespace {

constexpr std::size_t kPageMax = 65'536;
constexpr std::size_t kReservedAt = 20;  // in page 1: bytes that SQLite leaves at each page's end

thread_local std::string damaged_page;
thread_local int reading_damaged = 0;

std::uint32_t word(const std::uint8_t* at, bool big) {
  return big ? std::uint32_t{at[0]} << 24 | std::uint32_t{at[1]} << 16 | std::uint32_t{at[2]} << 8 |
                   at[3]
             : std::uint32_t{at[3]} << 24 | std::uint32_t{at[2]} << 16 | std::uint32_t{at[1]} << 8 |
                   at[0];
}

std::uint32_t page_sum(const std::uint8_t* page, std::size_t size, std::uint32_t number) {
  // The number too: a page that was written to another's place is found.
  return static_cast<std::uint32_t>(crc32_z(number, page, size - kPageCheckBytes));
}

bool page_holds(const std::uint8_t* page, std::size_t size, std::uint32_t number) {
  return word(page + size - kPageCheckBytes, false) == page_sum(page, size, number);
}

void seal_page(std::uint8_t* page, std::size_t size, std::uint32_t number) {
  const auto sum = page_sum(page, size, number);
  for (int i = 0; i < kPageCheckBytes; ++i) {
    page[size - kPageCheckBytes + static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(sum >> (8 * i));
  }
}

bool is_page(int amount, sqlite3_int64 at) {
  return amount >= 512 && amount <= static_cast<int>(kPageMax) && (amount & (amount - 1)) == 0 &&
         at % amount == 0;
}

// Of page 1: the size that its header names, 0 when that is none.
std::size_t page_size_of(const std::uint8_t* page) {
  const std::size_t size = std::size_t{page[16]} << 8 | page[17];
  if (size == 1) return kPageMax;
  return size >= 512 && (size & (size - 1)) == 0 ? size : 0;
}

// Does a file that begins with this page have checksums? A header whose own page-check field was
// damaged must not switch them off, so that the page is tried with the field put right as well.
bool has_checks(std::uint8_t* page, std::size_t size) {
  if (page[kReservedAt] == kPageCheckBytes || page_holds(page, size, 1)) return true;
  page[kReservedAt] = kPageCheckBytes;
  return page_holds(page, size, 1);
}

struct CheckedFile {
  sqlite3_file base;
  sqlite3_file* real;
  const char* path;
  bool checks;
};

CheckedFile* of(sqlite3_file* file) {
  return reinterpret_cast<CheckedFile*>(file);
}
sqlite3_file* real(sqlite3_file* file) {
  return of(file)->real;
}
sqlite3_vfs* below() {
  return sqlite3_vfs_find(nullptr);
}

int file_close(sqlite3_file* file) {
  auto* inner = real(file);
  const int code = inner->pMethods == nullptr ? SQLITE_OK : inner->pMethods->xClose(inner);
  sqlite3_free(inner);
  return code;
}

int file_read(sqlite3_file* file, void* into, int amount, sqlite3_int64 at) {
  const int code = real(file)->pMethods->xRead(real(file), into, amount, at);
  if (code != SQLITE_OK || !of(file)->checks || !is_page(amount, at)) return code;
  const auto number = static_cast<std::uint32_t>(at / amount + 1);
  if (page_holds(static_cast<std::uint8_t*>(into), static_cast<std::size_t>(amount), number)) {
    return code;
  }
  damaged_page = "page " + std::to_string(number) + " of " + of(file)->path;
  return reading_damaged > 0 ? code : SQLITE_IOERR_DATA;
}

int file_write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 at) {
  auto* inner = real(file);
  if (!of(file)->checks || !is_page(amount, at)) {
    return inner->pMethods->xWrite(inner, data, amount, at);
  }
  // A file of another program may be emptied and begun anew without room for checksums.
  std::array<std::uint8_t, kPageMax> page;
  const auto size = static_cast<std::size_t>(amount);
  std::memcpy(page.data(), data, size);
  if (at == 0 && page[kReservedAt] != kPageCheckBytes) of(file)->checks = false;
  if (of(file)->checks) {
    seal_page(page.data(), size, static_cast<std::uint32_t>(at / amount + 1));
  }
  return inner->pMethods->xWrite(inner, page.data(), amount, at);
}

int file_truncate(sqlite3_file* f, sqlite3_int64 size) {
  return real(f)->pMethods->xTruncate(real(f), size);
}
int file_sync(sqlite3_file* f, int flags) {
  return real(f)->pMethods->xSync(real(f), flags);
}
int file_size(sqlite3_file* f, sqlite3_int64* size) {
  return real(f)->pMethods->xFileSize(real(f), size);
}
int file_lock(sqlite3_file* f, int level) {
  return real(f)->pMethods->xLock(real(f), level);
}
int file_unlock(sqlite3_file* f, int level) {
  return real(f)->pMethods->xUnlock(real(f), level);
}
int file_reserved(sqlite3_file* f, int* out) {
  return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
int file_control(sqlite3_file* f, int operation, void* argument) {
  return real(f)->pMethods->xFileControl(real(f), operation, argument);
}
int file_sector(sqlite3_file* f) {
  return real(f)->pMethods->xSectorSize(real(f));
}
int file_traits(sqlite3_file* f) {
  return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
}
void shm_barrier(sqlite3_file* f) {
  real(f)->pMethods->xShmBarrier(real(f));
}
int shm_unmap(sqlite3_file* f, int remove) {
  return real(f)->pMethods->xShmUnmap(real(f), remove);
}

const sqlite3_io_methods kMethods = {
    2,         file_close,  file_read,     file_write,   file_truncate, file_sync,   file_size,
    file_lock, file_unlock, file_reserved, file_control, file_sector,   file_traits, shm_map,
    shm_lock,  shm_barrier, shm_unmap,     nullptr,      nullptr};

// An empty file will have checksums: Database::open reserves their place.
bool checks_of(sqlite3_file* inner) {
  sqlite3_int64 size = 0;
  if (inner->pMethods->xFileSize(inner, &size) != SQLITE_OK) return true;
  if (size == 0) return true;
  std::array<std::uint8_t, kPageMax> page{};
  if (size < 512 || inner->pMethods->xRead(inner, page.data(), 512, 0) != SQLITE_OK) return false;
  // A damaged page size: SQLite refuses the file, or the usual size shows that it had checksums.
  auto page_size = page_size_of(page.data());
  if (page_size == 0 || static_cast<sqlite3_int64>(page_size) > size) page_size = 4'096;
  const int code = inner->pMethods->xRead(inner, page.data(), static_cast<int>(page_size), 0);
  return code == SQLITE_OK && has_checks(page.data(), page_size);
}

int vfs_open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* made = of(file);
  *made = {};
  auto* under = below();
  made->real = static_cast<sqlite3_file*>(sqlite3_malloc(under->szOsFile));
  if (made->real == nullptr) return SQLITE_NOMEM;
  std::memset(made->real, 0, static_cast<std::size_t>(under->szOsFile));
  const int code = under->xOpen(under, name, made->real, flags, out);
  if (code != SQLITE_OK) {
    if (made->real->pMethods != nullptr) made->real->pMethods->xClose(made->real);
    sqlite3_free(made->real);
    return code;
  }
  made->path = name;
  made->base.pMethods = &kMethods;
  made->checks = (flags & SQLITE_OPEN_MAIN_DB) != 0 && checks_of(made->real);
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs*, const char* name, int sync) {
  return below()->xDelete(below(), name, sync);
}
int vfs_access(sqlite3_vfs*, const char* name, int flags, int* out) {
  return below()->xAccess(below(), name, flags, out);
}
int vfs_full_path(sqlite3_vfs*, const char* name, int size, char* out) {
  return below()->xFullPathname(below(), name, size, out);
}
int vfs_randomness(sqlite3_vfs*, int size, char* out) {
  return below()->xRandomness(below(), size, out);
}
int vfs_sleep(sqlite3_vfs*, int microseconds) {
  return below()->xSleep(below(), microseconds);
}
int vfs_time(sqlite3_vfs*, double* out) {
  return below()->xCurrentTime(below(), out);
}
int vfs_last_error(sqlite3_vfs*, int size, char* out) {
  return below()->xGetLastError(below(), size, out);
}
int vfs_time_ms(sqlite3_vfs*, sqlite3_int64* out) {
  return below()->xCurrentTimeInt64(below(), out);
}

sqlite3_vfs made_vfs() {
  sqlite3_vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = sizeof(CheckedFile);
  vfs.mxPathname = below()->mxPathname;
  vfs.zName = "entente-pages";
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_path;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xGetLastError = vfs_last_error;
  vfs.xCurrentTimeInt64 = vfs_time_ms;
  return vfs;
}

// The WAL's running checksum over 8-byte steps (file format, section 4.2).
struct WalSum {
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  void add(const std::uint8_t* data, std::size_t size, bool big) {
    for (std::size_t i = 0; i < size; i += 8) {
      first += word(data + i, big) + second;
      second += word(data + i + 4, big) + first;
    }
  }
  bool is(const std::uint8_t* at) const {
    return word(at, true) == first && word(at + 4, true) == second;
  }
};

constexpr std::size_t kWalHeader = 32;
constexpr std::size_t kFrameHeader = 24;

Error damaged_wal(const std::string& path, const std::string& what) {
  return make_error(ErrorCode::store_failed, path + "-wal is damaged: " + what,
                    "run 'entente node check'; keep the file and restore the latest backup");
}

}  // namespace

const char* page_check_vfs() {
  static sqlite3_vfs vfs = [] {
    // Counting what is allocated takes a lock for each allocation, and nobody asks. Without effect
    // where SQLite was in use before.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    sqlite3_initialize();
    return made_vfs();
  }();
  static const int registered = sqlite3_vfs_register(&vfs, 0);
  return registered == SQLITE_OK ? vfs.zName : nullptr;
}

std::string take_damaged_page() {
  return std::exchange(damaged_page, {});
}

ReadDamagedPages::ReadDamagedPages() {
  ++reading_damaged;
}
ReadDamagedPages::~ReadDamagedPages() {
  --reading_damaged;
}

Outcome check_wal(const std::string& path) {
  std::ifstream file(path + "-wal", std::ios::binary);
  std::array<std::uint8_t, kWalHeader> header{};
  if (!file.read(reinterpret_cast<char*>(header.data()), kWalHeader)) return {};
  if (header == std::array<std::uint8_t, kWalHeader>{}) return {};  // made, and never written
  const auto magic = word(header.data(), true);
  const bool big = (magic & 1) != 0;
  WalSum sum;
  sum.add(header.data(), 24, big);
  const std::size_t page = word(header.data() + 8, true);
  // The header lies within one sector, which is written whole or not at all.
  if ((magic | 1) != 0x377f0683 || !sum.is(header.data() + 24) || page < 512 || page > kPageMax) {
    return damaged_wal(path, "its header fails its checksum");
  }
  Bytes frame(kFrameHeader + page);
  std::uint64_t number = 0;
  std::uint64_t failed = 0;  // number of the first frame that does
  bool commit_behind = false;
  while (file.read(reinterpret_cast<char*>(frame.data()),
                   static_cast<std::streamsize>(frame.size()))) {
    ++number;
    const bool ours = std::memcmp(frame.data() + 8, header.data() + 16, 8) == 0;
    if (failed == 0) {
      sum.add(frame.data(), 8, big);
      sum.add(frame.data() + kFrameHeader, page, big);
      if (!ours || !sum.is(frame.data() + 16)) failed = number;
    }
    if (failed == 0 || !ours) continue;
    if (commit_behind) {
      return damaged_wal(path, "frame " + std::to_string(failed) +
                                   " fails its checksum, and later commits stand behind it");
    }
    commit_behind = word(frame.data() + 4, true) != 0;
  }
  return {};
}

bool has_page_checks(const std::string& path) {
  std::array<char, 100> header{};
  std::ifstream file(path, std::ios::binary);
  return file.read(header.data(), header.size()) && header[kReservedAt] == kPageCheckBytes;
}

Result<PageScan> scan_pages(const std::string& path) {
  PageScan scan;
  std::ifstream file(path, std::ios::binary);
  if (!file) return make_error(ErrorCode::store_failed, "cannot read " + path);
  Bytes page(kPageMax);
  const auto read = [&](std::size_t size) {
    return bool(
        file.read(reinterpret_cast<char*>(page.data()), static_cast<std::streamsize>(size)));
  };
  if (!read(512)) return scan;
  auto size = page_size_of(page.data());
  if (size == 0) size = 4'096;
  file.seekg(0);
  if (!read(size)) return scan;
  const bool whole = page_holds(page.data(), size, 1);
  scan.checked = whole || has_checks(page.data(), size);
  if (!scan.checked) return scan;
  scan.pages = 1;
  if (!whole) scan.damaged.push_back(1);
  while (read(size)) {
    const auto number = static_cast<std::uint32_t>(++scan.pages);
    // A page that became free before it was ever written is a hole in the file.
    const bool hole = std::all_of(page.begin(), page.begin() + static_cast<std::ptrdiff_t>(size),
                                  [](std::uint8_t byte) { return byte == 0; });
    if (!hole && !page_holds(page.data(), size, number)) scan.damaged.push_back(number);
  }
  return scan;
}

}  // namespace entente::node
