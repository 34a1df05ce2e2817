#include "node/history/columns.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "tests/unit/node/history/columns_samples.h"

namespace {

using namespace entente;
using namespace entente::node;
using namespace entente::node::testing;

constexpr std::uint32_t kSeeds = 40;

// Bytes that stand behind the column, so that taking too many or too few shows.
constexpr std::uint8_t kBehind[] = {0xA5, 0x5A, 0xFF};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// Takes, reads the whole and random pieces; true if everything is as it was.
template <class Column, class T>
bool reads_back(const std::vector<T>& values, Bytes bytes, std::mt19937_64& random) {
  bytes.insert(bytes.end(), std::begin(kBehind), std::end(kBehind));
  ByteView view = bytes;
  auto column = Column::take(view, values.size());
  if (!column || column->size() != values.size()) return false;
  if (view.size() != std::size(kBehind) || view[0] != kBehind[0]) return false;
  std::vector<T> back(values.size());
  column->read(0, back);
  if (!same_bits(values, back)) return false;
  for (int i = 0; i < 10 && !values.empty(); ++i) {
    const std::size_t from = random() % values.size();
    const std::size_t size = random() % (values.size() - from + 1);
    std::vector<T> piece(size);
    column->read(from, piece);
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(from);
    if (!same_bits<T>({begin, begin + static_cast<std::ptrdiff_t>(size)}, piece)) return false;
  }
  return true;
}

std::size_t bytes_of_doubles(const std::vector<double>& values) {
  Bytes bytes;
  encode_doubles(values, bytes);
  return bytes.size();
}

// The values changed or refused, but never a fault.
template <class Column, class T>
void survive(ByteView bytes, std::size_t values_max) {
  const Bytes exact(bytes.begin(), bytes.end());  // so that a sanitizer sees every step beyond it
  ByteView view = exact;
  const auto column = Column::take(view, values_max);
  if (!column) return;
  CHECK(column->size() <= values_max);
  std::vector<T> values(column->size());
  column->read(0, values);
  if (values.size() > 1) column->read(values.size() / 2, {values.data(), values.size() / 2});
}

template <class Column, class T>
void survive_damage(const Bytes& bytes, std::size_t values_max, std::mt19937_64& random) {
  const std::size_t step = bytes.size() / 50 + 1;
  for (std::size_t size = 0; size < bytes.size(); size += size < 40 ? 1 : step) {
    survive<Column, T>(ByteView(bytes).first(size), values_max);
  }
  for (int i = 0; i < 60; ++i) {
    Bytes flipped = bytes;
    for (std::size_t flips = random() % 3 + 1; flips > 0; --flips) {
      const std::size_t at =
          random() % (random() % 2 == 0 ? std::min<std::size_t>(bytes.size(), 30) : bytes.size());
      flipped[at] ^= static_cast<std::uint8_t>(1 << random() % 8);
    }
    survive<Column, T>(flipped, values_max);
  }
}

std::vector<std::uint8_t> sample_runs(std::mt19937_64& random, std::size_t size, int kind) {
  std::vector<std::uint8_t> values(size);
  std::uint8_t at = static_cast<std::uint8_t>(random() % 10);
  for (auto& value : values) {
    if (kind == 1 && random() % 50 == 0) at = static_cast<std::uint8_t>(random() % 10);
    if (kind == 2) at = static_cast<std::uint8_t>(random());
    value = at;
  }
  return values;
}

}  // namespace

TEST_SUITE("node/history/columns") {
  TEST_CASE("integers of every kind come back and any piece of them alone") {
    for_every_sample(kSeeds, kIntegerKinds, [](auto& random, std::size_t size, int kind) {
      const auto values = sample_integers(random, size, kind);
      Bytes bytes;
      encode_integers(values, bytes);
      REQUIRE(reads_back<IntegerColumn>(values, bytes, random));
    });
  }

  TEST_CASE("times of every kind come back and any piece of them alone") {
    for_every_sample(kSeeds, kIntegerKinds, [](auto& random, std::size_t size, int kind) {
      auto times = sample_integers(random, size, kind);
      if (random() % 2 == 0) std::sort(times.begin(), times.end());
      Bytes bytes;
      encode_times(times, bytes);
      REQUIRE(reads_back<TimeColumn>(times, bytes, random));
    });
  }

  TEST_CASE("doubles of every kind come back with every bit and any piece of them alone") {
    for_every_sample(kSeeds, kDoubleKinds, [](auto& random, std::size_t size, int kind) {
      const auto values = sample_doubles(random, size, kind);
      Bytes bytes;
      encode_doubles(values, bytes);
      REQUIRE(reads_back<DoubleColumn>(values, bytes, random));
    });
  }

  TEST_CASE("codes come back whether they come in runs or not") {
    for_every_sample(kSeeds, 3, [](auto& random, std::size_t size, int kind) {
      const auto values = sample_runs(random, size, kind);
      Bytes bytes;
      encode_runs(values, bytes);
      REQUIRE(reads_back<RunColumn>(values, bytes, random));
      ByteView view = bytes;
      const auto column = RunColumn::take(view, size);
      REQUIRE(column);
      for (std::uint8_t code = 0; code < 11; ++code) {
        const bool all = std::all_of(values.begin(), values.end(),
                                     [&](std::uint8_t each) { return each == code; });
        REQUIRE(column->all(code) == all);
      }
      REQUIRE(column->largest() ==
              (values.empty() ? 0 : *std::max_element(values.begin(), values.end())));
    });
  }

  TEST_CASE("the lower bound of a time is that of the standard library") {
    for_every_sample(kSeeds, kIntegerKinds, [](auto& random, std::size_t size, int kind) {
      auto times = sample_integers(random, size, kind);
      std::sort(times.begin(), times.end());
      Bytes bytes;
      encode_times(times, bytes);
      ByteView view = bytes;
      const auto column = TimeColumn::take(view, size);
      REQUIRE(column);
      const auto check = [&](std::int64_t time) {
        const auto at = std::lower_bound(times.begin(), times.end(), time) - times.begin();
        REQUIRE(column->lower_bound(time) == static_cast<std::size_t>(at));
      };
      check(INT64_MIN), check(INT64_MAX), check(0);
      for (int i = 0; i < 30 && size > 0; ++i) {
        const std::int64_t time = times[random() % size];
        check(time);
        if (time != INT64_MIN) check(time - 1);
        if (time != INT64_MAX) check(time + 1);
      }
    });
  }

  TEST_CASE("columns stand behind each other and each takes its own bytes") {
    std::mt19937_64 random(3);
    const auto integers = sample_integers(random, 300, 1), times = sample_integers(random, 200, 7);
    const auto doubles = sample_doubles(random, 100, 2);
    Bytes bytes;
    encode_doubles(doubles, bytes);
    encode_times(times, bytes);
    encode_integers(integers, bytes);
    ByteView view = bytes;
    CHECK(DoubleColumn::take(view, 1'000)->size() == 100);
    CHECK(TimeColumn::take(view, 1'000)->size() == 200);
    CHECK(IntegerColumn::take(view, 1'000)->size() == 300);
    CHECK(view.empty());
  }

  TEST_CASE("a regular series of any length costs a few bytes for its times") {
    for (const std::int64_t period :
         {std::int64_t{1}, std::int64_t{1'000'000'000}, std::int64_t{0}}) {
      std::vector<std::int64_t> times;
      for (std::int64_t i = 0; i < 5'000; ++i)
        times.push_back(1'767'225'600'000'000'000 + i * period);
      Bytes bytes;
      encode_times(times, bytes);
      CHECK(bytes.size() <= 12);
    }
  }

  TEST_CASE("a gap costs its own block and jitter of whole milliseconds only its milliseconds") {
    std::vector<std::int64_t> gap, jitter;
    std::mt19937_64 random(5);
    for (std::int64_t i = 0; i < 1'280; ++i) {
      gap.push_back((i + (i > 700 ? 3'600 : 0)) * 1'000'000'000 + 7);
      jitter.push_back(i * 1'000'000'000 + static_cast<std::int64_t>(random() % 16) * 1'000'000);
    }
    Bytes bytes;
    encode_times(gap, bytes);
    CHECK(bytes.size() <= 128 * 12 / 8 + 80);
    bytes.clear();
    encode_times(jitter, bytes);
    CHECK(bytes.size() <= 1'280 * 4 / 8 + 80);
  }

  TEST_CASE("decimals stay small beside values that are none") {
    std::mt19937_64 random(11);
    auto values = sample_doubles(random, 1'000, 0);
    const std::size_t plain = bytes_of_doubles(values);
    CHECK(plain <= 600);
    auto with_nan = values;
    for (std::size_t i = 0; i < 1'000; i += 10)
      with_nan[i] = std::numeric_limits<double>::quiet_NaN();
    CHECK(bytes_of_doubles(with_nan) <= plain + 200);
    for (std::size_t i = 0; i < 500; ++i) with_nan[i] = std::numeric_limits<double>::quiet_NaN();
    CHECK(bytes_of_doubles(with_nan) <= plain + 200);
    values[500] = 1.0 / 3;
    CHECK(bytes_of_doubles(values) <= plain + 30);
    CHECK(bytes_of_doubles(std::vector<double>(1'000, std::numeric_limits<double>::quiet_NaN())) <=
          120);
  }

  TEST_CASE("sums of decimals cost little more than decimals") {
    std::mt19937_64 random(12);
    std::vector<double> sums(1'000);
    for (auto& sum : sums) {
      for (int i = 0; i < 60; ++i) sum += static_cast<double>(random() % 1'000 + 2'000) / 100;
    }
    CHECK(bytes_of_doubles(sums) <= 2'500);
  }

  TEST_CASE("more values than allowed are refused") {
    std::mt19937_64 random(13);
    const auto integers = sample_integers(random, 129, 2);
    const auto doubles = sample_doubles(random, 129, 10);
    Bytes bytes;
    const auto refused = [&](auto take) {
      ByteView view = bytes;
      const bool refusal = !take(view);
      bytes.clear();
      return refusal && view.size() != 0;
    };
    encode_integers(integers, bytes);
    CHECK(refused([](ByteView& view) { return IntegerColumn::take(view, 128).has_value(); }));
    encode_times(integers, bytes);
    CHECK(refused([](ByteView& view) { return TimeColumn::take(view, 128).has_value(); }));
    encode_doubles(doubles, bytes);
    CHECK(refused([](ByteView& view) { return DoubleColumn::take(view, 128).has_value(); }));
    encode_runs(std::vector<std::uint8_t>(129, 1), bytes);
    CHECK(refused([](ByteView& view) { return RunColumn::take(view, 128).has_value(); }));
  }

  TEST_CASE("every column cut short is refused") {
    std::mt19937_64 random(14);
    Bytes bytes;
    const auto all_refused = [&](auto take) {
      for (std::size_t size = 0; size < bytes.size(); ++size) {
        ByteView view = ByteView(bytes).first(size);
        if (take(view)) return false;
      }
      bytes.clear();
      return true;
    };
    encode_integers(sample_integers(random, 300, 1), bytes);
    CHECK(all_refused([](ByteView& view) { return IntegerColumn::take(view, 300).has_value(); }));
    encode_times(sample_integers(random, 300, 7), bytes);
    CHECK(all_refused([](ByteView& view) { return TimeColumn::take(view, 300).has_value(); }));
    encode_doubles(sample_doubles(random, 300, 2), bytes);
    CHECK(all_refused([](ByteView& view) { return DoubleColumn::take(view, 300).has_value(); }));
    encode_doubles(sample_doubles(random, 300, 10), bytes);
    CHECK(all_refused([](ByteView& view) { return DoubleColumn::take(view, 300).has_value(); }));
    encode_runs(sample_runs(random, 300, 1), bytes);
    CHECK(all_refused([](ByteView& view) { return RunColumn::take(view, 300).has_value(); }));
  }

  TEST_CASE("cut and flipped bytes give a refusal or values") {
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      for (const std::size_t size :
           {std::size_t{1}, std::size_t{60}, std::size_t{129}, std::size_t{700}}) {
        for (int kind = 0; kind < kDoubleKinds; ++kind) {
          Bytes bytes;
          encode_doubles(sample_doubles(random, size, kind), bytes);
          survive_damage<DoubleColumn, double>(bytes, size, random);
        }
        for (int kind = 0; kind < kIntegerKinds; ++kind) {
          const auto values = sample_integers(random, size, kind);
          Bytes bytes;
          encode_integers(values, bytes);
          survive_damage<IntegerColumn, std::int64_t>(bytes, size, random);
          bytes.clear();
          encode_times(values, bytes);
          survive_damage<TimeColumn, std::int64_t>(bytes, size, random);
        }
        for (int kind = 0; kind < 3; ++kind) {
          Bytes bytes;
          encode_runs(sample_runs(random, size, kind), bytes);
          survive_damage<RunColumn, std::uint8_t>(bytes, size, random);
        }
      }
    }
  }
}
