#include "security/identity/keys.h"

#include <doctest/doctest.h>
#include <sodium.h>

using namespace entente;
using namespace entente::security;

TEST_SUITE("security/keys") {
  TEST_CASE("keys follow RFC 8032: the seed of test 1 gives its public key") {
    const auto key = SigningKey::from_seed(
        *from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
    REQUIRE(key);
    CHECK(key->public_key().hex() ==
          "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  }

  TEST_CASE("a signature is plain Ed25519 over prefix, length, context and body") {
    SeededRandom random(1);
    const SigningKey key = SigningKey::generate(random);
    const Bytes body = to_bytes("body");
    const Signature signature = key.sign("ctx", body);
    const Bytes message = to_bytes("ENTENTE-SIG1\x03" "ctxbody");
    CHECK(crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(),
                                      key.public_key().bytes.data()) == 0);
  }

  TEST_CASE("a signature holds for its key, context and body only") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const SigningKey key = SigningKey::generate(random), other = SigningKey::generate(random);
      const Bytes body = to_bytes(std::string("a body of some length"));
      const Signature good = key.sign(contexts::kAnswer, body);
      CHECK(verify(key.public_key(), contexts::kAnswer, body, good));
      CHECK_FALSE(verify(key.public_key(), contexts::kEnvelope, body, good));
      CHECK_FALSE(verify(other.public_key(), contexts::kAnswer, body, good));
      Bytes changed = body;
      changed[random.below(changed.size())] ^= 1;
      CHECK_FALSE(verify(key.public_key(), contexts::kAnswer, changed, good));
      Signature flipped = good;
      flipped.bytes[random.below(64)] ^= static_cast<std::uint8_t>(1u << random.below(8));
      CHECK_FALSE(verify(key.public_key(), contexts::kAnswer, body, flipped));
    }
  }

  TEST_CASE("context and body never run together") {
    SeededRandom random(2);
    const SigningKey key = SigningKey::generate(random);
    const Signature signature = key.sign("ab", to_bytes("c"));
    CHECK(verify(key.public_key(), "ab", to_bytes("c"), signature));
    CHECK_FALSE(verify(key.public_key(), "a", to_bytes("bc"), signature));
  }

  TEST_CASE("a key comes back from its seed and seeds of a wrong length are refused") {
    SeededRandom random(3);
    const SigningKey key = SigningKey::generate(random);
    const auto again = SigningKey::from_seed(key.seed().view());
    REQUIRE(again);
    CHECK(again->public_key() == key.public_key());
    CHECK_FALSE(SigningKey::from_seed(Bytes(31)));
    CHECK_FALSE(SigningKey::from_seed(Bytes(64)));
  }

  TEST_CASE("points of small order and encodings that are no point are no strong keys") {
    SeededRandom random(4);
    CHECK(is_strong(SigningKey::generate(random).public_key()));
    PublicKey zero, one;
    one.bytes[0] = 1;
    CHECK_FALSE(is_strong(zero));
    CHECK_FALSE(is_strong(one));
    PublicKey huge;
    huge.bytes.fill(0xff);
    CHECK_FALSE(is_strong(huge));
    // With the neutral element as key, a zero scalar would "sign" anything.
    Signature empty;
    empty.bytes[0] = 1;
    CHECK_FALSE(verify(one, "ctx", to_bytes("anything"), empty));
  }

  TEST_CASE("what is sealed opens for its pair alone and is what libsodium's sealed box is") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const SealPair pair = SealPair::generate(random), other = SealPair::generate(random);
      Bytes plain(random.below(300));
      random.fill(plain);
      for (const Bytes& sealed : {*seal_to(pair.public_key(), plain, random),
                                  *seal_to(pair.public_key(), plain)}) {
        CHECK(sealed.size() == plain.size() + kSealOverhead);
        CHECK(*pair.open(sealed) == plain);
        CHECK_FALSE(other.open(sealed));
        Bytes changed = sealed;
        changed[random.below(changed.size())] ^= 1;
        CHECK_FALSE(pair.open(changed));
        CHECK_FALSE(pair.open(ByteView(sealed).first(random.below(sealed.size()))));
      }
      Bytes theirs(plain.size() + crypto_box_SEALBYTES);
      crypto_box_seal(theirs.data(), plain.data(), plain.size(), pair.public_key().bytes.data());
      CHECK(*pair.open(theirs) == plain);
    }
  }

  TEST_CASE("nothing is sealed to a key of small order") {
    SealKey zero, one;
    one.bytes[0] = 1;
    CHECK_FALSE(seal_to(zero, to_bytes("secret")));
    CHECK_FALSE(seal_to(one, to_bytes("secret")));
  }

  TEST_CASE("a secret moves, compares without ==, and taking wipes the source") {
    Bytes raw = to_bytes("0123456789abcdef");
    Secret secret = Secret::take(raw);
    CHECK(raw == Bytes(16));
    CHECK(secret.equals(to_bytes("0123456789abcdef")));
    CHECK_FALSE(secret.equals(to_bytes("0123456789abcdeF")));
    CHECK_FALSE(secret.equals(to_bytes("0123")));
    Secret moved = std::move(secret);
    CHECK(secret.size() == 0);  // NOLINT: the moved-from state is documented
    CHECK(moved.size() == 16);
    CHECK(moved.copy().equals(moved.view()));
    static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
    static_assert(!std::is_copy_constructible_v<SigningKey>);
  }
}
