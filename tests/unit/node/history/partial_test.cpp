#include "node/history/partial.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "tests/unit/node/history/columns_samples.h"

namespace {

using namespace entente;
using namespace entente::node;
using namespace entente::node::testing;

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Series {
  std::vector<std::int64_t> times;
  std::vector<double> values;
  std::vector<Quality> qualities;
};

// Of a magnitude and an offset that make careless sums of squares fail; partly not good.
Series sample_series(std::mt19937_64& random, std::size_t size) {
  Series series;
  const double offset = random() % 2 == 0 ? 0 : 1e6;
  const std::uint64_t bad_in = random() % 3 == 0 ? 1 : random() % 40 + 2;
  std::int64_t time = static_cast<std::int64_t>(random() >> 4);
  for (std::size_t i = 0; i < size; ++i) {
    time += 1 + static_cast<std::int64_t>(random() % (10 * kSecond));
    series.times.push_back(time);
    series.values.push_back(offset + std::normal_distribution<>(0, 3)(random));
    const bool bad = bad_in > 1 && random() % bad_in == 0;
    series.qualities.push_back(bad ? Quality::spike : Quality::good);
    if (random() % 200 == 0) series.values.back() = kNan;
  }
  return series;
}

// As the definitions say, with more digits.
struct Naive {
  std::uint64_t count = 0;
  long double sum = 0, magnitude = 0, squares = 0, integral = 0, rise = 0, steps = 0, area = 0;
  double minimum = 0, maximum = 0, first = 0, last = 0;
  std::int64_t first_time = 0, last_time = 0;
};

Naive recomputed(const Series& series) {
  Naive all;
  for (std::size_t i = 0; i < series.times.size(); ++i) {
    const double value = series.values[i];
    const std::int64_t time = series.times[i];
    if (series.qualities[i] != Quality::good || !std::isfinite(value)) continue;
    if (all.count++ == 0) {
      all.minimum = all.maximum = all.first = value;
      all.first_time = time;
    } else {
      const long double held =
          static_cast<long double>(all.last) * (time - all.last_time) / kSecond;
      const long double step =
          value < all.last ? value : static_cast<long double>(value) - all.last;
      all.integral += held, all.area += std::abs(held);
      all.rise += step, all.steps += std::abs(step);
    }
    all.minimum = std::min(all.minimum, value), all.maximum = std::max(all.maximum, value);
    all.sum += value, all.magnitude += std::abs(value);
    all.last = value, all.last_time = time;
  }
  for (std::size_t i = 0; i < series.times.size(); ++i) {
    if (series.qualities[i] != Quality::good || !std::isfinite(series.values[i])) continue;
    const long double apart = series.values[i] - all.sum / all.count;
    all.squares += apart * apart;
  }
  return all;
}

void check_same(const Partial& partial, const Series& series) {
  const Naive all = recomputed(series);
  const auto near = [](double found, long double exact, long double scale) {
    return std::abs(found - exact) <= 1e-13L * scale;
  };
  REQUIRE(partial.readings == series.times.size());
  REQUIRE(partial.count == all.count);
  REQUIRE(partial.minimum == all.minimum);
  REQUIRE(partial.maximum == all.maximum);
  REQUIRE(partial.first == all.first);
  REQUIRE(partial.last == all.last);
  REQUIRE(partial.first_time == all.first_time);
  REQUIRE(partial.last_time == all.last_time);
  REQUIRE(near(partial.sum, all.sum, all.magnitude));
  REQUIRE(near(partial.integral, all.integral, all.area));
  REQUIRE(near(partial.rise, all.rise, all.steps + all.magnitude));
  // The mean is known to about 1e-16 of its magnitude, which its square adds once for each value.
  REQUIRE(std::abs(partial.squares - all.squares) <= 1e-9L * all.squares + 1e-13L);
  if (all.count == 0) {
    REQUIRE(std::isnan(partial.mean()));
    REQUIRE(std::isnan(partial.variance()));
  }
}

Partial of_columns(const Series& series, std::size_t from, std::size_t size) {
  Partial partial;
  partial.add(std::span(series.times).subspan(from, size),
              std::span(series.values).subspan(from, size),
              std::span(series.qualities).subspan(from, size));
  return partial;
}

std::vector<Partial> minutes(std::mt19937_64& random, std::size_t size) {
  std::vector<Partial> all(size);
  std::int64_t time = 1'767'225'600 * kSecond, at = 5'000;
  for (auto& each : all) {
    const bool empty = random() % 20 == 0;
    for (int i = 0; i < 60; ++i, time += kSecond) {
      at += static_cast<std::int64_t>(random() % 11) - 5;
      const bool bad = empty || random() % 500 == 0;
      each.add(time, static_cast<double>(at) / 100, bad ? Quality::stuck : Quality::good);
    }
  }
  return all;
}

}  // namespace

TEST_SUITE("node/history/partial") {
  TEST_CASE("readings one by one, in columns or in merged pieces come to a naive recomputation") {
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      const std::size_t size = kSampleSizes[random() % std::size(kSampleSizes)];
      const Series series = sample_series(random, size);
      Partial single, merged, by_columns;
      for (std::size_t i = 0; i < size; ++i) {
        single.add(series.times[i], series.values[i], series.qualities[i]);
      }
      for (std::size_t at = 0; at < size;) {
        const std::size_t piece = std::min<std::size_t>(size - at, random() % 150 + 1);
        const Partial part = of_columns(series, at, piece);
        merged.merge(part);
        by_columns.add(std::span(series.times).subspan(at, piece),
                       std::span(series.values).subspan(at, piece),
                       std::span(series.qualities).subspan(at, piece));
        at += piece;
      }
      check_same(single, series);
      check_same(merged, series);
      check_same(by_columns, series);
      check_same(of_columns(series, 0, size), series);
    }
  }

  TEST_CASE("a small variance beside a large mean is not lost") {
    Partial all;
    for (int i = 0; i < 1'000; ++i) {
      all.add(i * kSecond, 1e9 + (i % 2 == 0 ? 0.5 : -0.5), Quality::good);
    }
    CHECK(all.variance() == doctest::Approx(0.25).epsilon(1e-6));
  }

  TEST_CASE("a value is held until the next reading and a falling counter began again at zero") {
    Partial all;
    all.add(0, 10, Quality::good);
    all.add(2 * kSecond, 15, Quality::good);
    all.add(3 * kSecond, 4, Quality::good);
    CHECK(all.integral == 35);
    CHECK(all.rise == 9);
    Partial later;
    later.add(5 * kSecond, 3, Quality::good);
    all.merge(later);
    CHECK(all.integral == 43);
    CHECK(all.rise == 12);
  }

  TEST_CASE("nothing good leaves every figure at zero and merging it changes readings alone") {
    Partial none;
    none.add(5, 1, Quality::spike);
    none.add(6, kNan, Quality::good);
    none.add(7, std::numeric_limits<double>::infinity(), Quality::good);
    Partial expected;
    expected.readings = 3;
    CHECK(none == expected);
    Partial some;
    some.add(1, 2, Quality::good);
    Partial both = some;
    both.merge(none);
    CHECK(both.readings == 4);
    both.readings = 1;
    CHECK(both == some);
    none.merge(some);
    CHECK(none.readings == 4);
    none.readings = 1;
    CHECK(none == some);
  }

  TEST_CASE("partials come back with every bit") {
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      for (const std::size_t size : kSampleSizes) {
        CAPTURE(size);
        std::vector<Partial> partials = minutes(random, size);
        if (seed % 2 == 1) {
          for (auto& each : partials) each = of_columns(sample_series(random, random() % 40), 0, 0);
          for (auto& each : partials) {
            const std::size_t readings = random() % 40;
            each = of_columns(sample_series(random, readings), 0, readings);
          }
        }
        Bytes bytes;
        encode_partials(partials, bytes);
        bytes.push_back(0xA5);
        ByteView view = bytes;
        const auto back = take_partials(view, size);
        REQUIRE(back);
        REQUIRE(view.size() == 1);
        REQUIRE(*back == partials);
      }
    }
  }

  TEST_CASE("a minute of decimals costs at most 32 bytes in a day of them") {
    std::mt19937_64 random(9);
    Bytes bytes;
    encode_partials(minutes(random, 1'440), bytes);
    MESSAGE((static_cast<double>(bytes.size()) / 1440));
    CHECK(bytes.size() <= 1'440 * 32);
  }

  TEST_CASE("more partials than allowed and every encoding cut short are refused") {
    std::mt19937_64 random(10);
    Bytes bytes;
    encode_partials(minutes(random, 30), bytes);
    ByteView whole = bytes;
    CHECK_FALSE(take_partials(whole, 29));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteView view = ByteView(bytes).first(size);
      REQUIRE_FALSE(take_partials(view, 30));
      REQUIRE(view.size() == size);
    }
  }

  TEST_CASE("flipped bytes give a refusal or partials whose counts make sense") {
    std::mt19937_64 random(11);
    Bytes bytes;
    encode_partials(minutes(random, 150), bytes);
    for (int i = 0; i < 2'000; ++i) {
      Bytes flipped = bytes;
      for (std::size_t flips = random() % 3 + 1; flips > 0; --flips) {
        flipped[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 << random() % 8);
      }
      ByteView view = flipped;
      const auto back = take_partials(view, 150);
      if (!back) continue;
      for (const Partial& each : *back) REQUIRE(each.count <= each.readings);
    }
  }
}
