#include "node/backup/backup.h"

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
  static const std::set<std::string> kFolders{"run", "backups"};
  static const std::set<std::string> kEndings{".lock",   ".new",    ".part",
                                              ".db-wal", ".db-shm", ".db"};
  if (kNames.contains(name.generic_string())) return true;
  if (kFolders.contains(name.begin()->string())) return true;
  const std::string text = name.filename().string();
  return std::any_of(kEndings.begin(), kEndings.end(),
                     [&](const std::string& ending) { return text.ends_with(ending); });
}

// Regular files of the home, sorted; links are not followed.
std::vector<fs::path> plain_files(const std::string& home) {
  std::vector<fs::path> files;
  for (auto entry = fs::recursive_directory_iterator(home);
       entry != fs::recursive_directory_iterator(); ++entry) {
    const fs::path name = fs::relative(entry->path(), home);
    if (entry->is_symlink()) continue;
    if (entry->is_directory() && is_left_out(name)) entry.disable_recursion_pending();
    if (entry->is_regular_file() && !is_left_out(name)) files.push_back(name);
  }
  std::sort(files.begin(), files.end());
  return files;
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

Outcome check_room(const BackupSource& source) {
  std::uint64_t wanted = 0;
  std::error_code failed;
  for (const char* name : kDatabases) wanted += fs::file_size(source.home + "/" + name, failed);
  const auto room = fs::space(source.home, failed);
  if (failed || room.available > 2 * wanted) return {};
  return make_error(ErrorCode::disk_full,
                    "a backup takes " + std::to_string(2 * wanted >> 20) + " MiB for a while; " +
                        std::to_string(room.available >> 20) + " MiB are free",
                    "free space, then try again");
}

Outcome write_mark(const std::string& home, const RestoreMark& mark) {
  const json::object object{
      {"complete", mark.complete}, {"created_ns", mark.created.ns}, {"source", mark.source}};
  return write_private(home + "/" + kMark, bytes_of(json::serialize(object)));
}

Outcome make_empty_home(const std::string& home) {
  std::error_code failed;
  if (fs::exists(home, failed) && !fs::is_empty(home, failed)) {
    return make_error(ErrorCode::conflict, home + " is not empty",
                      "restore into an empty folder; nothing is ever written over");
  }
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

std::uint64_t backup_bytes(const std::string& home) {
  std::uint64_t bytes = 0;
  std::error_code failed;
  for (const char* name : kDatabases) {
    const auto size = fs::file_size(home + "/" + name, failed);
    if (!failed) bytes += size;
  }
  for (const fs::path& name : plain_files(home)) {
    const auto size = fs::file_size(home / name, failed);
    if (!failed) bytes += size;
  }
  return bytes;
}

Result<BackupContents> create_backup(const BackupSource& source, const fs::path& path,
                                     Random& random, const BackupProgress& progress) {
  if (auto room = check_room(source); !room) return std::move(room).error();
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
  for (const fs::path& name : plain_files(source.home)) {
    if (auto added = add(name.generic_string(), source.home / name); !added) {
      return std::move(added).error();
    }
  }
  if (auto finished = (*writer)->finish(); !finished) return std::move(finished).error();
  writer->reset();
  if (::link(partial.c_str(), path.c_str()) != 0) {  // never over another file
    return make_error(ErrorCode::conflict, path.string() + " cannot be made",
                      "name another file: a backup is never written over");
  }
  fs::remove(partial, ignored);
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
