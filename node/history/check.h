// Verifies a stopped node's databases: every page, every checksum, and everything that is written
// twice against each other. `entente node check` shows what this finds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schemas/base/result.h"

namespace entente::node {

class Database;

// One thing that is wrong: where, and what to do about it.
struct Finding {
  std::string file;   // "history.db"
  std::string table;  // empty: the file itself
  std::string row;    // "segment 7", "page 12", "series 3"
  std::string what;
  std::string remedy;
};

struct CheckReport {
  std::uint64_t pages = 0;  // with a checksum
  std::uint64_t series = 0;
  std::uint64_t batches = 0;  // of the journal
  std::uint64_t segments = 0;
  std::uint64_t buckets = 0;
  std::uint64_t readings = 0;  // in segments and journal
  std::uint64_t corrections = 0;
  std::uint64_t audit_records = 0;
  std::vector<Finding> findings;
  std::vector<std::string> repairs;  // what was done, sentence by sentence
};

// The file itself: the WAL's frames, every page's checksum, SQLite's integrity_check. Adds to
// `report`. What a crash left in a sound WAL is copied into the file first, as by every opening.
// The caller holds the file's WriterLock.
void check_file(const std::string& path, CheckReport& report);

// All of history.db. Decodes every batch and every chunk, makes each directory anew from its
// chunks, each bucket and the latest readings from the segments, and compares; segments are
// disjoint, series are numbered without holes, and nothing speaks of a series that has no name.
// The caller holds the file's WriterLock. Memory: one segment's readings at a
// time.
void check_history(const std::string& path, CheckReport& report);

// Makes the file anew from everything that can be read of it, beside it, and puts it in its place;
// the damaged one is kept as `path`.damaged-N. Buckets and latest readings are made from the
// segments; a segment or batch that does not decode goes into the table `damaged` with its bytes,
// its times and, as far as they are known, its series. Everything that was left out or taken from
// a page that fails its checksum is said in `report.repairs`. Refuses: store_failed (the new file
// cannot be written; then nothing was changed). The caller holds the file's WriterLock.
[[nodiscard]] Outcome repair_history(const std::string& path, CheckReport& report);

}  // namespace entente::node
