// What people type and what files hold: refused with the place named, and nothing half done.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <sstream>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Ends with this exit code and says this on standard error.
void check_refused(const Finished& finished, int exit_code, const std::string& says) {
  INFO(finished.words, finished.out);
  CHECK(finished.exit_code == exit_code);
  CHECK(contains(finished.words, says));
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The number of the first line of `text` that holds `part`, from 1.
std::string line_of(const std::string& text, const std::string& part) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return std::to_string(1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
}

std::size_t agreements_of(const TestNode& node) {
  return node.json({"agreement", "list"}).at("items").as_array().size();
}

}  // namespace

TEST_SUITE("integration/bad_input") {
  TEST_CASE("a configuration with an unknown word refuses to load and names file and line") {
    TemporaryFolder folder;
    TestNode node("works", folder.path());
    node.init();
    const std::filesystem::path config = node.home() / "entente.toml";
    const std::string good = content_of(config);
    const std::string bad = replaced(good, "[ask]", "[ask]\ngird = \"10ms\"");
    write_text(config, bad);
    CHECK_FALSE(node.start());
    CHECK(node.ended() == 2);
    CHECK(contains(node.log(), "entente.toml:" + line_of(bad, "gird")));
    CHECK(contains(node.log(), "gird"));
    write_text(config, good);
    // The same holds for what is declared in provision.d.
    const MeterFiles files = write_meter_files(folder.path());
    const std::string exports = replaced(content_of(files.exports), "tick = ", "tack = ");
    write_text(node.home() / "provision.d" / "exports.toml", exports);
    CHECK_FALSE(node.start());
    CHECK(node.ended() == 2);
    CHECK(contains(node.log(), "exports.toml:" + line_of(exports, "tack")));
    std::filesystem::remove(node.home() / "provision.d" / "exports.toml");
    CHECK(node.start());
  }

  TEST_CASE("invitations that are malformed, changed, used or expired link nobody") {
    TemporaryFolder folder;
    TestNode office("office", folder.path());
    TestNode works("works", folder.path());
    TestNode third("third", folder.path());
    for (TestNode* node : {&office, &works, &third}) {
      node->init();
      REQUIRE(node->start());
    }
    const std::string token = text_at(office.json({"link", "invite", "works"}), "token");
    check_refused(works.run({"link", "accept", "hello"}), 2, "ENT-2001");
    check_refused(works.run({"link", "accept", token.substr(0, token.size() / 2)}), 2, "ENT-2001");
    std::string changed = token;
    char& letter = changed[changed.size() / 2];
    letter = letter == 'A' ? 'B' : 'A';
    const Finished tampered = works.run({"link", "accept", changed});
    INFO(tampered.words);
    CHECK(tampered.exit_code != 0);
    CHECK(works.json({"link", "list"}).at("items").as_array().empty());

    const json::value accepted = works.json({"link", "accept", token});
    const Finished reused = third.run({"link", "accept", token});
    INFO(reused.words);
    CHECK((reused.exit_code == 4 || reused.exit_code == 6));
    CHECK(third.json({"link", "list"}).at("items").as_array().empty());
    check_refused(works.run({"link", "confirm", "office", "--words", "one two three"}), 8,
                  "ENT-8001");
    CHECK(text_at(listed_link(works, "office"), "state") == "pending");
    works.json({"link", "confirm", "office", "--words", text_at(accepted, "words")});

    const std::string brief =
        text_at(office.json({"link", "invite", "third", "--expires", "1s"}), "token");
    until("the invitation has expired", [&] { return listed_link(office, "third").is_null(); });
    check_refused(third.run({"link", "accept", brief}), 2, "ENT-2001");
    CHECK(third.json({"link", "list"}).at("items").as_array().empty());
  }

  TEST_CASE("bad rows are kept aside with line and reason while the rest goes in") {
    TemporaryFolder folder;
    const MeterFiles files = write_meter_files(folder.path());
    TestNode node("works", folder.path());
    init_provider(node, files);
    REQUIRE(node.start());
    apply_twins(node, files);
    const std::string map = files.map.string();
    const auto csv = [&](const std::string& text) {
      const std::filesystem::path path = folder.path() / "some.csv";
      write_text(path, text);
      return path.string();
    };
    check_refused(node.run({"ingest", (folder.path() / "none.csv").string(), "--map", map}), 1,
                  "none.csv");
    const json::value done = node.json({"ingest",
                                        csv("time,meter-1,meter-2\n"
                                            "2025-03-01T00:00:00Z,21,22\n"
                                            "yesterday,21,22\n"
                                            "2025-03-01T08:00:00Z,much,22\n"
                                            "2025-03-01T12:00:00Z,21,22\n"),
                                        "--map", map});
    INFO(json::serialize(done));
    CHECK(done.at("accepted").to_number<int>() == 5);
    CHECK(done.at("rejected").at(0).at("line").to_number<int>() == 3);
    CHECK(contains(text_at(done.at("rejected").at(0), "reason"), "time"));
    CHECK(done.at("rejected").at(1).at("line").to_number<int>() == 4);
    CHECK_FALSE(text_at(done.at("rejected").at(1), "reason").empty());
    CHECK(node.json({"twin", "show", "meter-2"}).at("readings").to_number<int>() == 3);

    // A signal or a twin that nobody defined: each line says so, nothing is made up.
    const std::filesystem::path lines = folder.path() / "some.jsonl";
    write_text(lines,
               R"({"twin":"meter-1","signal":"laod","time":"2025-03-02T00:00:00Z","value":1})"
               "\n"
               R"({"twin":"meter-99","signal":"load","time":"2025-03-02T00:00:00Z","value":1})"
               "\n"
               R"({"twin":"meter-3","signal":"load","time":"2025-03-02T00:00:00Z","value":1})"
               "\n"
               "no json\n");
    const json::value strange = node.json({"ingest", lines.string()});
    INFO(json::serialize(strange));
    CHECK(strange.at("accepted").to_number<int>() == 1);
    CHECK(strange.at("rejected_rows").to_number<int>() == 3);
    CHECK(contains(text_at(strange.at("rejected").at(0), "reason"), "laod"));
    CHECK(contains(text_at(strange.at("rejected").at(1), "reason"), "meter-99"));
    CHECK(strange.at("rejected").at(2).at("line").to_number<int>() == 4);
  }

  TEST_CASE("a database of a newer version is refused with exit 9 and left as it is") {
    TemporaryFolder folder;
    TestNode node("works", folder.path());
    node.init();
    REQUIRE(node.start());
    CHECK(node.stop() == 0);
    for (const char* name : {"entente.db", "history.db"}) {
      CAPTURE(name);
      const auto set_version = [&](const std::string& sql) {
        sqlite3* database = nullptr;
        const std::string path = (node.home() / name).string();
        REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
        // Only a node writes into the file itself, where pages have checksums.
        sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        std::string old;
        const auto keep = [](void* into, int, char** values, char**) {
          *static_cast<std::string*>(into) = values[0];
          return 0;
        };
        REQUIRE(sqlite3_exec(database, "PRAGMA user_version", keep, &old, nullptr) == SQLITE_OK);
        REQUIRE(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
        sqlite3_close(database);
        return old;
      };
      const std::string now = set_version("PRAGMA user_version = 999");
      CHECK_FALSE(node.start());
      CHECK(node.ended() == 9);
      CHECK(contains(node.log(), name));
      CHECK(set_version("PRAGMA user_version = " + now) == "999");
    }
    CHECK(node.start());
  }

  TEST_CASE("a port in use and a home in use are refused with exit 7") {
    TemporaryFolder folder;
    TestNode first("first", folder.path());
    first.init();
    REQUIRE(first.start());
    const Finished second = run_program({ENTENTE_BIN, "--home", first.home().string(), "serve"});
    check_refused(second, 7, "another process");
    TestNode other("other", folder.path());
    other.init();
    CHECK_FALSE(other.start({{}, {"--http-port", std::to_string(first.http_port())}}));
    CHECK(other.ended() == 7);
    CHECK(contains(other.log(), "ENT-7003"));
    CHECK_FALSE(other.start({{}, {"--federation-port", std::to_string(first.federation_port())}}));
    CHECK(other.ended() == 7);
    CHECK(other.start());
    first.json({"status"});  // the first was not disturbed
  }

  TEST_CASE("an agreement that fails its own tests or does not read is never stored") {
    Strangers both;
    auto& [folder, files, works, office] = both;
    link_nodes(office, works);
    const std::string good = content_of(files.agreement);
    const auto propose = [&](const std::string& text) {
      const std::filesystem::path path = folder.path() / "bad.toml";
      write_text(path, text);
      return works.run({"agreement", "propose", path.string()});
    };
    // A must_not that the terms allow (it names no epsilon, which is no reason to hold), and a must
    // that they do not.
    check_refused(propose(replaced(good, "min_units = 12", "min_units = 10")), 2, "ENT-3003");
    check_refused(propose(replaced(good, "min_units = 12", "min_units = 31")), 2, "ENT-3003");
    const std::string unknown = replaced(good, "onward = []", "onwards = []");
    const Finished refused = propose(unknown);
    check_refused(refused, 2, ":" + line_of(unknown, "onwards"));
    check_refused(refused, 2, "onwards");
    check_refused(propose(replaced(good, "\"meters\"", "\"metres\"")), 2, "metres");
    check_refused(propose(replaced(good, "\"office\"", "\"orifice\"")), 2, "orifice");
    CHECK(agreements_of(works) == 0);
    CHECK(agreements_of(office) == 0);
    agree(works, office, files.agreement);
    CHECK(agreements_of(office) == 1);
  }
}

}  // namespace entente::tests
