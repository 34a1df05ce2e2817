#include "node/backup/backup.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "node/daemon/keyring.h"
#include "node/store/page_check.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;
using security::Vault;

namespace fs = std::filesystem;

namespace {

std::string text_in(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_in(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// A home with two databases of some pages, and files that belong into a backup or not.
struct Home {
  node::test::TemporaryFolder folder;
  std::string path = folder / "home";
  SeededRandom random{42};
  std::optional<Vault> vault;
  std::optional<Database> entente;
  std::optional<Database> history;

  Home() {
    fs::create_directories(path);
    vault.emplace(*Vault::create(path + "/vault.key", random));
    for (auto* database : {&entente, &history}) {
      const char* name = database == &entente ? "/entente.db" : "/history.db";
      database->emplace(*Database::open(path + name, Database::Mode::read_write));
      (*database)->exec("CREATE TABLE t (n INTEGER PRIMARY KEY, b BLOB)");
      for (int i = 0; i < 300; ++i) add(**database);
    }
    write_in(path + "/provision.d/air.toml", "[domain.air]");
    write_in(path + "/keys/root.sealed", "sealed");
    write_in(path + "/keys/ledger.head", "1 head");
    write_in(path + "/admin.token", "ENTT1.secret");
    write_in(path + "/run/http.port", "80");
    write_in(path + "/ballast", std::string(1'000, 'x'));
  }
  void add(Database& database) {
    Bytes bytes(1'000);
    random.fill(bytes);
    database.cached("INSERT INTO t (b) VALUES (?)").bind(1, ByteView(bytes)).run();
  }
  BackupDescription description() const {
    BackupDescription out;
    out.name = "works";
    out.site = "main";
    out.version = "0";
    out.created = Instant{5};
    out.vault = vault->fingerprint();
    return out;
  }
  Result<BackupContents> back_up(const std::string& file, const BackupProgress& progress = {}) {
    auto one = *Database::open(path + "/entente.db", Database::Mode::read_only);
    auto two = *Database::open(path + "/history.db", Database::Mode::read_only);
    return create_backup({path, one, two, *vault, description()}, file, random, progress);
  }
  std::string at(const char* name) const { return folder / name; }
};

std::int64_t rows_in(const std::string& path) {
  auto database = *Database::open(path, Database::Mode::read_write, Database::Check::always);
  auto count = database.prepare("SELECT count(*) FROM t");
  REQUIRE(count.step());
  return count.integer(0);
}

}  // namespace

TEST_SUITE("node/backup") {
  TEST_CASE("a backup brings back databases and files as they stood and no key or token") {
    Home home;
    const auto made = home.back_up(home.at("a.backup"));
    REQUIRE_MESSAGE(made, made.error().what);
    CHECK(made->files == 4);  // two databases, one key, one declaration
    for (int i = 0; i < 50; ++i) home.add(*home.entente);  // after it

    const auto described = describe_backup(home.at("a.backup"));
    REQUIRE(described);
    CHECK(described->name == "works");
    CHECK(described->created == Instant{5});
    const auto verified = read_backup(home.at("a.backup"), *home.vault, {}, {});
    REQUIRE_MESSAGE(verified, verified.error().what);
    CHECK(verified->files == 4);
    CHECK(verified->bytes == made->bytes);

    const std::string target = home.at("restored");
    const auto restored = restore_backup(home.at("a.backup"), *home.vault, target, home.random, {});
    REQUIRE_MESSAGE(restored, restored.error().what);
    CHECK(rows_in(target + "/entente.db") == 300);
    CHECK(rows_in(target + "/history.db") == 300);
    CHECK(rows_in(home.path + "/entente.db") == 350);
    CHECK(text_in(target + "/provision.d/air.toml") == "[domain.air]");
    CHECK(text_in(target + "/keys/root.sealed") == "sealed");
    CHECK_FALSE(fs::exists(target + "/keys/ledger.head"));
    CHECK_FALSE(fs::exists(target + "/run"));
    CHECK(text_in(target + "/admin.token").starts_with("ENTT1."));
    CHECK(text_in(target + "/admin.token") != "ENTT1.secret");
    CHECK(Vault::open_file(target + "/vault.key")->fingerprint() == home.vault->fingerprint());
    const auto mark = restore_mark(target);
    REQUIRE(mark);
    REQUIRE(*mark);
    CHECK((*mark)->complete);
  }

  TEST_CASE("a copy is of one moment though others write all the while") {
    Home home;
    for (int i = 0; i < 6'000; ++i) home.add(*home.entente);  // some 1,500 pages: several steps
    const std::int64_t rows = rows_in(home.path + "/entente.db");
    auto reader = *Database::open(home.path + "/entente.db", Database::Mode::read_only);
    int told = 0;
    reader.exec("BEGIN");
    auto held = reader.prepare("SELECT count(*) FROM sqlite_schema");
    REQUIRE(held.step());
    const auto writes = [&](double) {
      ++told;
      for (int i = 0; i < 50; ++i) home.add(*home.entente);
      return true;
    };
    REQUIRE(reader.copy_into(home.at("copy.db"), writes));
    CHECK(told >= 1);
    CHECK(rows_in(home.at("copy.db")) == rows);
    CHECK(rows_in(home.path + "/entente.db") == rows + 50 * told);
    // Told to end in the middle, it ends.
    CHECK_FALSE(reader.copy_into(home.at("cut.db"), [](double) { return false; }));
  }

  TEST_CASE("a link in the home is refused by name rather than left out") {
    Home home;
    fs::create_symlink("/etc/hostname", home.path + "/provision.d/linked.toml");
    const auto made = home.back_up(home.at("a.backup"));
    REQUIRE_FALSE(made);
    CHECK(made.error().what.find("linked.toml") != std::string::npos);
    CHECK_FALSE(backup_bytes(home.path, home.path + "/backups").has_value());
  }

  TEST_CASE("every page of a copied database carries its checksum also those out of the WAL") {
    Home home;
    auto reader = *Database::open(home.path + "/entente.db", Database::Mode::read_only);
    REQUIRE(reader.copy_into(home.at("copy.db"), [](double) { return true; }));
    const auto scan = scan_pages(home.at("copy.db"));
    REQUIRE(scan);
    CHECK(scan->checked);
    CHECK(scan->pages > 50);
    CHECK(scan->damaged.empty());
  }

  TEST_CASE("a changed cut or foreign backup is refused at every place that was tried") {
    Home home;
    REQUIRE(home.back_up(home.at("a.backup")));
    const std::string good = text_in(home.at("a.backup"));
    SeededRandom random(11);
    std::size_t tried = 0;
    const auto refused = [&](const std::string& bytes) {
      write_in(home.at("b.backup"), bytes);
      ++tried;
      return !read_backup(home.at("b.backup"), *home.vault, {}, {});
    };
    for (int i = 0; i < 150; ++i) {
      std::string changed = good;
      const std::size_t at = i < 100 ? static_cast<std::size_t>(i) * 3  // the head, closely
                                     : random.below(good.size());
      changed[at] = static_cast<char>(changed[at] ^ (1 << random.below(8)));
      CAPTURE(at);
      CHECK(refused(changed));
    }
    for (int i = 0; i < 50; ++i) CHECK(refused(good.substr(0, random.below(good.size()))));
    CHECK(refused(good + "x"));
    MESSAGE(tried << " damaged backups, of " << good.size() << " bytes");
    CHECK_FALSE(refused(good));  // the control

    auto other = *Vault::create(home.at("other.key"), home.random);
    const auto foreign = read_backup(home.at("a.backup"), other, {}, {});
    REQUIRE_FALSE(foreign);
    CHECK(foreign.error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("nothing is written over and a stopped backup leaves nothing behind") {
    Home home;
    REQUIRE(home.back_up(home.at("a.backup")));
    const std::string before = text_in(home.at("a.backup"));
    const auto again = home.back_up(home.at("a.backup"));
    REQUIRE_FALSE(again);
    CHECK(again.error().code == ErrorCode::conflict);
    CHECK(text_in(home.at("a.backup")) == before);

    const auto stopped = home.back_up(home.at("b.backup"), [](std::uint64_t) { return false; });
    REQUIRE_FALSE(stopped);
    CHECK_FALSE(fs::exists(home.at("b.backup")));
    CHECK_FALSE(fs::exists(home.at("b.backup.part")));
    CHECK(std::distance(fs::directory_iterator(home.path + "/run"), {}) == 1);

    const auto onto = restore_backup(home.at("a.backup"), *home.vault, home.path, home.random, {});
    REQUIRE_FALSE(onto);
    CHECK(onto.error().code == ErrorCode::conflict);
  }

  TEST_CASE("a restore that did not finish is told at the next start") {
    Home home;
    REQUIRE(home.back_up(home.at("a.backup")));
    std::string bytes = text_in(home.at("a.backup"));
    bytes.resize(bytes.size() - 20);
    write_in(home.at("b.backup"), bytes);
    const std::string target = home.at("half");
    REQUIRE_FALSE(restore_backup(home.at("b.backup"), *home.vault, target, home.random, {}));
    const auto mark = restore_mark(target);
    REQUIRE(mark);
    REQUIRE(*mark);
    CHECK_FALSE((*mark)->complete);
  }
}
