#include "node/history/chunk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "tests/unit/node/history/columns_samples.h"

namespace {

using namespace entente;
using namespace entente::node;
using namespace entente::node::testing;

struct Series {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
};

Series sample_series(std::mt19937_64& random, std::size_t size, int kind) {
  Series series{{}, sample_doubles(random, size, kind), std::vector<Quality>(size)};
  std::int64_t time = 1'767'225'600'000'000'000;
  for (std::size_t i = 0; i < size; ++i) {
    series.times.push_back(time += 1 + static_cast<std::int64_t>(random() % 2'000'000'000));
    if (kind != 0 && random() % 20 == 0)
      series.qualities[i] = Quality{static_cast<std::uint8_t>(random() % kQualities)};
  }
  return series;
}

Bytes encoded(const Series& series) {
  Bytes bytes;
  encode_chunk(series.times, series.values, series.qualities, bytes);
  return bytes;
}

}  // namespace

TEST_SUITE("node/history/chunk") {
  TEST_CASE("readings come back, the whole and from the middle") {
    for_every_sample(40, kDoubleKinds, [](auto& random, std::size_t size, int kind) {
      const Series series = sample_series(random, size, kind);
      const Bytes bytes = encoded(series);
      ByteView view = bytes;
      const auto chunk = Chunk::take(view, size);
      REQUIRE(chunk);
      REQUIRE(view.empty());
      REQUIRE(chunk->size() == size);
      const std::size_t from = size == 0 ? 0 : random() % size;
      const std::size_t count = size == 0 ? 0 : random() % (size - from + 1);
      Series back{std::vector<std::int64_t>(count), std::vector<double>(count),
                  std::vector<Quality>(count)};
      chunk->read(from, back.times, back.values, back.qualities);
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(back.times[i] == series.times[from + i]);
        REQUIRE(std::memcmp(&back.values[i], &series.values[from + i], sizeof(double)) == 0);
        REQUIRE(back.qualities[i] == series.qualities[from + i]);
      }
      REQUIRE(chunk->all_good() == std::all_of(series.qualities.begin(), series.qualities.end(),
                                               [](Quality q) { return q == Quality::good; }));
      if (size != 0) REQUIRE(chunk->lower_bound(series.times[from]) == from);
    });
  }

  TEST_CASE("a short chunk costs at most 24 bytes beside its packed values") {
    std::mt19937_64 random(1);
    for (std::size_t size = 1; size <= 60; ++size) {
      CAPTURE(size);
      Series series{{}, sample_doubles(random, size, 0), std::vector<Quality>(size)};
      for (std::size_t i = 0; i < size; ++i) {
        series.times.push_back(1'767'225'600'000'000'000 +
                               static_cast<std::int64_t>(i) * 1'000'000'000);
      }
      CHECK(encoded(series).size() <= 24 + size / 2);  // steps of -5 to 5 take 4 bits
    }
  }

  TEST_CASE("one reading a second on a grid of 0.01 costs less than one byte a reading") {
    std::mt19937_64 random(2);
    Series series{{}, sample_doubles(random, 1'000, 0), std::vector<Quality>(1'000)};
    for (std::int64_t i = 0; i < 1'000; ++i) series.times.push_back(i * 1'000'000'000);
    CHECK(encoded(series).size() <= 600);
  }

  TEST_CASE("columns of different lengths and qualities that are none are refused") {
    const std::vector<std::int64_t> times = {1, 2, 3};
    const std::vector<double> two = {1, 2}, three = {1, 2, 3};
    const std::vector<std::uint8_t> good = {0, 0, 0}, none = {0, kQualities, 0};
    const auto taken = [&](const std::vector<double>& values,
                           const std::vector<std::uint8_t>& codes) {
      Bytes bytes;
      encode_times(times, bytes);
      encode_doubles(values, bytes);
      encode_runs(codes, bytes);
      ByteView view = bytes;
      return Chunk::take(view, 3).has_value();
    };
    CHECK(taken(three, good));
    CHECK_FALSE(taken(two, good));
    CHECK_FALSE(taken(three, none));
    CHECK_FALSE(taken(three, {0, 0}));
  }

  TEST_CASE("more readings than allowed and every chunk cut short are refused") {
    std::mt19937_64 random(3);
    const Bytes bytes = encoded(sample_series(random, 200, 2));
    ByteView whole = bytes;
    CHECK_FALSE(Chunk::take(whole, 199));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteView view = ByteView(bytes).first(size);
      REQUIRE_FALSE(Chunk::take(view, 200));
      REQUIRE(view.size() == size);
    }
  }
}
