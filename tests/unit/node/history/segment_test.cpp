#include "node/history/segment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "node/history/history.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

// Uneven times, some readings bad, one of them no number.
Readings random_readings(SeededRandom& random, std::size_t size) {
  Readings all;
  std::int64_t time = static_cast<std::int64_t>(random.below(1'000));
  for (std::size_t i = 0; i < size; ++i) {
    time += 1 + static_cast<std::int64_t>(random.below(20));
    const bool bad = random.below(9) == 0;
    const double value = static_cast<double>(random.below(4'000)) / 100;
    all.add({time, bad && random.below(2) == 0 ? std::nan("") : value,
             bad ? Quality::spike : Quality::good});
  }
  return all;
}

struct Opened {
  Directory directory;
  std::unique_ptr<SegmentData> data;
};

Opened opened(const Readings& readings) {
  const Place place = 7;
  const ReadingsView view(readings);
  auto encoded = encode_segment({&place, 1}, {&view, 1});
  auto directory = Directory::decode(encoded.directory);
  REQUIRE(directory.has_value());
  auto data = SegmentData::open(std::move(encoded.data));
  REQUIRE(data.has_value());
  return {std::move(*directory), std::move(*data)};
}

bool near(double a, double b, double scale) {
  return std::abs(a - b) <= 1e-11 * (1 + scale);
}

}  // namespace

TEST_SUITE("node/segment") {
  TEST_CASE("few readings are decoded alone and come to what the whole series unpacked says") {
    std::size_t alone = 0, unpacked = 0;
    for (std::uint32_t seed = 0; seed < 60; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto all = random_readings(random, 1 + random.below(700));
      const auto kept = opened(all);
      const auto& series = *kept.directory.find(7);
      const auto memory = kept.data->memory();
      for (int round = 0; round < 30; ++round) {
        const auto from = all.times[random.below(all.size())] - 1;
        const auto length = static_cast<std::int64_t>(random.below(2'000));
        const TimeWindow window{{from}, {from + length}};
        Partial got, expected;
        QuantileSketch sketch, expected_sketch;
        const auto done = kept.data->aggregate_few(series, window, got, &sketch);
        REQUIRE(done.has_value());
        if (!*done) {
          CHECK(got == Partial{});
          ++unpacked;
          continue;
        }
        ++alone;
        CHECK(kept.data->memory() == memory);
        const auto fresh = opened(all);
        REQUIRE(fresh.data->aggregate(series, window, expected, &expected_sketch));
        CHECK(got.readings == expected.readings);
        CHECK(got.count == expected.count);
        CHECK(got.minimum == expected.minimum);
        CHECK(got.maximum == expected.maximum);
        CHECK(got.first == expected.first);
        CHECK(got.last == expected.last);
        CHECK(got.first_time == expected.first_time);
        CHECK(got.last_time == expected.last_time);
        CHECK(near(got.sum, expected.sum, 4e3));
        CHECK(near(got.squares, expected.squares, 4e5));
        CHECK(near(got.integral, expected.integral, std::abs(expected.integral)));
        CHECK(near(got.rise, expected.rise, 4e3));
        CHECK(sketch == expected_sketch);
      }
    }
    CHECK(alone > 200);
    CHECK(unpacked > 200);
  }

  TEST_CASE("a series that is unpacked already is not decoded again") {
    SeededRandom random(1);
    const auto all = random_readings(random, 500);
    const auto kept = opened(all);
    const auto& series = *kept.directory.find(7);
    const TimeWindow window{{all.times[10]}, {all.times[20]}};
    Partial few, none;
    REQUIRE(*kept.data->aggregate_few(series, window, few, nullptr));
    CHECK(few.readings == 10);
    const auto memory = kept.data->memory();
    Partial whole;
    REQUIRE(kept.data->aggregate(series, kAllTime, whole, nullptr));
    CHECK(kept.data->memory() > memory);
    CHECK_FALSE(*kept.data->aggregate_few(series, window, none, nullptr));
    CHECK(none == Partial{});
  }
}

}  // namespace entente::node
