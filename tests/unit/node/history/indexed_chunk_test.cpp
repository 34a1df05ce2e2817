#include "node/history/indexed_chunk.h"

#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "node/history/history.h"

namespace entente::node {
namespace {

struct Columns {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
};

enum class Kind { even, uneven, flawed };

Columns columns(std::mt19937_64& random, std::size_t size, Kind kind) {
  Columns made;
  std::int64_t time = -static_cast<std::int64_t>(random() % 1'000'000);
  const auto step = static_cast<std::int64_t>(random() % 1'000) + 1;
  double value = 20;
  for (std::size_t i = 0; i < size; ++i) {
    time += kind == Kind::even ? step : 1 + static_cast<std::int64_t>(random() % 2'000);
    value += static_cast<double>(random() % 11) / 100 - 0.05;
    const bool flawed = kind == Kind::flawed && random() % 7 == 0;
    made.times.push_back(time);
    made.values.push_back(flawed && random() % 2 == 0 ? std::nan("") : value);
    made.qualities.push_back(flawed ? Quality::spike : Quality::good);
  }
  return made;
}

bool near(double a, double b, double scale) {
  return std::abs(a - b) <= 1e-11 * (1 + scale);
}

void check_window(const IndexedChunk& indexed, const Columns& all, TimeWindow window) {
  Partial got, naive;
  QuantileSketch sketch, naive_sketch;
  indexed.aggregate(window, got, &sketch);
  for (std::size_t i = 0; i < all.times.size(); ++i) {
    if (!window.contains({all.times[i]})) continue;
    naive.add(all.times[i], all.values[i], all.qualities[i]);
    if (all.qualities[i] == Quality::good) naive_sketch.add(all.values[i]);
  }
  const auto scale = 40 * static_cast<double>(naive.count);
  CHECK(got.readings == naive.readings);
  CHECK(got.count == naive.count);
  CHECK(near(got.sum, naive.sum, scale));
  CHECK(near(got.squares, naive.squares, naive.squares + scale));
  CHECK(got.minimum == naive.minimum);
  CHECK(got.maximum == naive.maximum);
  CHECK(got.first == naive.first);
  CHECK(got.last == naive.last);
  CHECK(got.first_time == naive.first_time);
  CHECK(got.last_time == naive.last_time);
  CHECK(near(got.integral, naive.integral, std::abs(naive.integral)));
  CHECK(near(got.rise, naive.rise, scale));
  CHECK(sketch == naive_sketch);
}

}  // namespace

TEST_SUITE("node/indexed_chunk") {
  TEST_CASE("any window of any readings comes to what they come to one by one") {
    for (std::uint32_t seed = 0; seed < 40; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      constexpr std::size_t kSizes[] = {1, 2, 31, 32, 33, 127, 128, 400, 513, 2'600};
      const auto all = columns(random, kSizes[seed % 10], static_cast<Kind>(random() % 3));
      Bytes bytes;
      encode_chunk(all.times, all.values, all.qualities, bytes);
      ByteView rest(bytes);
      const auto chunk = Chunk::take(rest, all.times.size());
      REQUIRE(chunk.has_value());
      const auto indexed = IndexedChunk::make(*chunk);
      REQUIRE(indexed.has_value());
      const auto time = [&] {
        return all.times[random() % all.times.size()] + static_cast<std::int64_t>(random() % 3) - 1;
      };
      check_window(**indexed, all, kAllTime);
      for (int round = 0; round < 60; ++round) check_window(**indexed, all, {{time()}, {time()}});
    }
  }

  TEST_CASE("what follows an earlier stretch is merged behind it") {
    std::mt19937_64 random(5);
    const auto all = columns(random, 300, Kind::even);
    Bytes bytes;
    encode_chunk(all.times, all.values, all.qualities, bytes);
    ByteView rest(bytes);
    const auto indexed = *IndexedChunk::make(*Chunk::take(rest, 300));
    Partial parts, whole;
    indexed->aggregate({kAllTime.from, {all.times[77]}}, parts, nullptr);
    indexed->aggregate({{all.times[77]}, kAllTime.to}, parts, nullptr);
    whole.add(all.times, all.values, all.qualities);
    CHECK(parts.count == 300);
    CHECK(near(parts.integral, whole.integral, std::abs(whole.integral)));
    CHECK(near(parts.squares, whole.squares, whole.squares));
  }

  TEST_CASE("times that do not ascend are refused") {
    const Columns all{{5, 5, 9}, {1, 2, 3}, std::vector<Quality>(3, Quality::good)};
    Bytes bytes;
    encode_chunk(all.times, all.values, all.qualities, bytes);
    ByteView rest(bytes);
    CHECK_FALSE(IndexedChunk::make(*Chunk::take(rest, 3)).has_value());
  }
}

}  // namespace entente::node
