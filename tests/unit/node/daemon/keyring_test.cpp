#include "node/daemon/keyring.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "security/identity/charter_draft.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;
using security::SigningKey;

namespace {

constexpr Instant kNow{1'750'000'000'000'000'000};

// A home, and what its root key can do with it.
struct Home {
  node::test::TemporaryFolder folder;
  std::string path = folder / "home";
  SystemRandom random;
  security::Vault vault = make();

  security::Vault make() {
    REQUIRE(create_keyring(path, {"works", "Works", kNow}, random));
    auto opened = security::Vault::open_file(path + "/vault.key");
    REQUIRE(opened);
    return std::move(*opened);
  }
  Keyring load() const {
    auto keyring = load_keyring(path, vault);
    REQUIRE(keyring);
    return std::move(*keyring);
  }
  // The charter after, in force on disk; signed by the root key that is kept here.
  void go_on(const security::CharterChange& wanted) {
    const Keyring keyring = load();
    security::CharterChange change = wanted;
    change.issued = kNow;
    change.expires = kNow + days(100);
    KeyShelf shelf(path, vault);
    SignedCharter draft{canonical_bytes(*security::next_charter(keyring.self, change)), {}};
    auto root = shelf.current("root");
    REQUIRE(root);
    REQUIRE(security::add_signature(keyring.self, draft, **root));
    auto next = keyring.self;
    REQUIRE(next.advance(draft));
    REQUIRE(store_charters(path, next.chain()));
  }
};

}  // namespace

TEST_SUITE("node/daemon/keyring") {
  TEST_CASE("a next key stays beside the one in use until it is promoted and then alone") {
    Home home;
    const Keyring before = home.load();
    KeyShelf shelf(home.path, home.vault);
    const auto fresh = SigningKey::generate(home.random);
    REQUIRE(shelf.keep_next("ca", fresh, home.random));
    CHECK(home.load().keys.ca.public_key() == before.keys.ca.public_key());
    security::CharterChange change;
    change.add = {{KeyPurpose::ca, fresh.public_key()}};
    home.go_on(change);
    CHECK(home.load().keys.ca.public_key() == before.keys.ca.public_key());
    REQUIRE(shelf.promote("ca", home.random));
    CHECK(home.load().keys.ca.public_key() == fresh.public_key());
    auto left = shelf.next("ca");
    REQUIRE(left);
    CHECK_FALSE(*left);
    CHECK(shelf.promote("ca", home.random).error().code == ErrorCode::not_found);
  }

  TEST_CASE("a crash between charter and promotion leaves a node that starts with the next key") {
    Home home;
    const Keyring before = home.load();
    KeyShelf shelf(home.path, home.vault);
    const auto fresh = SigningKey::generate(home.random);
    REQUIRE(shelf.keep_next("answer", fresh, home.random));
    security::CharterChange change;
    change.add = {{KeyPurpose::answer, fresh.public_key()}};
    change.revoke = {hash_public_key(before.keys.answer.public_key())};
    home.go_on(change);
    CHECK(home.load().keys.answer.public_key() == fresh.public_key());
    CHECK(home.load().keys.answer.public_key() == fresh.public_key());  // promoted for good
  }

  TEST_CASE("a key that the charter does not name starts no node") {
    Home home;
    const Keyring before = home.load();
    KeyShelf shelf(home.path, home.vault);
    REQUIRE(shelf.keep_next("audit", SigningKey::generate(home.random), home.random));
    CHECK(load_keyring(home.path));  // waiting it harms nobody
    REQUIRE(shelf.promote("audit", home.random));
    CHECK(load_keyring(home.path).error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("without its root key a node starts and signs no charter") {
    Home home;
    const Keyring keyring = home.load();
    CHECK(keyring.keys.roots.empty());
    KeyShelf shelf(home.path, home.vault);
    auto root = shelf.current("root");
    REQUIRE(root);
    REQUIRE(*root);
    CHECK((*root)->public_key() == keyring.self.current().root_keys[0]);
    REQUIRE(shelf.remove_root());
    CHECK_FALSE(*shelf.current("root"));
    CHECK(load_keyring(home.path));
    CHECK(load_charters(home.path)->id() == keyring.self.id());
  }

  TEST_CASE("charters that were cut or changed on disk are refused") {
    Home home;
    const auto whole = read_file(home.path + "/charter.bin", 1'000'000);
    REQUIRE(whole);
    for (std::size_t size = 0; size < whole->size(); size += 7) {
      CAPTURE(size);
      REQUIRE(write_private(home.path + "/charter.bin", ByteView(*whole).first(size)));
      CHECK_FALSE(load_charters(home.path));
    }
    for (std::size_t at = 0; at < whole->size(); at += 3) {
      CAPTURE(at);
      Bytes changed = *whole;
      changed[at] ^= 0x10;
      REQUIRE(write_private(home.path + "/charter.bin", changed));
      const auto read = load_charters(home.path);
      // An id of its own at most: nobody pinned that.
      if (read) CHECK(read->chain().size() == 1);
    }
    REQUIRE(write_private(home.path + "/charter.bin", *whole));
    CHECK(load_charters(home.path));
  }
}
