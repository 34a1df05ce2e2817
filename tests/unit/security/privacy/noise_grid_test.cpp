// The grid against its definition in arbitrary precision: the least n with n^4 >= 2^k.
#include "security/privacy/noise_grid.h"

#include <doctest/doctest.h>

#include <boost/multiprecision/cpp_int.hpp>

#include "schemas/base/random.h"
#include "security/privacy/noise.h"

using namespace entente;
using namespace entente::security;
using boost::multiprecision::cpp_int;

TEST_SUITE("security/noise_grid") {
  TEST_CASE("grid points are the powers of the fourth root of two rounded up") {
    std::uint64_t before = 0;
    for (unsigned k = 0; k <= 200; ++k) {
      CAPTURE(k);
      cpp_int point = boost::multiprecision::sqrt(
          cpp_int(boost::multiprecision::sqrt(cpp_int(cpp_int(1) << (k + 200)))));
      point >>= 50;  // floor(2^(k/4)) or one less
      while (point * point * point * point < (cpp_int(1) << k)) ++point;
      const auto expected = static_cast<std::uint64_t>(point);
      CHECK(on_grid(expected));
      CHECK(grid_variance(expected) == expected);
      if (before + 1 < expected) {
        CHECK(grid_variance(before + 1) == expected);
        CHECK(grid_variance(expected - 1) == expected);
        CHECK_FALSE(on_grid(expected - 1));
      }
      before = expected;
    }
    CHECK(before == kVarianceMost);
  }

  TEST_CASE("rounding never takes noise away and adds less than 19 percent") {
    const auto check = [](std::uint64_t variance) {
      const std::uint64_t rounded = grid_variance(variance);
      REQUIRE(rounded >= variance);
      // rounded^4 < 2 variance^4: the fourth root of two is 1.1892.
      const cpp_int a = rounded, b = variance;
      REQUIRE(a * a * a * a <= 2 * b * b * b * b);
      REQUIRE(grid_variance(rounded) == rounded);
    };
    for (std::uint64_t variance = 1; variance < 3'000; ++variance) check(variance);
    for (std::uint32_t seed = 0; seed < 3'000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      check(1 + random.below(std::uint64_t{1} << (1 + random.below(50))));
    }
    check(kVarianceMost);
  }

  TEST_CASE("a larger variance never gets a smaller grid point") {
    std::uint64_t before = 0;
    for (std::uint64_t variance = 1; variance < kVarianceMost; variance += 1 + variance / 50) {
      CHECK(grid_variance(variance) >= before);
      before = grid_variance(variance);
    }
  }
}
