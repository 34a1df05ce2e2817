// What rests on disk: secrets sealed, nodes that start sealed, backups, and homes made of them.
#include <doctest/doctest.h>
#include <sodium.h>
#include <sys/resource.h>

#include <boost/json/serialize.hpp>
#include <fstream>
#include <iterator>

#include "node/daemon/keyring.h"
#include "node/daemon/vault_lock.h"
#include "security/identity/keys.h"
#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Everything below a folder, with what lies in run/, but for what is kept apart on purpose.
struct Disk {
  std::string bytes;
  std::size_t files = 0;

  explicit Disk(const fs::path& folder, bool all = false) {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      const bool apart = name == "vault.key" || name == "admin.token";
      if (!entry.is_regular_file() || name == "ballast" || (apart && !all)) continue;
      bytes += content_of(entry.path()) + '\n';
      ++files;
    }
  }
  bool holds(const std::string& secret) const { return contains(bytes, secret); }
};

// The forms in which a secret of bytes might come to lie somewhere.
std::vector<std::string> forms(ByteView secret) {
  return {std::string(secret.begin(), secret.end()), to_hex(secret), to_base64url(secret)};
}

// The private halves of a home's keys.
std::vector<std::string> private_keys(const fs::path& home) {
  const auto vault = node::open_vault(home.string());
  REQUIRE(vault);
  const auto keyring = node::load_keyring(home.string(), *vault);
  REQUIRE(keyring);
  const auto root = node::KeyShelf(home.string(), *vault).current("root");
  REQUIRE(root);
  REQUIRE(*root);
  std::vector<std::string> all;
  const auto& keys = keyring->keys;
  for (const auto* key :
       {&**root, &keys.ca, &keys.answer, &keys.audit, &keys.envelope, &keys.agreement}) {
    for (std::string& form : forms(key->seed().view())) all.push_back(std::move(form));
  }
  return all;
}

fs::path backup_of(const TestNode& node) {
  return text_at(node.json({"backup", "create"}), "file");
}

}  // namespace

TEST_SUITE("integration/vault") {
  TEST_CASE("planted canaries are not found in databases WAL temporary files logs or backups") {
    Pair pair;
    pair.office.json({"ask", question("mean(load)", "meters@works", 1)});
    std::vector<std::string> canaries = private_keys(pair.works.home());
    const std::string token =
        text_at(pair.works.json({"access", "token", "add", "canary"}), "token");
    const std::string invitation =
        text_at(pair.works.json({"link", "invite", "stranger"}), "token");
    REQUIRE(token.size() > 20);
    REQUIRE(invitation.size() > 20);
    canaries.insert(canaries.end(), {token, invitation, pair.works.token()});
    const std::string key = content_of(pair.works.home() / "vault.key");
    for (std::string& form : forms(bytes_of(key))) canaries.push_back(std::move(form));
    const fs::path backup = backup_of(pair.works);
    // Killed in the middle of its life: what the WAL and run/ hold lies there as a thief finds it.
    pair.works.kill();
    const Disk disk(pair.works.home());
    const std::string sealed = content_of(backup);
    const std::string log = content_of(pair.works.home().string() + ".log");
    std::size_t tried = 0;
    for (const std::string& canary : canaries) {
      ++tried;
      CHECK_FALSE(disk.holds(canary));
      CHECK_FALSE(contains(sealed, canary));
      CHECK_FALSE(contains(log, canary));
    }
    MESSAGE(tried << " canaries, " << disk.files << " files of " << disk.bytes.size() << " bytes");
    // The controls: what is no secret is found where it lies, and not in what is sealed whole.
    CHECK(disk.holds("meter-1"));
    CHECK_FALSE(contains(sealed, "meter-1"));
    CHECK(Disk(pair.works.home(), true).holds(pair.works.token()));
  }

  TEST_CASE("a node never leaves a core") {
    // So that the limit below is the node's own doing.
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_CORE, &before) == 0);
    const rlimit all_allowed{before.rlim_max, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_CORE, &all_allowed) == 0);
    LoadedWorks one;
    ::setrlimit(RLIMIT_CORE, &before);
    std::ifstream limits("/proc/" + std::to_string(one.works.process()) + "/limits");
    std::string all((std::istreambuf_iterator<char>(limits)), std::istreambuf_iterator<char>());
    const std::size_t at = all.find("Max core file size");
    REQUIRE(at != std::string::npos);
    CHECK(all.substr(at, 50).find(" 0 ") != std::string::npos);
  }

  TEST_CASE("a sealed node says so and serves nothing until its pass phrase comes") {
    LoadedWorks one;
    TestNode& works = one.works;
    const fs::path phrase = one.folder.path() / "phrase";
    const fs::path other = one.folder.path() / "other";
    write_text(phrase, "a long pass phrase\n");
    write_text(other, "another pass phrase\n");
    REQUIRE(works.stop() == 0);
    works.json({"vault", "protect", "--with", "passphrase", "--passphrase-file", phrase.string(),
                "--yes"});
    CHECK_FALSE(fs::exists(works.home() / "vault.key"));
    CHECK(text_at(works.json({"vault", "status"}), "opened_by") == "passphrase");

    REQUIRE(works.start_sealed());
    CHECK(http_get(works, "/livez", "").status == 200);
    CHECK(http_get(works, "/readyz", "").status == 503);
    const Finished sealed = works.run({"status"});
    CHECK(sealed.exit_code == 6);
    CHECK(contains(sealed.words, "sealed"));
    CHECK(works.run({"vault", "unseal", "--passphrase-file", other.string()}).exit_code == 8);
    works.json({"vault", "unseal", "--passphrase-file", phrase.string()});
    REQUIRE(works.until_open());
    CHECK(works.json({"status"}).at("twins").to_number<int>() == kMeters);
    CHECK_FALSE(Disk(works.home(), true).holds("a long pass phrase"));
    CHECK_FALSE(contains(works.log(), "a long pass phrase"));
    // Not while the node runs, and not to a key that does not open this node's keys.
    CHECK(works
              .run({"vault", "protect", "--with", "key-file", "--old-passphrase-file",
                    phrase.string(), "--yes"})
              .exit_code == 7);
    REQUIRE(works.stop() == 0);
    write_text(works.home() / "vault.key", std::string(32, 'k'));
    fs::permissions(works.home() / "vault.key", fs::perms::owner_read | fs::perms::owner_write);
    CHECK(works
              .run({"vault", "protect", "--with", "passphrase", "--passphrase-file",
                    phrase.string(), "--yes"})
              .exit_code == 8);
    fs::remove(works.home() / "vault.key");

    // A file with the pass phrase opens it at once, and a change back needs it too.
    REQUIRE(works.start({{}, {"--passphrase-file", phrase.string()}}));
    REQUIRE(works.stop() == 0);
    CHECK(works
              .run({"vault", "protect", "--with", "key-file", "--old-passphrase-file",
                    other.string(), "--yes"})
              .exit_code == 8);
    works.json({"vault", "protect", "--with", "key-file", "--old-passphrase-file", phrase.string(),
                "--yes"});
    CHECK_FALSE(fs::exists(works.home() / "vault.sealed"));
    REQUIRE(works.start());
  }

  TEST_CASE("a credential opens the vault and without it the node does not start") {
    LoadedWorks one;
    const fs::path credential = one.folder.path() / "credential";
    write_text(credential, "kept by somebody else");
    REQUIRE(one.works.stop() == 0);
    one.works.json({"vault", "protect", "--with", "credential", "--credential-file",
                    credential.string(), "--yes"});
    CHECK_FALSE(one.works.start());
    CHECK(one.works.ended() == 3);
    REQUIRE(one.works.start({{{"ENTENTE_VAULT_CREDENTIAL", credential.string()}}, {}}));
  }

  TEST_CASE("a node restored from a backup answers nobody before what it forgot is spent") {
    Pair pair;
    pair.office.json({"ask", question("mean(load)", "meters@works", 1)});
    const fs::path backup = pair.folder.path() / "safe.backup";
    fs::copy(backup_of(pair.works), backup);
    // Charged after the backup.
    pair.office.json({"ask", question("mean(load)", "meters@works", 2)});
    REQUIRE(spent_rho(pair.works, 2) > 0);
    REQUIRE(pair.works.stop() == 0);
    const fs::path lost = pair.folder.path() / "lost";
    fs::rename(pair.works.home(), lost);

    const std::string key = (lost / "vault.key").string();
    CHECK(pair.works.run({"backup", "verify", backup.string()}).exit_code == 3);  // no key
    CHECK(pair.works.json({"backup", "verify", backup.string(), "--vault-key", key})
              .at("ok")
              .as_bool());
    // Into an empty folder only.
    fs::create_directory(pair.works.home());
    write_text(pair.works.home() / "something", "here");
    CHECK(pair.works.run({"restore", backup.string(), "--vault-key", key, "--yes"}).exit_code == 7);
    fs::remove(pair.works.home() / "something");
    pair.works.json({"restore", backup.string(), "--vault-key", key, "--yes"});
    CHECK(fs::exists(pair.works.home() / "admin.token"));

    REQUIRE(pair.works.start());
    CHECK(contains(text_at(pair.works.json({"budget", "show"}), "restored"), "backup"));
    CHECK_FALSE(fs::exists(pair.works.home() / "restored.json"));
    const auto refused = [&](const char* code) {
      const Finished asked =
          pair.office.run({"ask", question("count(load > 9)", "meters@works", 2)});
      INFO(asked.words);
      CHECK(asked.exit_code == 5);
      CHECK(contains(asked.words, code));
    };
    until_connected(pair.works, pair.office);
    refused("ENT-5003");
    // Also after another start: it is in the ledger, not in a file that could be taken away.
    REQUIRE(pair.works.stop() == 0);
    REQUIRE(pair.works.start());
    CHECK(contains(text_at(pair.works.json({"budget", "show"}), "restored"), "backup"));
    until_connected(pair.works, pair.office);
    refused("ENT-5003");
    CHECK(pair.works.json({"budget", "reconcile", "--yes"}).at("done").as_bool());
    // The block that was charged after the backup is spent, not as good as new.
    refused("ENT-5001");
    CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());
  }
}

}  // namespace entente::tests
