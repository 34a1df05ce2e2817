// The running-total mechanism: coefficients in exact fractions, the sensitivity by enumeration, the
// variances against the published table (privacy.md 3.4).
#include "security/privacy/toeplitz.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <cmath>
#include <numeric>

#include "schemas/base/random.h"
#include "security/privacy/noise.h"
#include "security/privacy/rho.h"
#include "security/privacy/toeplitz_decoder.h"

using namespace entente;
using namespace entente::security;
using boost::multiprecision::cpp_int;

namespace {

using Stream = std::vector<std::int64_t>;

Toeplitz horizon_of(std::uint32_t ticks) {
  auto made = Toeplitz::make(ticks);
  REQUIRE(made);
  return *std::move(made);
}

std::uint64_t distance(const Toeplitz& mechanism, const Stream& a, const Stream& b) {
  std::uint64_t squares = 0;
  for (std::size_t t = 0; t < a.size(); ++t) {
    const std::int64_t by =
        mechanism.encode({a.data(), t + 1}) - mechanism.encode({b.data(), t + 1});
    squares += static_cast<std::uint64_t>(by * by);
  }
  return squares;
}

// The stream of `length` digits in base `values`, around zero.
Stream stream_of(std::uint64_t number, std::size_t length, std::int64_t values) {
  Stream stream(length);
  for (std::int64_t& x : stream) {
    x = static_cast<std::int64_t>(number % static_cast<std::uint64_t>(values)) - values / 2;
    number /= static_cast<std::uint64_t>(values);
  }
  return stream;
}

}  // namespace

TEST_SUITE("security/toeplitz") {
  TEST_CASE("coefficients are the exact ones rounded to 8 bits at every tick") {
    const Toeplitz mechanism = horizon_of(kToeplitzHorizonMost);
    cpp_int numerator = 1, power = 1;  // binomial(2k, k) / 4^k
    for (std::uint32_t k = 0; k < kToeplitzHorizonMost; ++k) {
      if (k > 0) {
        numerator = numerator * (2 * (2 * k - 1)) / k;
        power *= 4;
      }
      const cpp_int rounded = (numerator * 512 + power) / (2 * power);
      REQUIRE(mechanism.coefficients()[k] == static_cast<std::int64_t>(rounded));
    }
    CHECK(mechanism.coefficients()[0] == kToeplitzOne);
    CHECK(std::accumulate(mechanism.coefficients().begin(), mechanism.coefficients().end(),
                          std::int64_t{0}) == mechanism.sum());
  }

  TEST_CASE("squares of 1024 ticks are the published ones") {
    const Toeplitz mechanism = horizon_of(1'024);
    const auto scaled = [&](std::uint32_t k) {
      return static_cast<double>(mechanism.squares(k)) / 65'536;
    };
    // The table's figures are of coefficients that were not rounded.
    CHECK(scaled(1) == doctest::Approx(3.272554).epsilon(0.002));
    CHECK(scaled(2) == doctest::Approx(11.8164).epsilon(0.002));
    CHECK(scaled(4) == doctest::Approx(43.1861).epsilon(0.002));
    CHECK(scaled(16) == doctest::Approx(573.8367).epsilon(0.002));
    CHECK(static_cast<double>(horizon_of(64).squares(1)) / 65'536 ==
          doctest::Approx(2.388848).epsilon(0.002));
    CHECK(static_cast<double>(horizon_of(4'096).squares(1)) / 65'536 ==
          doctest::Approx(3.713884).epsilon(0.005));
  }

  TEST_CASE("no pair of neighbouring streams is further apart than the charge says") {
    // Every stream of five ticks over {-1, 0, 1}, every other that differs within k contiguous
    // ticks by at most 1 a tick: all neighbours of units with reach 1.
    constexpr std::size_t kTicks = 5;
    const Toeplitz mechanism = horizon_of(kTicks);
    std::vector<std::uint64_t> worst(kTicks + 1, 0);
    for (std::uint64_t a = 0; a < 243; ++a) {
      const Stream one = stream_of(a, kTicks, 3);
      for (std::uint64_t b = 0; b < 243; ++b) {
        const Stream other = stream_of(b, kTicks, 3);
        std::size_t first = kTicks, last = 0;
        bool within = true;
        for (std::size_t t = 0; t < kTicks; ++t) {
          if (one[t] == other[t]) continue;
          within = within && std::abs(one[t] - other[t]) <= 1;
          first = std::min(first, t);
          last = t;
        }
        if (!within || first == kTicks) continue;
        std::uint64_t& most = worst[last - first + 1];
        most = std::max(most, distance(mechanism, one, other));
      }
    }
    std::uint64_t most = 0;
    for (std::uint32_t k = 1; k <= kTicks; ++k) {
      CAPTURE(k);
      most = std::max(most, worst[k]);
      CHECK(mechanism.squares(k) == most);  // attained, never exceeded
    }
  }

  TEST_CASE("the worst of all differences of ten ticks begins first and has one sign") {
    constexpr std::size_t kTicks = 10;
    const Toeplitz mechanism = horizon_of(kTicks);
    const Stream zero(kTicks, 0);
    for (std::size_t k = 1; k <= 8; k += k < 4 ? 1 : 4) {
      CAPTURE(k);
      std::uint64_t count = 1;
      for (std::size_t i = 0; i < k; ++i) count *= 3;
      std::uint64_t most = 0;
      for (std::size_t begin = 0; begin + k <= kTicks; ++begin) {
        for (std::uint64_t number = 0; number < count; ++number) {
          const Stream part = stream_of(number, k, 3);
          Stream moved = zero;
          std::copy(part.begin(), part.end(), moved.begin() + static_cast<std::ptrdiff_t>(begin));
          most = std::max(most, distance(mechanism, moved, zero));
        }
      }
      CHECK(most == mechanism.squares(static_cast<std::uint32_t>(k)));
      // Control: as if the k ticks were independent, or k times the first: both are wrong.
      if (k > 1) {
        CHECK(k * mechanism.squares(1) < most);
        CHECK(k * k * mechanism.squares(1) > most);
      }
    }
  }

  TEST_CASE("variances of decoded totals are the published ones") {
    const struct {
      std::uint32_t ticks;
      double most, mean, tolerance;
    } rows[] = {{64, 5.7066, 4.9715, 0.003},
                {1'024, 10.7180, 9.6708, 0.002},
                {4'096, 13.7929, 12.6117, 0.006}};
    for (const auto& row : rows) {
      CAPTURE(row.ticks);
      const Toeplitz mechanism = horizon_of(row.ticks);
      const std::vector<double> variances = ToeplitzDecoder(mechanism).variances();
      const double unit = static_cast<double>(mechanism.squares(1));
      const double most = *std::max_element(variances.begin(), variances.end()) * unit;
      const double mean =
          std::accumulate(variances.begin(), variances.end(), 0.0) * unit / row.ticks;
      CHECK(most == doctest::Approx(row.most).epsilon(row.tolerance));
      CHECK(mean == doctest::Approx(row.mean).epsilon(row.tolerance));
    }
    // 8 bits at 1,024 ticks, to all the digits that were printed.
    const Toeplitz mechanism = horizon_of(1'024);
    const std::vector<double> variances = ToeplitzDecoder(mechanism).variances();
    CHECK(std::fabs(variances.back() * static_cast<double>(mechanism.squares(1)) - 10.7180) < 1e-4);
  }

  TEST_CASE("decoding gives running totals back without noise") {
    for (std::uint32_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto ticks = static_cast<std::uint32_t>(1 + random.below(300));
      const Toeplitz mechanism = horizon_of(ticks);
      Stream values, released;
      for (std::uint32_t t = 0; t < ticks; ++t) {
        values.push_back(static_cast<std::int64_t>(random.below(2'000'001)) - 1'000'000);
        released.push_back(mechanism.encode(values));
      }
      const std::vector<double> totals = ToeplitzDecoder(mechanism).totals(released);
      std::int64_t total = 0;
      for (std::uint32_t t = 0; t < ticks; ++t) {
        total += values[t];
        REQUIRE(std::fabs(totals[t] - static_cast<double>(total)) < 1e-3);
      }
    }
  }

  TEST_CASE("decoded totals have the stated variance and no bias") {
    const Toeplitz mechanism = horizon_of(32);
    const std::vector<double> variances = ToeplitzDecoder(mechanism).variances();
    const ToeplitzDecoder decoder(mechanism);
    const Stream values(32, 5);
    double sum = 0, squares = 0;
    constexpr int kRuns = 4'000;
    SeededRandom random(9);
    ExactNoise noise(random);
    for (int run = 0; run < kRuns; ++run) {
      Stream released;
      for (std::size_t t = 0; t < 32; ++t) {
        released.push_back(mechanism.encode({values.data(), t + 1}) + noise.gaussian(1 << 24));
      }
      const double error = decoder.totals(released).back() - 160;
      sum += error;
      squares += error * error;
    }
    const double expected = variances.back() * 0x1p24;
    CHECK(squares / kRuns == doctest::Approx(expected).epsilon(0.1));
    CHECK(std::fabs(sum / kRuns) < 5 * std::sqrt(expected / kRuns));
  }

  TEST_CASE("charge and variance are inverse and round to the safe side") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const Toeplitz mechanism = horizon_of(1 + static_cast<std::uint32_t>(random.below(60)));
      const auto k = 1 + static_cast<std::uint32_t>(random.below(mechanism.horizon()));
      const auto reach = static_cast<std::int64_t>(1 + random.below(30));
      const RhoUnits rho{1 + random.below(std::uint64_t{1} << 41)};
      const auto variance = mechanism.variance_for(k, reach, rho);
      if (!variance) {
        CHECK(variance.error().code == ErrorCode::epsilon_refused);
        continue;
      }
      const auto charge = mechanism.charge(k, reach, *variance);
      REQUIRE(charge);
      CHECK(charge->units <= rho.units);
      const long double exact = static_cast<long double>(reach * reach) *
                                static_cast<long double>(mechanism.squares(k)) /
                                (2 * static_cast<long double>(*variance));
      CHECK(static_cast<long double>(charge->units) >= exact * 0x1p40L * (1 - 1e-15L));
      if (*variance > 1) {
        const auto less = mechanism.charge(k, reach, *variance - 1);
        CHECK((!less || less->units > rho.units));  // control: least
      }
    }
  }

  TEST_CASE("feeds that cannot be counted are refused") {
    CHECK(Toeplitz::make(0).error().code == ErrorCode::shape_refused);
    CHECK(Toeplitz::make(kToeplitzHorizonMost + 1).error().code == ErrorCode::shape_refused);
    const Toeplitz mechanism = horizon_of(100);
    CHECK(mechanism.charge(1, 0, 5).error().code == ErrorCode::epsilon_refused);
    CHECK(mechanism.charge(1, 1, 0).error().code == ErrorCode::epsilon_refused);
    CHECK(mechanism.charge(1, INT64_MAX, 5).error().code == ErrorCode::epsilon_refused);
    CHECK(mechanism.variance_for(1, 1, {0}).error().code == ErrorCode::epsilon_refused);
    CHECK(mechanism.variance_for(100, 1'000'000, {1}).error().code == ErrorCode::epsilon_refused);
    CHECK(mechanism.check_overflow(1'000'000, kVarianceMost));
    CHECK(mechanism.check_overflow(
        ((std::int64_t{1} << 62) - (std::int64_t{1} << 38)) / mechanism.sum(), 4));
    CHECK_FALSE(mechanism.check_overflow((std::int64_t{1} << 62) / mechanism.sum() + 1, 4));
    CHECK_FALSE(mechanism.check_overflow(INT64_MAX, 4));
    CHECK_FALSE(mechanism.check_overflow(-1, 4));
    CHECK_FALSE(mechanism.check_overflow(1, 0));
  }
}
