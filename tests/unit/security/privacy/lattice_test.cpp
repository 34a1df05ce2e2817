#include "security/privacy/lattice.h"

#include <doctest/doctest.h>

#include <cfenv>
#include <cmath>
#include <cstring>
#include <limits>

#include "schemas/base/random.h"

using namespace entente;
using security::Lattice;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Any bit pattern that is a number, subnormals and infinities included.
double any_double(Random& random) {
  for (;;) {
    const std::uint64_t raw = random.u64();
    double value = 0;
    std::memcpy(&value, &raw, sizeof value);
    if (!std::isnan(value)) return value;
  }
}

}  // namespace

TEST_SUITE("security/lattice") {
  TEST_CASE("values are rounded half to even") {
    const auto lattice = Lattice::make(-10, 10, 0, 0);
    REQUIRE(lattice);
    const struct {
      double value;
      std::int64_t steps;
    } rows[] = {{0.5, 0},  {1.5, 2},    {2.5, 2},          {3.5, 4},
                {-0.5, 0}, {-1.5, -2},  {-2.5, -2},        {0.49, 0},
                {0.51, 1}, {-0.51, -1}, {2.5000000001, 3}, {2.4999999999, 2}};
    for (const auto& row : rows) {
      CAPTURE(row.value);
      CHECK(lattice->quantise(row.value) == row.steps);
    }
  }

  TEST_CASE("steps are powers of two counted from the centre") {
    const auto fine = Lattice::make(0, 200, 100, -3);
    REQUIRE(fine);
    CHECK(fine->bound() == 800);
    CHECK(fine->exponent() == -3);
    CHECK(fine->centre() == 100);
    CHECK(fine->quantise(100) == 0);
    CHECK(fine->quantise(100.125) == 1);
    CHECK(fine->quantise(0) == -800);
    CHECK(fine->quantise(200) == 800);
    const auto coarse = Lattice::make(0, 200, 0, 3);
    REQUIRE(coarse);
    CHECK(coarse->bound() == 25);
    CHECK(coarse->quantise(12) == 2);  // 1.5 steps
    CHECK(coarse->quantise(200) == 25);
  }

  TEST_CASE("values beyond the bounds and infinities are clamped") {
    const auto lattice = Lattice::make(-3, 5, 0, -1);
    REQUIRE(lattice);
    CHECK(lattice->bound() == 10);
    CHECK(lattice->quantise(5.2) == 10);
    CHECK(lattice->quantise(1e300) == 10);
    CHECK(lattice->quantise(kInfinity) == 10);
    CHECK(lattice->quantise(-3.1) == -6);
    CHECK(lattice->quantise(-kInfinity) == -6);
  }

  TEST_CASE("a bound between two steps is counted up, so that no value exceeds it") {
    const auto lattice = Lattice::make(0, 10.3, 0, 0);
    REQUIRE(lattice);
    CHECK(lattice->bound() == 11);
    CHECK(lattice->quantise(10.3) == 10);
  }

  TEST_CASE("no double moves a sum by more than the bound, and rounding is off by half a step") {
    for (std::uint32_t seed = 0; seed < 2'000; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      double lower = std::ldexp(static_cast<double>(random.below(2'000'001)) - 1e6,
                                static_cast<int>(random.below(40)) - 20);
      double upper = std::ldexp(static_cast<double>(random.below(2'000'001)) - 1e6,
                                static_cast<int>(random.below(40)) - 20);
      if (lower > upper) std::swap(lower, upper);
      const bool centred = random.below(2) == 0;
      const double centre = centred ? lower + (upper - lower) / 2 : 0;
      const int exponent = static_cast<int>(random.below(60)) - 40;
      const auto lattice = Lattice::make(lower, upper, centre, exponent);
      if (!lattice) {
        CHECK(lattice.error().code == ErrorCode::shape_refused);
        continue;
      }
      for (int i = 0; i < 50; ++i) {
        double value = any_double(random);
        if (i % 2 == 1)
          value = lower + (upper - lower) * static_cast<double>(random.below(1001)) / 1000;
        const std::int64_t steps = lattice->quantise(value);
        CHECK(std::llabs(steps) <= lattice->bound());
        const double clamped = std::clamp(value, lower, upper);
        const double back = std::ldexp(static_cast<double>(steps), exponent) + centre;
        CHECK(std::fabs(back - clamped) <=
              std::ldexp(0.5, exponent) + 1e-14 * (std::fabs(clamped) + std::fabs(centre)));
      }
    }
  }

  TEST_CASE("bounds that cannot be counted are refused") {
    const struct {
      double lower, upper, centre;
      int exponent;
    } wrong[] = {{1, 1, 0, 0},
                 {2, 1, 0, 0},
                 {-kInfinity, 1, 0, 0},
                 {0, kInfinity, 0, 0},
                 {NAN, 1, 0, 0},
                 {0, NAN, 0, 0},
                 {0, 1, NAN, 0},
                 {0, 1, kInfinity, 0},
                 {0, 1, 0, -51},
                 {-1e308, 1e308, 0, 0},
                 {-1e308, 1e308, 1e308, 1000}};
    for (const auto& one : wrong) {
      CAPTURE(one.lower);
      CAPTURE(one.upper);
      const auto lattice = Lattice::make(one.lower, one.upper, one.centre, one.exponent);
      REQUIRE_FALSE(lattice);
      CHECK(lattice.error().code == ErrorCode::shape_refused);
    }
    CHECK(Lattice::make(0, 1, 0, -50)->bound() == std::int64_t{1} << 50);
  }

  TEST_CASE("the processor's rounding mode does not matter") {
    const Lattice lattice = *Lattice::make(-50, 50, 0, 0);
    const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    for (const int mode : modes) {
      std::fesetround(mode);
      const std::int64_t got[] = {lattice.quantise(2.5), lattice.quantise(3.5),
                                  lattice.quantise(-2.5), lattice.quantise(1.4)};
      std::fesetround(FE_TONEAREST);
      CHECK(got[0] == 2);
      CHECK(got[1] == 4);
      CHECK(got[2] == -2);
      CHECK(got[3] == 1);
    }
  }
}
