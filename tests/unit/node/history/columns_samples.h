// Columns of every kind that the history meets, and some that it should never meet, from a seed.
#pragma once

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace entente::node::testing {

inline constexpr std::size_t kSampleSizes[] = {0,   1,   2,   3,   7,   8,   60,
                                               127, 128, 129, 255, 256, 257, 1'000};
inline constexpr int kIntegerKinds = 9;
inline constexpr int kDoubleKinds = 14;

// Calls `check(random, size, kind)` for columns of every size and kind, from seeds on.
template <class Check>
void for_every_sample(std::uint32_t seeds, int kinds, const Check& check) {
  for (std::uint32_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    for (const std::size_t size : kSampleSizes) {
      for (int kind = 0; kind < kinds; ++kind) {
        CAPTURE(size);
        CAPTURE(kind);
        check(random, size, kind);
      }
    }
  }
}

inline std::vector<std::int64_t> sample_integers(std::mt19937_64& random, std::size_t size,
                                                 int kind) {
  constexpr auto kLeast = std::numeric_limits<std::int64_t>::min();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  std::vector<std::int64_t> values(size);
  auto at = static_cast<std::int64_t>(random() >> 8);
  const auto below = [&](std::uint64_t n) { return static_cast<std::int64_t>(random() % n); };
  const int width = static_cast<int>(random() % 64) + 1;
  for (std::size_t i = 0; i < size; ++i) {
    switch (kind) {
      case 0:
        values[i] = at;
        break;
      case 1:
        values[i] = at += below(11) - 5;
        break;
      case 2:
        values[i] = at += 1'000'000'000;
        break;
      case 3:
        values[i] = static_cast<std::int64_t>(random());
        break;
      case 4:
        values[i] = random() % 2 == 0 ? kLeast : kMost;
        break;
      case 5:
        values[i] = static_cast<std::int64_t>(random() >> (64 - width));
        break;
      case 6:
        values[i] = at += random() % 50 == 0 ? 3'600'000'000'000 : 1'000'000'000;
        break;
      case 7:
        values[i] = at + static_cast<std::int64_t>(i) * 60'000'000'000 + below(1'000) * 1'000'000;
        break;
      default:
        values[i] = i % 100 == 0 ? kMost - below(3) : below(5);
        break;
    }
  }
  return values;
}

inline std::vector<double> sample_doubles(std::mt19937_64& random, std::size_t size, int kind) {
  constexpr double kOdd[] = {0.0,
                             -0.0,
                             std::numeric_limits<double>::infinity(),
                             -std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::quiet_NaN(),
                             -std::numeric_limits<double>::signaling_NaN(),
                             std::numeric_limits<double>::denorm_min(),
                             -std::numeric_limits<double>::min() / 3,
                             std::numeric_limits<double>::max(),
                             0x1p51,
                             0x1p51 + 1,
                             -0x1p52,
                             -0x1p53,
                             0x1p53,
                             1e-9,
                             1e300,
                             0.1 + 0.2};
  std::vector<double> values(size);
  auto at = static_cast<std::int64_t>(random() % 10'000);
  const double scale = std::pow(10.0, static_cast<double>(random() % 10));
  const auto odd = [&] { return kOdd[random() % std::size(kOdd)]; };
  double sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    at += static_cast<std::int64_t>(random() % 11) - 5;
    const double grid = static_cast<double>(at) / 100;
    switch (kind) {
      case 0:
        values[i] = grid;
        break;
      case 1:
        values[i] = static_cast<double>(at) / scale;
        break;
      case 2:
        values[i] = random() % 10 == 0 ? kOdd[4] : grid;
        break;
      case 3:
        values[i] = random() % 100 == 0 ? odd() : grid;
        break;
      case 4:
        values[i] = odd();
        break;
      case 5: {
        const std::uint64_t bits = random();
        values[i] = std::bit_cast<double>(bits);
        break;
      }
      case 6:
        values[i] = static_cast<float>(grid);
        break;
      case 7:
        values[i] = sum += grid;
        break;
      case 8:
        values[i] = random() % 40 == 0 ? -0.0 : 0.0;
        break;
      case 9:
        values[i] = i < size / 2 ? kOdd[4] : grid;
        break;
      case 10:
        values[i] = std::sqrt(static_cast<double>(random() % 1'000));
        break;
      case 11:
        values[i] = static_cast<double>(random() >> (random() % 64));
        break;
      case 12:
        values[i] = kOdd[4];
        break;
      default:
        values[i] = random() % 30 == 0 ? grid + 1e-7 : grid;
        break;
    }
  }
  return values;
}

}  // namespace entente::node::testing
