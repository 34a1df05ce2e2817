#include "node/backup/backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>
#include <vector>

#include "node/daemon/keyring.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr const char* kMark = "restored.json";
constexpr const char* kDatabases[] = {"entente.db", "history.db"};

// What is not copied: made anew at each start, kept apart on purpose, or copied as a database.
bool is_left_out(const fs::path& name) {
  static const std::set<std::string> kNames{"vault.key", "vault.sealed",     "admin.token",
                                            "ballast",   "keys/ledger.head", kMark};
  static const std::set<std::string> kFolders{"run", "backups", "lost+found"};
  static const std::set<std::string> kEndings{".lock",   ".new",    ".part",
                                              ".db-wal", ".db-shm", ".db"};
  if (kNames.contains(name.generic_string())) return true;
  if (kFolders.contains(name.begin()->string())) return true;
  const std::string text = name.filename().string();
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const std::string& ending) { return text.ends_with(ending); });
}

// Regular files of the home, sorted.
Result<std::vector<fs::path>> plain_files(const std::string& home, const fs::path& without) {
  std::vector<fs::path> files;
  std::error_code failed;
  const fs::path apart = fs::weakly_canonical(without, failed);
  const auto options = fs::directory_options::skip_permission_denied;
  for (fs::recursive_directory_iterator entry(home, options, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const fs::path name = fs::relative(entry->path(), home);
    const bool left_out = is_left_out(name) || fs::weakly_canonical(entry->path(), failed) == apart;
    if (entry->is_directory(failed) && left_out) entry.disable_recursion_pending();
    if (left_out) continue;
    if (entry->is_symlink(failed)) {
      return make_error(
          ErrorCode::conflict,
          entry->path().string() + " is a link: a backup would not hold what it names",
          "put the file itself there");
    }
    if (entry->is_regular_file(failed)) files.push_back(name);
  }
  if (failed) {
    return make_error(ErrorCode::store_failed, "cannot read " + home + ": " + failed.message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Outcome sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (synced) return {};
  return make_error(ErrorCode::store_failed, "cannot sync " + folder.string());
}

// Under its own name, never over another file.
Outcome give_name(const fs::path& partial, const fs::path& path) {
  int failed = ::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
  const bool unknown = failed != 0 && (errno == EINVAL || errno == ENOSYS);
  if (unknown && !fs::exists(path)) failed = ::rename(partial.c_str(), path.c_str());
  if (failed == 0) return sync_folder(path.parent_path().empty() ? "." : path.parent_path());
  std::error_code ignored;
  fs::remove(partial, ignored);
  return make_error(ErrorCode::conflict, path.string() + " exists already",
                    "name another file: a backup is never written over");
}

// Copies of databases on their way into a backup; gone afterwards.
class Copies {
 public:
  static Result<Copies> make(const std::string& home) {
    std::string folder = home + "/run/backup-XXXXXX";
    std::error_code failed;
    fs::create_directories(home + "/run", failed);
    if (::mkdtemp(folder.data()) == nullptr) {
      return make_error(ErrorCode::store_failed, "cannot make a folder in " + home + "/run");
    }
    return Copies(folder);
  }
  Copies(Copies&& other) noexcept : folder_(std::move(other.folder_)) { other.folder_.clear(); }
  Copies& operator=(Copies&&) = delete;
  ~Copies() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  fs::path at(const char* name) const { return fs::path(folder_) / name; }

 private:
  explicit Copies(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

// Begins to read: from now on the connection sees one state, whatever is written meanwhile.
void hold_state(Database& database) {
  database.exec("BEGIN");
  auto first = database.prepare("SELECT count(*) FROM sqlite_schema");
  first.step();
}

void let_go(Database& database) {
  database.reset_statements();
  database.exec("ROLLBACK");
}

std::uint64_t database_bytes(const std::string& home) {
  std::uint64_t bytes = 0;
  for (const char* name : kDatabases) {
    for (const char* part : {"", "-wal"}) {
      std::error_code failed;
      const auto size = fs::file_size(home + "/" + name + part, failed);
      if (!failed) bytes += size;
    }
  }
  return bytes;
}

// Copies in the home, then the backup itself, which is no larger.
Outcome check_room(const BackupSource& source, const fs::path& path) {
  const std::uint64_t wanted = database_bytes(source.home);
  std::error_code failed;
  const auto copies = fs::space(source.home, failed);
  const auto target = fs::space(path.parent_path().empty() ? "." : path.parent_path(), failed);
  if (failed || (copies.available > 2 * wanted && target.available > wanted)) return {};
  return make_error(ErrorCode::disk_full,
                    "a backup takes " + std::to_string(2 * wanted >> 20) +
                        " MiB in the node's folder for a while, and " +
                        std::to_string(wanted >> 20) + " MiB where it is made",
                    "free space, then try again");
}

Outcome write_mark(const std::string& home, const RestoreMark& mark) {
  const json::object object{
      {"complete", mark.complete}, {"created_ns", mark.created.ns}, {"source", mark.source}};
  return write_private(home + "/" + kMark, bytes_of(json::serialize(object)));
}

Outcome make_empty_home(const std::string& home) {
  std::error_code failed;
  bool empty = true;
  for (const auto& entry : fs::directory_iterator(home, failed)) {
    empty = empty && entry.path().filename() == "lost+found";  // of a disk of its own
  }
  if (!empty) {
    return make_error(ErrorCode::conflict, home + " is not empty",
                      "restore into an empty folder; nothing is ever written over");
  }
  failed.clear();
  fs::create_directories(home, failed);
  if (!failed) fs::permissions(home, fs::perms::owner_all, failed);
  if (failed) {
    return make_error(ErrorCode::store_failed, "cannot make " + home + ": " + failed.message());
  }
  return {};
}

Outcome write_keys(const std::string& home, const BackupDescription& description,
                   const security::Vault& vault, Random& random) {
  const bool wrapped = !description.wrapped.empty();
  const security::Secret master = vault.master();
  const auto key = wrapped ? write_private(home + "/vault.sealed", description.wrapped)
                           : write_private(home + "/vault.key", master.view());
  if (!key) return key;
  std::array<std::uint8_t, 32> token{};
  random.fill(token);
  return write_private(home + "/admin.token", bytes_of("ENTT1." + to_base64url(token)));
}

}  // namespace

Result<std::uint64_t> backup_bytes(const std::string& home, const std::string& folder) {
  auto files = plain_files(home, folder);
  if (!files) return std::move(files).error();
  std::uint64_t bytes = database_bytes(home);
  for (const fs::path& name : *files) {
    std::error_code failed;
    const auto size = fs::file_size(home / name, failed);
    if (!failed) bytes += size;
  }
  return bytes;
}

void sweep_backup_copies(const std::string& home) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(home + "/run", ignored)) {
    if (entry.path().filename().string().starts_with("backup-")) {
      fs::remove_all(entry.path(), ignored);
    }
  }
}

Result<BackupContents> create_backup(const BackupSource& source, const fs::path& path,
                                     Random& random, const BackupProgress& progress) {
  if (auto room = check_room(source, path); !room) return std::move(room).error();
  auto files = plain_files(source.home, path.parent_path());
  if (!files) return std::move(files).error();
  auto copies = Copies::make(source.home);
  if (!copies) return std::move(copies).error();
  // Both are held at one moment; the ledger last, so that it knows all that the history knows.
  hold_state(source.history);
  hold_state(source.entente);
  const auto go_on = [&progress](double) { return !progress || progress(0); };
  bool copied = source.entente.copy_into(copies->at("entente.db").string(), go_on);
  let_go(source.entente);
  copied = copied && source.history.copy_into(copies->at("history.db").string(), go_on);
  let_go(source.history);
  if (!copied) return make_error(ErrorCode::deadline_exceeded, "it was stopped before its end");

  const fs::path partial = path.string() + ".part";
  std::error_code ignored;
  fs::remove(partial, ignored);
  if (fs::exists(path)) {
    return make_error(ErrorCode::conflict, path.string() + " exists already",
                      "name another file: a backup is never written over");
  }
  auto writer = BackupWriter::begin(partial, source.description, source.vault, random, progress);
  if (!writer) return std::move(writer).error();
  BackupContents contents;
  const auto add = [&](const std::string& name, const fs::path& file) -> Outcome {
    contents.files += 1;
    contents.bytes += fs::file_size(file, ignored);
    return (*writer)->add(name, file);
  };
  for (const char* name : kDatabases) {
    if (auto added = add(name, copies->at(name)); !added) return std::move(added).error();
  }
  for (const fs::path& name : *files) {
    if (auto added = add(name.generic_string(), source.home / name); !added) {
      return std::move(added).error();
    }
  }
  if (auto finished = (*writer)->finish(); !finished) return std::move(finished).error();
  writer->reset();
  if (auto named = give_name(partial, path); !named) return std::move(named).error();
  return contents;
}

Result<BackupContents> restore_backup(const fs::path& path, const security::Vault& vault,
                                      const std::string& home, Random& random,
                                      const BackupProgress& progress) {
  auto description = describe_backup(path);
  if (!description) return std::move(description).error();
  if (auto made = make_empty_home(home); !made) return std::move(made).error();
  RestoreMark mark{false, description->created, path.string()};
  if (auto marked = write_mark(home, mark); !marked) return std::move(marked).error();
  auto contents = read_backup(path, vault, home, progress);
  if (!contents) return contents;
  if (auto written = write_keys(home, *description, vault, random); !written) {
    return std::move(written).error();
  }
  for (const char* folder : {"", "/keys"}) {
    if (auto synced = sync_folder(home + folder); !synced) return std::move(synced).error();
  }
  mark.complete = true;
  if (auto marked = write_mark(home, mark); !marked) return std::move(marked).error();
  return contents;
}

Result<std::optional<RestoreMark>> restore_mark(const std::string& home) {
  const std::string path = home + "/" + kMark;
  if (!fs::exists(path)) return std::optional<RestoreMark>();
  auto text = read_file(path, 4'096);
  if (!text) return std::move(text).error();
  boost::system::error_code failed;
  const json::value value = json::parse(text_of(*text), failed);
  const json::object* object = failed ? nullptr : value.if_object();
  const json::value* complete = object == nullptr ? nullptr : object->if_contains("complete");
  const json::value* created = object == nullptr ? nullptr : object->if_contains("created_ns");
  const json::value* source = object == nullptr ? nullptr : object->if_contains("source");
  if (complete == nullptr || !complete->is_bool() || created == nullptr || !created->is_int64() ||
      source == nullptr || !source->is_string()) {
    return make_error(ErrorCode::config_invalid, path + " does not read",
                      "restore the backup again, into an empty folder");
  }
  return std::optional(RestoreMark{complete->get_bool(), Instant{created->get_int64()},
                                   std::string(source->get_string())});
}

Outcome clear_restore_mark(const std::string& home) {
  std::error_code failed;
  fs::remove(home + "/" + kMark, failed);
  if (!failed) return {};
  return make_error(ErrorCode::store_failed, "cannot remove " + home + "/" + kMark);
}

}  // namespace entente::node
