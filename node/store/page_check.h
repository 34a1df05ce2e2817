// A checksum in every page of a database file, and the WAL looked at before SQLite recovers it.
//
// Pages. An SQLite VFS ("entente-pages") over the default one keeps the last 4 bytes of each page
// of the database file (SQLite's "reserved bytes") for a CRC-32 of the page and its number: set
// when a page is written into the file, compared when it is read from it. So no flipped bit of a
// table, an index or a page's unused space is ever taken for data: SQLite reports an I/O error, and
// damaged_page() says where. Files made without it (or by other programs) are read as they are. A
// program that writes such a file without this VFS spoils the pages that it writes.
//
// WAL. SQLite takes a frame whose checksum is wrong for the end of the WAL, which is what a power
// cut leaves. Behind a damaged frame it would forget acknowledged commits without a word. Each
// commit is synced before the next begins: a frame that fails although whole commits of the same
// WAL stand behind it was damaged later, and the file is refused. The last commit of a WAL is the
// exception: a flip in it looks like a power cut during that commit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/base/result.h"

namespace entente::node {

inline constexpr int kPageCheckBytes = 4;

// The VFS's name; registered at the first call. It rests on what is the default VFS at each
// opening. Threads: any.
const char* page_check_vfs();

// "page 7 of /x/history.db": the last page that failed its checksum on this thread; empty when none
// did since the last call.
std::string take_damaged_page();

// On this thread, while it lives, pages that fail are handed over all the same: to save what can be
// read of a damaged file.
class ReadDamagedPages {
 public:
  ReadDamagedPages();
  ReadDamagedPages(const ReadDamagedPages&) = delete;
  ReadDamagedPages& operator=(const ReadDamagedPages&) = delete;
  ~ReadDamagedPages();
};

// Looks at `path`-wal, through the default VFS. Refuses (store_failed) with the frame's number.
// To be called before the first connection of a process opens `path`.
[[nodiscard]] Outcome check_wal(const std::string& path);

// Has this file room for checksums, as its header says? No: it cannot be read.
// To be called before the first connection of a process opens `path`: it closes a descriptor.
bool has_page_checks(const std::string& path);

// Compares every page of a file that nobody in this process has open. `checked` is false when the
// file has no page checksums. Refuses (store_failed): it cannot be read.
struct PageScan {
  bool checked = false;
  std::uint64_t pages = 0;
  std::vector<std::uint32_t> damaged;
};
[[nodiscard]] Result<PageScan> scan_pages(const std::string& path);

}  // namespace entente::node
