#include "federation/aggregate/masking.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace entente;
using namespace entente::federation;

namespace {

RoundContext round_of(std::uint64_t seed) {
  SeededRandom random(seed);
  return {random.id<RoundId>(), random.id<Hash256>()};
}

StreamKey key_from(std::string_view hex) {
  const Bytes raw = *from_hex(hex);
  StreamKey key{};
  std::copy(raw.begin(), raw.end(), key.begin());
  return key;
}

}  // namespace

TEST_SUITE("federation/masking") {
  TEST_CASE("HKDF gives the values of RFC 5869") {
    Bytes salt(13), info;
    std::iota(salt.begin(), salt.end(), std::uint8_t{0});
    for (int i = 0xf0; i <= 0xf9; ++i) info.push_back(static_cast<std::uint8_t>(i));
    const Bytes secret(22, 0x0b);
    CHECK(to_hex(hkdf_sha256(secret, salt, info)) ==
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    CHECK(to_hex(hkdf_sha256(secret, {}, {})) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  }

  TEST_CASE("two members share what RFC 7748 says") {
    const Bytes alice =
        *from_hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    const SealKey bob =
        *SealKey::from_hex_text("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    CHECK(exchange_key_of(alice).hex() ==
          "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    CHECK(to_hex(*shared_secret(alice, bob)) ==
          "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  }

  TEST_CASE("a key of small order is refused") {
    const auto shared = shared_secret(Bytes(32, 7), SealKey{});
    REQUIRE_FALSE(shared);
    CHECK(shared.error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("a mask is the stream of ChaCha20 as words of 64 bits") {
    std::vector<std::uint64_t> mask(8);
    add_mask(mask, StreamKey{}, MaskSign::plus);
    const Bytes stream = *from_hex(
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    for (std::size_t i = 0; i < stream.size(); ++i) {
      CHECK((mask[i / 8] >> (8 * (i % 8)) & 0xff) == stream[i]);
    }
  }

  TEST_CASE("what one member adds the other takes away at every length") {
    SeededRandom random(3);
    for (const std::size_t length : {1U, 2U, 1'023U, 1'024U, 1'025U, 5'000U}) {
      CAPTURE(length);
      StreamKey key;
      random.fill(key);
      std::vector<std::uint64_t> values(length), longer(length + 1);
      for (std::uint64_t& one : values) one = random.u64();
      const auto before = values;
      add_mask(values, key, pair_sign(2, 5));
      CHECK(values != before);
      add_mask(values, key, pair_sign(5, 2));
      CHECK(values == before);
      // The stream does not depend on how much of it is wanted.
      std::vector<std::uint64_t> zeros(length);
      add_mask(zeros, key, MaskSign::plus);
      add_mask(longer, key, MaskSign::plus);
      CHECK(std::equal(zeros.begin(), zeros.end(), longer.begin()));
    }
  }

  TEST_CASE("keys differ by purpose and by round") {
    const StreamKey secret =
        key_from("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    const RoundContext one = round_of(1), other = round_of(2);
    const RoundContext same_id{one.round, other.proposal};
    CHECK(pair_mask_key(secret, one) != self_mask_key(secret, one));
    CHECK(pair_mask_key(secret, one) != pair_mask_key(secret, other));
    CHECK(pair_mask_key(secret, one) != pair_mask_key(secret, same_id));
    CHECK(seed_commitment(secret, one, 0) != seed_commitment(secret, one, 1));
    CHECK(seed_commitment(secret, one, 0) != seed_commitment(secret, other, 0));
  }

  TEST_CASE("sealed shares open for their receiver alone and not when one bit is flipped") {
    SeededRandom random(4);
    const RoundContext round = round_of(5);
    StreamKey shared;
    random.fill(shared);
    const HeldShares shares{random.id<SecretShare>(), random.id<SecretShare>()};
    const Bytes sealed = seal_shares(shares, shared, round, {3, 8});
    CHECK(sealed.size() == kSealedShareBytes);
    const auto opened = open_shares(sealed, shared, round, {3, 8});
    REQUIRE(opened);
    CHECK(opened->seed == shares.seed);
    CHECK(opened->key == shares.key);
    for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
      Bytes flipped = sealed;
      flipped[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
      CHECK_FALSE(open_shares(flipped, shared, round, {3, 8}));
    }
    CHECK_FALSE(open_shares(sealed, shared, round, {8, 3}));
    CHECK_FALSE(open_shares(sealed, shared, round, {3, 9}));
    CHECK_FALSE(open_shares(sealed, shared, round_of(6), {3, 8}));
    CHECK_FALSE(open_shares(ByteView(sealed).first(95), shared, round, {3, 8}));
  }
}
