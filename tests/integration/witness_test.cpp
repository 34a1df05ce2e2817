// Partners as witnesses of each other's audit logs, and bundles that verify without a node.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>
#include <fstream>
#include <sstream>

#include "node/store/sqlite.h"
#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

// Has a node show its checkpoints each second; before it starts.
void hurry(const TestNode& node) {
  const fs::path path = node.home() / "entente.toml";
  std::string text = content_of(path);
  const std::string slow = "checkpoint = \"1m\"";
  const auto at = text.find(slow);
  REQUIRE(at != std::string::npos);
  write_text(path, text.replace(at, slow.size(), "checkpoint = \"1s\""));
}

// Both show their checkpoints each second.
struct Witnesses : Pair {
  Witnesses() {
    for (TestNode* node : {&works, &office}) {
      REQUIRE(node->stop() == 0);
      hurry(*node);
    }
    REQUIRE(works.start());
    REQUIRE(office.start());
    until_connected(works, office);
  }
};

std::int64_t number_at(const json::value& object, std::string_view name) {
  const json::value& value = object.at(name);
  return value.is_int64() ? value.get_int64() : 0;
}

// What `node` says of its only partner as a witness.
json::value witness_of(const TestNode& node) {
  return node.json({"audit", "witnesses"}).at("items").at(0);
}

// The partner has cosigned the log as it is now, and nothing is said against it.
void until_cosigned(const TestNode& node) {
  until(node.name() + "'s log is cosigned", [&] {
    const json::value now = node.json({"audit", "verify"});
    const json::value witness = witness_of(node);
    return number_at(witness, "cosigned") == number_at(now, "records") &&
           text_at(witness, "warning").empty();
  });
}

// As somebody does who knows the file: page checksums and all.
void edit(const TestNode& node, const char* sql) {
  const std::string path = (node.home() / "entente.db").string();
  auto database = node::Database::open(path, node::Database::Mode::read_write);
  REQUIRE(database);
  database->exec(sql);
}

Finished verify(const TestNode& node, const fs::path& bundle,
                const std::string& organisation = {}) {
  std::vector<std::string> words{"audit", "verify", bundle.string()};
  if (!organisation.empty()) words.insert(words.end(), {"--organisation", organisation});
  return node.run(words);
}

}  // namespace

TEST_SUITE("integration/witness") {
  TEST_CASE("partners cosign each other's logs and a bundle of one verifies with no node") {
    Witnesses pair;
    until_cosigned(pair.works);
    until_cosigned(pair.office);
    CHECK(number_at(witness_of(pair.office), "seen") > 0);
    CHECK(text_at(pair.works.json({"audit", "checkpoint"}), "checkpoint").starts_with("entente/"));

    const fs::path bundle = pair.folder.path() / "works.audit";
    const std::int64_t records =
        number_at(pair.works.json({"audit", "export", bundle.string()}), "records");
    const std::string id = text_at(pair.works.json({"status"}).at("organisation"), "id");
    const std::string other = text_at(pair.office.json({"status"}).at("organisation"), "id");
    CHECK(pair.works.stop() == 0);
    CHECK(pair.office.stop() == 0);
    const Finished good = verify(pair.office, bundle, id);
    INFO(good.words, good.out);
    REQUIRE(good.exit_code == 0);
    CHECK(number_at(good.json(), "records") == records);
    CHECK(text_at(good.json().at("cosigned_by").at(0), "name") == "office");
    CHECK(verify(pair.office, bundle, other).exit_code == 8);

    // Each way in which a file can be changed.
    const std::string whole = content_of(bundle);
    std::vector<std::string> lines;
    std::istringstream in(whole);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    REQUIRE(lines.size() == static_cast<std::size_t>(records) + 1);
    const auto changed = [&](const std::vector<std::string>& with) {
      std::string text;
      for (const std::string& line : with) text += line + "\n";
      write_text(bundle, text);
      return verify(pair.office, bundle, id).exit_code;
    };
    CHECK(changed(lines) == 0);  // the control
    auto edited = lines;
    edited[3][edited[3].find("\"record\":\"") + 20] ^= 1;
    CHECK(changed(edited) != 0);
    auto dropped = lines;
    dropped.erase(dropped.begin() + 3);
    CHECK(changed(dropped) == 8);
    auto moved = lines;
    std::swap(moved[3], moved[4]);
    CHECK(changed(moved) == 8);
    auto cut = lines;
    cut.pop_back();
    CHECK(changed(cut) != 0);
    auto longer = lines;
    longer.push_back(lines.back());
    CHECK(changed(longer) != 0);
  }

  TEST_CASE("a log that went back freezes its link until an administrator resumes it") {
    Witnesses pair;
    until_cosigned(pair.works);
    REQUIRE(pair.works.stop() == 0);
    const fs::path backup = pair.folder.path() / "backup";
    fs::copy(pair.works.home(), backup, fs::copy_options::recursive);
    REQUIRE(pair.works.start());
    until_connected(pair.works, pair.office);
    REQUIRE(pair.office.run({"ask", question("sum(load)", "meters@works", 1)}).exit_code == 0);
    until_cosigned(pair.works);
    REQUIRE(pair.works.stop() == 0);
    fs::remove_all(pair.works.home());
    fs::copy(backup, pair.works.home(), fs::copy_options::recursive);
    REQUIRE(pair.works.start());

    until("office freezes the link",
          [&] { return text_at(listed_link(pair.office, "works"), "state") == "suspended"; });
    CHECK(contains(text_at(listed_link(pair.office, "works"), "last_error"), "went back"));
    const json::value told = pair.office.json({"audit", "witnesses"});
    CHECK(text_at(told.at("conflicts").at(0), "verdict") == "went-back");
    CHECK(contains(text_at(witness_of(pair.works), "warning"), "older backup"));
    CHECK(contains(pair.works.run({"doctor"}).out, "older backup"));

    pair.office.json({"link", "resume", "works", "--yes"});
    until_connected(pair.works, pair.office);
    until_cosigned(pair.works);
    CHECK(pair.office.json({"audit", "witnesses"}).at("conflicts").as_array().size() == 1);
  }

  TEST_CASE("a record edited behind the node's back closes it for questions and administration") {
    Witnesses pair;
    until_cosigned(pair.works);
    CHECK(pair.works.run({"twin", "list"}).exit_code == 0);
    REQUIRE(pair.works.stop() == 0);
    edit(pair.works,
         "UPDATE audit SET record = (SELECT record FROM audit WHERE seq = 2) "
         "WHERE seq = 1");
    REQUIRE(pair.works.start());
    until("works distrusts its log",
          [&] { return contains(pair.works.run({"doctor"}).out, "was changed"); });
    CHECK(pair.works.run({"twin", "list"}).exit_code != 0);
    CHECK(pair.works.run({"status"}).exit_code == 0);
    const Finished asked = pair.office.run({"ask", question("sum(load)", "meters@works", 1)});
    CHECK(asked.exit_code != 0);
    CHECK(stored_releases(pair.works).empty());
    CHECK(pair.works.run({"audit", "verify"}).exit_code == 8);
    CHECK(pair.works.run({"link", "suspend", "office", "--yes"}).exit_code == 0);
  }
}

}  // namespace entente::tests
