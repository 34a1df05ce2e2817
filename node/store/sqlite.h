// SQLite as a value: connections and statements with their settings, faults as exceptions.
//
// Settings of every connection: WAL, foreign keys, trusted_schema off, defensive mode, cell size
// check, temporary storage in memory, no memory map, no automatic checkpoint; the writing one also
// synchronous=FULL. One connection writes and checkpoints (SQLite's WAL-reset fault); readers
// are query-only. Threads: one at a time for each connection and its statements.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/bytes.h"

struct sqlite3;
struct sqlite3_stmt;

namespace entente::node {

// The disk or the file failed; nothing of the current transaction is durable.
class StoreFault : public std::runtime_error {
 public:
  StoreFault(const std::string& what, int sqlite_code)
      : std::runtime_error(what), code_(sqlite_code) {}
  int sqlite_code() const { return code_; }
  bool disk_full() const;
  // The disk gave an I/O error or the file is damaged: no further write may be tried before a
  // restart has verified the file (a failed sync is never repeated).
  bool fatal() const;
  Error error() const;  // store_failed or disk_full

 private:
  int code_;
};

class Statement {
 public:
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters are numbered from 1. Text and blobs are copied.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind(int index, std::string_view value);
  Statement& bind(int index, ByteView value);
  Statement& bind_null(int index);

  // True while there is a row. Throws StoreFault.
  bool step();
  // For statements without rows: steps once, then resets.
  void run();
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  std::string text(int column) const;
  Bytes blob(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  sqlite3_stmt* handle_;
};

class Database {
 public:
  enum class Mode { read_write, read_only };
  enum class Check { quick, always, none };
  // Opens and, in read_write mode, creates with 0600. Every page read from the file is compared
  // with its checksum (page_check.h). Refuses: store_failed (cannot open, not a database, damaged
  // by quick_check). `quick` reads through files no larger than limits::kQuickCheckBytes or without
  // page checksums, `always` any; `none` leaves it to the caller (`entente node check` reads all).
  static Result<Database> open(const std::string& path, Mode mode, Check check = Check::quick);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) = delete;
  ~Database();

  void exec(const char* sql);
  Statement prepare(std::string_view sql);
  // Prepared once and kept; reset and cleared at each call. Not re-entrant for the same text.
  Statement& cached(std::string_view sql);
  std::int64_t changes() const;
  // False after a fault that made SQLite undo the whole transaction by itself.
  bool in_transaction() const;
  // Ends every statement of this connection that still holds rows; their next step starts afresh.
  void reset_statements();
  // Pages in the WAL that no checkpoint has copied yet, as this connection's commits left them.
  std::int64_t wal_pages() const;
  // Copies the WAL into the file as far as readers allow.
  void checkpoint();
  // Copies what this connection sees into a new file, with checksums in its pages, and syncs it.
  // Inside a transaction that is the state at its beginning, whatever others write meanwhile.
  // `go_on` is told the share that is done, now and then; false ends it, and the result is false.
  bool copy_into(const std::string& path, const std::function<bool(double)>& go_on);

 private:
  struct State;
  explicit Database(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Brings a database to `migrations.size()` by running the missing ones, each in a transaction with
// its number (PRAGMA user_version). Refuses: version_too_new when the file is of a newer version.
[[nodiscard]] Outcome migrate(Database& database, const std::vector<const char*>& migrations);

}  // namespace entente::node
