// Keys that change while partners ask, root keys elsewhere, and an organisation that says two
// things.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

json::array keys_of(const TestNode& node, const std::string& purpose) {
  json::array out;
  const json::value listed = node.json({"key", "list"});
  for (const json::value& one : listed.at("items").as_array()) {
    if (text_at(one, "purpose") == purpose) out.push_back(one);
  }
  return out;
}

// The key of this purpose in this state, or nothing.
std::string key_in(const TestNode& node, const std::string& purpose, const std::string& state) {
  for (const json::value& one : keys_of(node, purpose)) {
    if (text_at(one, "state") == state) return text_at(one, "key");
  }
  return "";
}

void until_used(const TestNode& node, const std::string& purpose) {
  until("the new " + purpose + " key is used",
        [&] { return key_in(node, purpose, "next").empty(); });
}

std::int64_t version_of(const TestNode& node) {
  return node.json({"key", "list"}).at("version").to_number<std::int64_t>();
}

std::int64_t pinned_version(const TestNode& node, const std::string& partner) {
  return listed_link(node, partner).at("charter_version").to_number<std::int64_t>();
}

std::string check_of(const TestNode& node, const std::string& name, const std::string& part) {
  const Finished ran = node.run({"doctor"});
  const json::value report = ran.json();
  for (const json::value& one : report.at("checks").as_array()) {
    if (text_at(one, "name") == name) return text_at(one, part);
  }
  return "";
}

std::string text_of_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

}  // namespace

TEST_SUITE("integration/rotation") {
  TEST_CASE("real nodes rotate every key while a partner asks and no question is lost") {
    Pair pair;
    const std::string text = question("mean(load)", "meters@works", 1);
    const json::value first = pair.office.json({"ask", text});
    std::atomic<bool> stop{false};
    std::atomic<int> asked{0}, lost{0};
    std::string words;
    std::thread asking([&] {
      while (!stop) {
        const Finished one = pair.office.run({"ask", text});
        ++asked;
        if (one.exit_code != 0 && ++lost == 1) words = one.words;
      }
    });
    for (TestNode* node : {&pair.works, &pair.office}) {
      CAPTURE(node->name());
      node->json({"key", "rotate", "leaf"});
      for (const std::string purpose : {"ca", "answer", "audit", "envelope", "agreement"}) {
        const std::string before = key_in(*node, purpose, "in use");
        node->json({"key", "rotate", purpose});
        until_used(*node, purpose);
        CHECK(key_in(*node, purpose, "former") == before);
        CHECK(key_in(*node, purpose, "in use") != before);
      }
      const std::string root = key_in(*node, "root", "here");
      node->json({"key", "rotate", "root"});
      CHECK(key_in(*node, "root", "here") != root);
      CHECK(version_of(*node) == 7);
      node->json({"key", "rotate", "leaf"});
    }
    until("both have pinned what the other has", [&] {
      return pinned_version(pair.works, "office") == 7 && pinned_version(pair.office, "works") == 7;
    });
    stop = true;
    asking.join();
    INFO(words);
    MESSAGE(asked.load() << " questions during sixteen rotations, " << lost.load() << " lost");
    CHECK(lost == 0);
    CHECK(asked > 10);
    CHECK(figures(pair.office.json({"ask", text})) == figures(first));
    // What the former keys signed is still known: the audit log's checkpoints, after a restart too.
    CHECK(pair.works.stop() == 0);
    REQUIRE(pair.works.start());
    until_connected(pair.works, pair.office);
    CHECK(figures(pair.office.json({"ask", text})) == figures(first));
    CHECK(pair.works.run({"audit", "verify"}).exit_code == 0);
    CHECK(check_of(pair.works, "rotations", "state") == "ok");
    CHECK(check_of(pair.works, "audit log", "state") == "ok");
    // Agreements that former keys signed are in force, and known to be theirs.
    const json::value listed = pair.works.json({"agreement", "list"});
    const std::string id = text_at(listed.at("items").as_array().at(0), "id");
    for (TestNode* node : {&pair.works, &pair.office}) {
      CAPTURE(node->name());
      const json::value shown = node->json({"agreement", "show", id});
      REQUIRE(shown.at("signatures").as_array().size() == 2);
      for (const json::value& one : shown.at("signatures").as_array()) {
        CHECK(one.at("charter_version").to_number<int>() == 1);
      }
    }
    // And the new ones are believed, by who has not seen them used before.
    pair.works.json({"agreement", "suspend", id, "--reason", "a look"});
    const auto state_there = [&] {
      return text_at(pair.office.json({"agreement", "show", id}), "state");
    };
    until("office heard that it is suspended", [&] { return state_there() == "suspended"; });
    pair.works.json({"agreement", "resume", id});
    until("office heard that it is resumed", [&] { return state_there() == "active"; });
    // A second CA key within a day would cut connections that stand on the first.
    CHECK(pair.works.run({"key", "rotate", "ca"}).exit_code == 7);
  }

  TEST_CASE("with the root key elsewhere charters are signed by file by as many as must") {
    Pair pair;
    const fs::path folder = pair.folder.path();
    const std::string root = (folder / "root.key").string(), second = (folder / "2.key").string();
    const std::string draft = (folder / "next.charter").string();
    pair.works.json({"key", "export-root", root, "--remove", "--yes"});
    CHECK((fs::status(root).permissions() & fs::perms::all) ==
          (fs::perms::owner_read | fs::perms::owner_write));
    CHECK_FALSE(fs::exists(pair.works.home() / "keys/root.sealed"));
    CHECK(pair.works.run({"key", "export-root", (folder / "again").string()}).exit_code == 3);
    CHECK(check_of(pair.works, "root key", "detail").find("--offline") != std::string::npos);
    const Finished refused = pair.works.run({"key", "rotate", "answer"});
    CHECK(refused.exit_code == 4);
    CHECK(refused.words.find("--offline") != std::string::npos);
    CHECK(version_of(pair.works) == 1);

    // Two root keys of which both must sign.
    const json::value made = pair.works.json({"key", "new-root", second});
    const std::string first_key = key_in(pair.works, "root", "elsewhere");
    pair.works.json({"key", "rotate", "root", "--root", first_key + "," + text_at(made, "key"),
                     "--threshold", "2", "--offline", draft});
    CHECK(pair.works.run({"charter", "apply", draft}).exit_code != 0);
    pair.works.json({"charter", "sign", draft, "--key", root});
    CHECK(pair.works.run({"charter", "apply", draft}).exit_code != 0);  // one of its own two
    pair.works.json({"charter", "sign", draft, "--key", root});         // which counts once
    CHECK(pair.works.run({"charter", "apply", draft}).exit_code != 0);
    pair.works.json({"charter", "sign", draft, "--key", second});
    pair.works.json({"charter", "apply", draft});
    CHECK(version_of(pair.works) == 2);

    pair.works.json({"key", "rotate", "answer", "--offline", draft});
    CHECK_FALSE(key_in(pair.works, "answer", "draft").empty());
    pair.works.json({"charter", "sign", draft, "--key", root});
    CHECK(pair.works.run({"charter", "apply", draft}).exit_code != 0);
    pair.works.json({"charter", "sign", draft, "--key", second});
    pair.works.json({"charter", "apply", draft});
    until_used(pair.works, "answer");
    until("office has pinned it", [&] { return pinned_version(pair.office, "works") == 3; });
    CHECK(pair.office.run({"ask", question("mean(load)", "meters@works", 1)}).exit_code == 0);
    // A revoked leaf: any leaf's hash; the node goes on with a new one.
    pair.works.json({"key", "revoke", std::string(64, 'a'), "--offline", draft});
    pair.works.json({"charter", "sign", draft, "--key", root});
    pair.works.json({"charter", "sign", draft, "--key", second});
    pair.works.json({"charter", "apply", draft});
    const json::value listed = pair.works.json({"key", "list"});
    CHECK(listed.at("revoked").as_array().size() == 1);
    // What was signed for one state of things is not taken for another.
    CHECK(pair.works.run({"charter", "apply", draft}).exit_code != 0);
    CHECK(text_of_file(draft).find("ENTR1") == std::string::npos);
  }

  TEST_CASE(
      "a node restored from before a rotation is told and one that signs anew freezes the link") {
    Pair pair;
    const fs::path copy = pair.folder.path() / "copy";
    CHECK(pair.works.stop() == 0);
    fs::copy(pair.works.home(), copy, fs::copy_options::recursive);
    REQUIRE(pair.works.start());
    until_connected(pair.works, pair.office);
    pair.works.json({"key", "rotate", "answer"});
    until("office has pinned it", [&] { return pinned_version(pair.office, "works") == 2; });
    CHECK(pair.works.stop() == 0);

    // The keys and the charter of before, and the same root key.
    for (const char* name : {"charter.bin", "keys"}) {
      fs::remove_all(pair.works.home() / name);
      fs::copy(copy / name, pair.works.home() / name, fs::copy_options::recursive);
    }
    REQUIRE(pair.works.start());
    until("works is told", [&] { return check_of(pair.works, "charter", "state") == "fail"; });
    CHECK(check_of(pair.works, "charter", "detail").find("version 2") != std::string::npos);
    CHECK(text_at(listed_link(pair.office, "works"), "state") == "active");
    CHECK(pinned_version(pair.office, "works") == 2);

    pair.works.json({"key", "rotate", "answer"});
    until("office has frozen the link",
          [&] { return text_at(listed_link(pair.office, "works"), "state") == "suspended"; });
    const json::value link = listed_link(pair.office, "works");
    CHECK(text_at(link, "last_error").find("two different charters") != std::string::npos);
    CHECK(text_at(link, "turn") == "ours");
    REQUIRE(link.at("charter_conflicts").as_array().size() == 1);
    const json::value& proof = link.at("charter_conflicts").as_array()[0];
    CHECK(text_at(proof, "pinned") != text_at(proof, "shown"));
    const json::value log = pair.office.json({"audit", "list", "--limit", "1000"});
    const std::string all = json::serialize(log);
    CHECK(all.find("charter.conflict") != std::string::npos);
    CHECK(all.find("link.freeze") != std::string::npos);
    CHECK(pair.office.run({"ask", question("mean(load)", "meters@works", 1)}).exit_code != 0);
  }

  TEST_CASE("an invitation survives a restart and is listed and audited and can be withdrawn") {
    Strangers both;
    auto& [folder, files, works, office] = both;
    const json::value made = works.json({"link", "invite", "office"});
    works.json({"link", "invite", "nobody"});
    CHECK(check_of(works, "enrolment", "state") == "warn");
    CHECK(works.stop() == 0);
    REQUIRE(works.start());
    CHECK(text_at(listed_link(works, "office"), "state") == "invited");
    works.json({"link", "cancel", "nobody"});
    CHECK(listed_link(works, "nobody").is_null());
    CHECK(works.run({"link", "cancel", "nobody"}).exit_code == 3);
    office.json({"link", "accept", text_at(made, "token")});
    until("works has enrolled office",
          [&] { return text_at(listed_link(works, "office"), "state") == "pending"; });
    CHECK(check_of(works, "enrolment", "state") == "ok");
    const std::string log = json::serialize(works.json({"audit", "list", "--limit", "1000"}));
    for (const char* action :
         {"link.invite", "link.invitation.cancel", "link.invitation.used", "link.enrol"}) {
      CAPTURE(action);
      CHECK(log.find(action) != std::string::npos);
    }
    // Once is once.
    CHECK(office.run({"link", "accept", text_at(made, "token")}).exit_code != 0);
  }

  TEST_CASE("doctor says what it can of a home whose node is down") {
    TemporaryFolder folder;
    TestNode node("works", folder.path());
    node.init();
    REQUIRE(node.start());
    CHECK(node.run({"doctor"}).exit_code == 0);
    CHECK(node.stop() == 0);
    const Finished down = node.run({"doctor"});
    CHECK(down.exit_code == 6);
    CHECK(check_of(node, "charter", "state") == "ok");
    CHECK(check_of(node, "databases", "state") == "ok");
    fs::remove(node.home() / "vault.key");
    CHECK(check_of(node, "vault", "state") == "fail");
    write_text(node.home() / "charter.bin", "no charter");
    CHECK(check_of(node, "charter", "state") == "fail");
  }
}

}  // namespace entente::tests
