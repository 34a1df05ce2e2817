#include "security/vault/key_wrap.h"

#include <doctest/doctest.h>

using namespace entente;
using namespace entente::security;

namespace {

// Cheap enough to try often.
constexpr PassphraseCost kCheap{1, 8'192 * 2};

Secret secret_of(std::string text) {
  return Secret::take({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

}  // namespace

TEST_SUITE("security/key_wrap") {
  TEST_CASE("a wrapped key opens with its secret alone") {
    SeededRandom random(1);
    const Secret master = Secret::random(random, 32);
    for (const UnlockWay way : {UnlockWay::passphrase, UnlockWay::credential}) {
      const auto wrapped =
          wrap_key(master, way, secret_of("correct horse battery staple"), random, kCheap);
      REQUIRE(wrapped);
      CHECK(wrapped->size() == kWrappedKeyBytes);
      CHECK(*unlock_way(*wrapped) == way);
      const auto opened = unwrap_key(*wrapped, secret_of("correct horse battery staple"));
      REQUIRE(opened);
      CHECK(opened->equals(master.view()));
      const auto wrong = unwrap_key(*wrapped, secret_of("correct horse battery stapler"));
      REQUIRE_FALSE(wrong);
      CHECK(wrong.error().code == ErrorCode::verification_failed);
      CHECK_FALSE(unwrap_key(*wrapped, secret_of("short")));
    }
  }

  TEST_CASE("a changed byte anywhere in a wrapped key is refused") {
    SeededRandom random(2);
    const Secret master = Secret::random(random, 32);
    Bytes wrapped =
        *wrap_key(master, UnlockWay::passphrase, secret_of("twelve bytes"), random, kCheap);
    for (std::size_t at = 0; at < wrapped.size(); ++at) {
      CAPTURE(at);
      // The cost's high bytes would ask for years or terabytes: those are refused before any work.
      wrapped[at] ^= 0x40;
      CHECK_FALSE(unwrap_key(wrapped, secret_of("twelve bytes")));
      wrapped[at] ^= 0x40;
    }
    CHECK(unwrap_key(wrapped, secret_of("twelve bytes")));  // the control
    wrapped.pop_back();
    CHECK(unlock_way(wrapped).error().code == ErrorCode::config_invalid);
  }

  TEST_CASE("two wrappings of one key with one pass phrase have nothing in common") {
    SeededRandom random(3);
    const Secret master = Secret::random(random, 32);
    const auto one =
        wrap_key(master, UnlockWay::passphrase, secret_of("twelve bytes"), random, kCheap);
    const auto two =
        wrap_key(master, UnlockWay::passphrase, secret_of("twelve bytes"), random, kCheap);
    CHECK(*one != *two);
  }

  TEST_CASE("short pass phrases and credentials are refused with the least length") {
    SeededRandom random(4);
    const Secret master = Secret::random(random, 32);
    const auto phrase = wrap_key(master, UnlockWay::passphrase, secret_of("eleven byte"), random);
    REQUIRE_FALSE(phrase);
    CHECK(phrase.error().what.find("12 to 1024") != std::string::npos);
    CHECK_FALSE(wrap_key(master, UnlockWay::credential, secret_of("fifteen bytes.."), random));
  }
}
