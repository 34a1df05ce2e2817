#include "node/store/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <unordered_map>

#include "node/store/limits.h"
#include "node/store/page_check.h"

namespace entente::node {
namespace {

// Names the page, when it was one that failed its checksum.
StoreFault fault_of(std::string what, int code) {
  if (code == SQLITE_IOERR_DATA) {
    if (const auto page = take_damaged_page(); !page.empty()) what += "; " + page + " is damaged";
  }
  return StoreFault(what, code);
}

[[noreturn]] void raise(sqlite3* handle, const char* doing) {
  const int code = sqlite3_extended_errcode(handle);
  throw fault_of(std::string("SQLite failed while ") + doing + ": " + sqlite3_errmsg(handle), code);
}

// SQLite would create the file for everyone to read. Only when it does not exist yet: closing any
// descriptor of a file that SQLite has open would drop SQLite's locks on it.
void create_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);
}

}  // namespace

bool StoreFault::disk_full() const {
  return (code_ & 0xff) == SQLITE_FULL;
}

bool StoreFault::fatal() const {
  const int primary = code_ & 0xff;
  return primary == SQLITE_IOERR || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

Error StoreFault::error() const {
  return make_error(disk_full() ? ErrorCode::disk_full : ErrorCode::store_failed, what());
}

Statement::Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
Statement::~Statement() {
  sqlite3_finalize(handle_);
}

namespace {
void bound(sqlite3_stmt* handle, int code) {
  if (code != SQLITE_OK) raise(sqlite3_db_handle(handle), "binding a parameter");
}
}  // namespace

Statement& Statement::bind(int index, std::int64_t value) {
  bound(handle_, sqlite3_bind_int64(handle_, index, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  bound(handle_, sqlite3_bind_double(handle_, index, value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
  const char* text = value.data() == nullptr ? "" : value.data();
  bound(handle_,
        sqlite3_bind_text64(handle_, index, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind(int index, ByteView value) {
  // A null pointer would bind NULL instead of an empty blob.
  const void* data = value.empty() ? static_cast<const void*>("") : value.data();
  bound(handle_, sqlite3_bind_blob64(handle_, index, data, value.size(), SQLITE_TRANSIENT));
  return *this;
}

Statement& Statement::bind_null(int index) {
  bound(handle_, sqlite3_bind_null(handle_, index));
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  sqlite3* database = sqlite3_db_handle(handle_);
  const auto fault = fault_of(std::string("SQLite failed: ") + sqlite3_errmsg(database), code);
  sqlite3_reset(handle_);  // a half-run statement would keep the transaction from ending
  throw fault;
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

void Statement::reset() {
  sqlite3_reset(handle_);
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(handle_, column);
}
double Statement::real(int column) const {
  return sqlite3_column_double(handle_, column);
}

std::string Statement::text(int column) const {
  const auto* data = sqlite3_column_text(handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return data == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(data), size);
}

Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, column));
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return data == nullptr ? Bytes() : Bytes(data, data + size);
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

struct Database::State {
  static int note_wal_pages(void* self, sqlite3*, const char*, int pages) {
    auto& state = *static_cast<State*>(self);
    if (pages < state.wal_copied) state.wal_copied = 0;  // the WAL began anew
    state.wal_total = pages;
    return SQLITE_OK;
  }

  sqlite3* handle = nullptr;
  std::unordered_map<std::string, Statement> cache;
  std::int64_t wal_total = 0;   // frames in the WAL after the last commit
  std::int64_t wal_copied = 0;  // of those, copied into the file

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    cache.clear();
    sqlite3_close_v2(handle);
  }
};

namespace {

// Rows of `sql` as text, first column only.
std::string first_text(sqlite3* handle, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(handle, sql, -1, &statement, nullptr) != SQLITE_OK) {
    raise(handle, "opening");
  }
  const int code = sqlite3_step(statement);
  std::string text;
  if (code == SQLITE_ROW && sqlite3_column_text(statement, 0) != nullptr) {
    text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE) raise(handle, "opening");
  return text;
}

// Each page tells by itself whether it is as it was written; reading all of a large file for what
// only a fault of SQLite's could leave would make opening as slow as the file is large.
bool is_to_be_read_through(const std::string& path) {
  std::error_code ignored;
  const auto bytes = std::filesystem::file_size(path, ignored);
  return ignored || bytes <= limits::kQuickCheckBytes || !has_page_checks(path);
}

void configure(sqlite3* handle, Database::Mode mode) {
  const bool writes = mode == Database::Mode::read_write;
  sqlite3_busy_timeout(handle, limits::kBusyTimeoutMs);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  // The connection that writes is the only one that checkpoints, at its close too.
  if (!writes) sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  first_text(handle, "PRAGMA cell_size_check=ON");
  first_text(handle, "PRAGMA mmap_size=0");
  first_text(handle, "PRAGMA temp_store=MEMORY");
  first_text(handle, "PRAGMA foreign_keys=ON");
  if (!writes) {
    first_text(handle, "PRAGMA query_only=ON");
    return;
  }
  if (const auto mode_text = first_text(handle, "PRAGMA journal_mode=WAL"); mode_text != "wal") {
    throw StoreFault("the file cannot be kept in WAL mode, only in " + mode_text, SQLITE_ERROR);
  }
  first_text(handle, "PRAGMA synchronous=FULL");
  const auto kept = "PRAGMA journal_size_limit=" + std::to_string(limits::kWalKeptBytes);
  first_text(handle, kept.c_str());
}

}  // namespace

Database::Database(std::unique_ptr<State> state) : state_(std::move(state)) {}
Database::Database(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, Mode mode, Check check) {
  const bool writes = mode == Mode::read_write;
  if (writes) create_private(path);
  auto state = std::make_unique<State>();
  const int flags = (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  // Looked at before the connection stands: closing any descriptor of the file drops the locks that
  // this process holds on it.
  const bool reads_through =
      writes && (check == Check::always || (check == Check::quick && is_to_be_read_through(path)));
  const int code = sqlite3_open_v2(path.c_str(), &state->handle, flags, page_check_vfs());
  if (code != SQLITE_OK) {
    return make_error(ErrorCode::store_failed,
                      "the database " + path + " cannot be opened: " + sqlite3_errstr(code));
  }
  int reserved = kPageCheckBytes;  // taken by a new file; an older one keeps its layout
  sqlite3_file_control(state->handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  try {
    configure(state->handle, mode);
    if (reads_through) {
      auto verdict = first_text(state->handle, "PRAGMA quick_check(1)");
      if (verdict != "ok") {
        if (const auto page = take_damaged_page(); !page.empty()) verdict = page;
        return make_error(ErrorCode::store_failed,
                          "the database " + path + " is damaged: " + verdict,
                          "run 'entente node check'; restore the latest backup, keep the file");
      }
    }
  } catch (const StoreFault& fault) {
    auto error = fault.error();
    error.what = "the database " + path + " cannot be used: " + error.what;
    return error;
  }
  sqlite3_wal_hook(state->handle, State::note_wal_pages, state.get());  // replaces auto-checkpoint
  return Database(std::move(state));
}

void Database::exec(const char* sql) {
  if (sqlite3_exec(state_->handle, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    raise(state_->handle, "running a command");
  }
}

Statement Database::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v3(state_->handle, sql.data(), static_cast<int>(sql.size()), 0, &handle,
                         nullptr) != SQLITE_OK) {
    raise(state_->handle, "preparing a statement");
  }
  return Statement(handle);
}

Statement& Database::cached(std::string_view sql) {
  auto [entry, fresh] = state_->cache.try_emplace(std::string(sql), Statement(nullptr));
  if (fresh) {
    try {
      const int code =
          sqlite3_prepare_v3(state_->handle, sql.data(), static_cast<int>(sql.size()),
                             SQLITE_PREPARE_PERSISTENT, &entry->second.handle_, nullptr);
      if (code != SQLITE_OK) raise(state_->handle, "preparing a statement");
    } catch (...) {
      state_->cache.erase(entry);
      throw;
    }
  }
  entry->second.reset();
  sqlite3_clear_bindings(entry->second.handle_);
  return entry->second;
}

std::int64_t Database::changes() const {
  return sqlite3_changes64(state_->handle);
}
bool Database::in_transaction() const {
  return sqlite3_get_autocommit(state_->handle) == 0;
}

void Database::reset_statements() {
  for (auto* each = sqlite3_next_stmt(state_->handle, nullptr); each != nullptr;
       each = sqlite3_next_stmt(state_->handle, each)) {
    if (sqlite3_stmt_busy(each) != 0) sqlite3_reset(each);
  }
}

std::int64_t Database::wal_pages() const {
  return state_->wal_total - state_->wal_copied;
}

void Database::checkpoint() {
  int in_log = 0;
  int copied = 0;
  const int code = sqlite3_wal_checkpoint_v2(state_->handle, nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                             &in_log, &copied);
  if (code != SQLITE_OK && code != SQLITE_BUSY) raise(state_->handle, "copying the WAL");
  if (in_log < 0) return;
  state_->wal_total = in_log;
  state_->wal_copied = copied;
}

bool Database::copy_into(const std::string& path, const std::function<bool(double)>& go_on) {
  constexpr int kPagesAtOnce = 1'024;
  create_private(path);
  State target;
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path.c_str(), &target.handle, flags, page_check_vfs()) != SQLITE_OK) {
    raise(target.handle, "making a copy");
  }
  int reserved = kPageCheckBytes;
  sqlite3_file_control(target.handle, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
  // Nobody reads the copy before it is whole: no journal; one sync at its end.
  first_text(target.handle, "PRAGMA journal_mode=OFF");
  sqlite3_backup* copy = sqlite3_backup_init(target.handle, "main", state_->handle, "main");
  if (copy == nullptr) raise(target.handle, "making a copy");
  int code = SQLITE_OK;
  bool going = true;
  while (going && (code = sqlite3_backup_step(copy, kPagesAtOnce)) == SQLITE_OK) {
    const int pages = std::max(sqlite3_backup_pagecount(copy), 1);
    going = go_on(1.0 - static_cast<double>(sqlite3_backup_remaining(copy)) / pages);
  }
  sqlite3_backup_finish(copy);
  if (!going) return false;
  if (code != SQLITE_DONE) throw fault_of("SQLite failed while making a copy", code);
  return true;
}

Outcome migrate(Database& database, const std::vector<const char*>& migrations) {
  try {
    std::int64_t version = 0;
    {
      auto query = database.prepare("PRAGMA user_version");
      if (query.step()) version = query.integer(0);
    }
    const auto newest = static_cast<std::int64_t>(migrations.size());
    if (version > newest) {
      return make_error(ErrorCode::version_too_new,
                        "the database has version " + std::to_string(version) +
                            "; this program knows versions up to " + std::to_string(newest));
    }
    for (; version < newest; ++version) {
      database.exec("BEGIN IMMEDIATE");
      try {
        database.exec(migrations[static_cast<std::size_t>(version)]);
        database.exec(("PRAGMA user_version=" + std::to_string(version + 1)).c_str());
        database.exec("COMMIT");
      } catch (...) {
        if (database.in_transaction()) database.exec("ROLLBACK");
        throw;
      }
    }
  } catch (const StoreFault& fault) {
    return fault.error();
  }
  return {};
}

}  // namespace entente::node
