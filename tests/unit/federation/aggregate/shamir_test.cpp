#include "federation/aggregate/shamir.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace entente;
using namespace entente::federation;

namespace {

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<std::uint32_t>& places) {
  std::vector<T> out;
  for (const std::uint32_t place : places) out.push_back(from[place]);
  return out;
}

std::vector<std::uint32_t> drawn(std::size_t of, std::size_t count, Random& random) {
  std::vector<std::uint32_t> all;
  for (std::uint32_t i = 0; i < of; ++i) all.push_back(i);
  for (std::size_t i = 0; i < count; ++i) std::swap(all[i], all[i + random.below(of - i)]);
  all.resize(count);
  return all;
}

}  // namespace

TEST_SUITE("federation/shamir") {
  TEST_CASE("any threshold of the holders give the secret back and one fewer do not") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const std::size_t holders = 1 + random.below(40);
      const std::size_t threshold = 1 + random.below(holders);
      std::array<std::uint8_t, kSecretBytes> secret;
      random.fill(secret);
      const auto shares = split_secret(secret, holders, threshold, random);
      REQUIRE(shares.size() == holders);
      for (const std::size_t count : {threshold, holders}) {
        const auto places = drawn(holders, count, random);
        const auto joined = SecretJoiner(places).join(picked(shares, places));
        REQUIRE(joined);
        CHECK(*joined == secret);
      }
      if (threshold == 1) continue;
      const auto few = drawn(holders, threshold - 1, random);
      const auto wrong = SecretJoiner(few).join(picked(shares, few));
      CHECK((!wrong || *wrong != secret));
    }
  }

  TEST_CASE("the extreme secrets survive") {
    SeededRandom random(5);
    for (const std::uint8_t byte : {0x00, 0x01, 0x80, 0xff}) {
      std::array<std::uint8_t, kSecretBytes> secret;
      secret.fill(byte);
      const auto shares = split_secret(secret, 5, 3, random);
      const std::vector<std::uint32_t> places = {4, 0, 2};
      CHECK(*SecretJoiner(places).join(picked(shares, places)) == secret);
    }
  }

  TEST_CASE("what is no value of the field is refused") {
    SeededRandom random(6);
    std::array<std::uint8_t, kSecretBytes> secret{};
    auto shares = split_secret(secret, 3, 2, random);
    const std::vector<std::uint32_t> places = {0, 1};
    std::fill_n(shares[0].bytes.begin(), 8, std::uint8_t{0xff});
    const auto joined = SecretJoiner(places).join(picked(shares, places));
    REQUIRE_FALSE(joined);
    CHECK(joined.error().code == ErrorCode::verification_failed);
  }

  TEST_CASE("shares below the threshold are uniform whatever the secret is") {
    // The top byte's top bit of each limb is always zero: 61 bits. Of one share's first limb the
    // lowest bit must be fair for both extreme secrets.
    for (const std::uint8_t byte : {0x00, 0xff}) {
      SeededRandom random(7);
      std::array<std::uint8_t, kSecretBytes> secret;
      secret.fill(byte);
      int odd = 0;
      for (int i = 0; i < 4'000; ++i) {
        odd += split_secret(secret, 3, 2, random)[0].bytes[0] & 1;
      }
      CAPTURE(odd);
      CHECK(odd > 1'800);
      CHECK(odd < 2'200);
    }
  }
}
