#include "security/vault/vault.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace entente;
using namespace entente::security;

namespace {

// A folder of its own, removed at the end.
struct Folder {
  Folder() {
    const auto temporary = std::filesystem::temp_directory_path();
    std::string pattern = (temporary / "entente-vault-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  std::filesystem::path path;
};

ErrorCode refusal(const std::string& path) {
  const auto result = Vault::open_file(path);
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace

TEST_SUITE("security/vault") {
  TEST_CASE("what is sealed opens for its use and place only, in this vault only") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Vault vault = *Vault::from_key(Secret::random(random, kVaultKeyBytes));
      const Vault other = *Vault::from_key(Secret::random(random, kVaultKeyBytes));
      Bytes plain(random.below(200));
      random.fill(plain);
      const auto epoch = static_cast<std::uint32_t>(random.u64());
      const Bytes sealed = vault.seal(VaultUse::signing_key, "keys|ca|1", plain, random, epoch);
      CHECK(sealed.size() == plain.size() + kVaultOverhead);
      const auto opened = vault.open(VaultUse::signing_key, "keys|ca|1", sealed);
      REQUIRE(opened);
      CHECK(opened->equals(plain));
      CHECK_FALSE(vault.open(VaultUse::access_token, "keys|ca|1", sealed));
      CHECK_FALSE(vault.open(VaultUse::store_value, "keys|ca|1", sealed));
      CHECK_FALSE(vault.open(VaultUse::invitation, "keys|ca|1", sealed));
      CHECK_FALSE(vault.open(VaultUse::signing_key, "keys|ca|2", sealed));
      CHECK_FALSE(other.open(VaultUse::signing_key, "keys|ca|1", sealed));
      for (std::size_t at = 0; at < sealed.size(); ++at) {
        CAPTURE(at);
        Bytes changed = sealed;
        changed[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
        CHECK_FALSE(vault.open(VaultUse::signing_key, "keys|ca|1", changed));
        CHECK_FALSE(vault.open(VaultUse::signing_key, "keys|ca|1", ByteView(sealed).first(at)));
      }
    }
  }

  TEST_CASE("sealing twice gives different bytes") {
    SeededRandom random(1);
    const Vault vault = *Vault::from_key(Secret::random(random, kVaultKeyBytes));
    const Bytes plain = to_bytes("secret");
    CHECK(vault.seal(VaultUse::store_value, "a", plain, random) !=
          vault.seal(VaultUse::store_value, "a", plain, random));
  }

  TEST_CASE("a key file is made once, 0600, and opens what it sealed") {
    const Folder folder;
    SeededRandom random(2);
    const std::string path = folder.file("node.key");
    const auto made = Vault::create(path, random);
    REQUIRE(made);
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0600);
    CHECK(info.st_size == 32);
    const Bytes sealed = made->seal(VaultUse::signing_key, "x", to_bytes("secret"), random);
    const auto again = Vault::open_file(path);
    REQUIRE(again);
    CHECK(again->open(VaultUse::signing_key, "x", sealed)->equals(to_bytes("secret")));
    const auto twice = Vault::create(path, random);
    REQUIRE_FALSE(twice);
    CHECK(twice.error().code == ErrorCode::conflict);
    CHECK(Vault::open_file(path)->open(VaultUse::signing_key, "x", sealed));
  }

  TEST_CASE("key files that others may use, or that are none, are refused") {
    const Folder folder;
    SeededRandom random(3);
    const std::string path = folder.file("node.key");
    REQUIRE(Vault::create(path, random));
    for (const mode_t mode : {0640, 0604, 0620, 0602, 0610, 0601, 0666, 0644}) {
      CAPTURE(mode);
      REQUIRE(::chmod(path.c_str(), mode) == 0);
      CHECK(refusal(path) == ErrorCode::config_invalid);
    }
    REQUIRE(::chmod(path.c_str(), 0400) == 0);
    CHECK(Vault::open_file(path));
    CHECK(refusal(folder.file("absent")) == ErrorCode::not_found);
    CHECK(refusal(folder.path.string()) == ErrorCode::config_invalid);
    std::filesystem::create_symlink(path, folder.file("link"));
    CHECK(refusal(folder.file("link")) == ErrorCode::config_invalid);
    REQUIRE(::mkfifo(folder.file("pipe").c_str(), 0600) == 0);
    CHECK(refusal(folder.file("pipe")) == ErrorCode::config_invalid);
    for (const std::size_t size : {0, 31, 33}) {
      CAPTURE(size);
      const std::string odd = folder.file("odd");
      std::ofstream(odd, std::ios::trunc) << std::string(size, 'k');
      REQUIRE(::chmod(odd.c_str(), 0600) == 0);
      CHECK(refusal(odd) == ErrorCode::config_invalid);
    }
    const auto nowhere = Vault::create(folder.file("no/such/folder"), random);
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().code == ErrorCode::store_failed);
    CHECK_FALSE(Vault::from_key(Secret(16)));
  }
}
