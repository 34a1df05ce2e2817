#include "node/history/quantile_sketch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/unit/node/history/columns_samples.h"

namespace {

using namespace entente;
using namespace entente::node;
using namespace entente::node::testing;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

std::vector<double> drawn(std::mt19937_64& random, std::size_t size, int kind) {
  std::vector<double> values(size);
  double at = 20;
  for (auto& value : values) {
    switch (kind) {
      case 0:
        value = std::normal_distribution<>(0, 1)(random);
        break;
      case 1:
        value = std::lognormal_distribution<>(0, 5)(random);
        break;
      case 2:
        value = std::uniform_real_distribution<>(-1e6, 1e6)(random);
        break;
      case 3:
        value = at += std::normal_distribution<>(0, 0.03)(random);
        break;
      case 4:
        value = static_cast<double>(random() % 3) - 1;
        break;
      case 5:
        value = -std::exponential_distribution<>(1e-300)(random) * 1e-4;
        break;
      case 6:
        value = random() % 2 == 0 ? std::numeric_limits<double>::max() : -1e-307;
        break;
      case 7:
        value = 42.5;
        break;
      default:
        value = std::ldexp(1.0, static_cast<int>(random() % 2'000) - 1'000);
        break;
    }
  }
  return values;
}
constexpr int kKinds = 9;

double exact_quantile(const std::vector<double>& sorted, double q) {
  const double rank = std::ceil(q * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

QuantileSketch one_by_one(const std::vector<double>& values) {
  QuantileSketch sketch;
  for (const double value : values) sketch.add(value);
  return sketch;
}

Bytes encoded(const QuantileSketch& sketch) {
  Bytes bytes;
  sketch.encode(bytes);
  return bytes;
}

bool taken(const Bytes& bytes) {
  ByteView view = bytes;
  return QuantileSketch::take(view).has_value();
}

}  // namespace

TEST_SUITE("node/history/quantile_sketch") {
  TEST_CASE("a quantile is the value of its rank within the relative error") {
    for (std::uint32_t seed = 0; seed < 10; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      for (int kind = 0; kind < kKinds; ++kind) {
        for (const std::size_t size :
             {std::size_t{1}, std::size_t{2}, std::size_t{10}, std::size_t{1'500}}) {
          CAPTURE(kind);
          CAPTURE(size);
          auto values = drawn(random, size, kind);
          const auto sketch = one_by_one(values);
          REQUIRE(sketch.count() == size);
          std::sort(values.begin(), values.end());
          for (const double q : {0.0, 0.001, 0.25, 0.5, 0.9, 0.95, 0.999, 1.0}) {
            const double exact = exact_quantile(values, q);
            const auto answer = sketch.quantile(q);
            REQUIRE(answer);
            REQUIRE(std::abs(*answer - exact) <= QuantileSketch::kRelativeError * std::abs(exact));
          }
        }
      }
    }
  }

  TEST_CASE("a column added at once, one by one or in merged pieces gives one sketch") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      for (int kind = 0; kind < kKinds; ++kind) {
        CAPTURE(kind);
        const auto values = drawn(random, random() % 3'000, kind);
        const auto all = one_by_one(values);
        QuantileSketch whole, merged;
        whole.add(values);
        REQUIRE(whole == all);
        REQUIRE(whole.count() == all.count());
        for (std::size_t at = 0; at < values.size();) {
          const std::size_t size = std::min<std::size_t>(values.size() - at, random() % 700 + 1);
          QuantileSketch piece;
          piece.add(std::span(values).subspan(at, size));
          if (random() % 2 == 0) {
            merged.merge(piece);
          } else {
            piece.merge(merged);
            merged = piece;
          }
          at += size;
        }
        REQUIRE(merged == all);
        REQUIRE(merged.count() == all.count());
      }
    }
  }

  TEST_CASE("a value added with a count is that many values and a sketch merges with itself") {
    QuantileSketch counted, single;
    counted.add(3.5, 5);
    counted.add(-1, 2);
    counted.add(7, 0);
    for (int i = 0; i < 5; ++i) single.add(3.5);
    for (int i = 0; i < 2; ++i) single.add(-1);
    CHECK(counted == single);
    counted.merge(counted);
    CHECK(counted.count() == 14);
    single.add(3.5, 5);
    single.add(-1, 2);
    CHECK(counted == single);
  }

  TEST_CASE("what is not finite is left out and both zeros and subnormal numbers are zero") {
    const std::vector<double> values = {kNan,   kInfinity, -kInfinity, 0.0,  -0.0,
                                        5e-324, -5e-324,   1.0,        -kNan};
    QuantileSketch sketch;
    sketch.add(values);
    CHECK(sketch == one_by_one(values));
    CHECK(sketch.count() == 5);
    CHECK(sketch.quantile(0.8) == 0.0);
    CHECK(std::abs(*sketch.quantile(1) - 1) <= QuantileSketch::kRelativeError);
    QuantileSketch none;
    none.add(std::vector<double>(700, kNan));
    CHECK(none.count() == 0);
    CHECK_FALSE(none.quantile(0.5));
  }

  TEST_CASE("an empty or cleared sketch has no quantile") {
    QuantileSketch sketch;
    CHECK_FALSE(sketch.quantile(0.5));
    sketch.add(1);
    sketch.clear();
    CHECK_FALSE(sketch.quantile(0.5));
    CHECK(sketch == QuantileSketch());
  }

  TEST_CASE("a sketch comes back from its bytes and leaves what follows") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      std::mt19937_64 random(seed);
      for (int kind = 0; kind < kKinds; ++kind) {
        CAPTURE(kind);
        QuantileSketch sketch;
        sketch.add(drawn(random, random() % 300, kind));
        Bytes bytes = encoded(sketch);
        for (std::size_t size = 0; size < bytes.size(); ++size) {
          ByteView cut = ByteView(bytes).first(size);
          REQUIRE_FALSE(QuantileSketch::take(cut));
        }
        bytes.push_back(0xA5);
        ByteView view = bytes;
        const auto back = QuantileSketch::take(view);
        REQUIRE(back);
        REQUIRE(*back == sketch);
        REQUIRE(back->count() == sketch.count());
        REQUIRE(view.size() == 1);
      }
    }
  }

  TEST_CASE("buckets out of order or of no number and counts that overflow are refused") {
    CHECK(taken({0}));
    CHECK(taken({2, 0, 1, 1, 1}));
    CHECK_FALSE(taken({2, 0, 1, 0, 1}));                    // the same bucket twice
    CHECK_FALSE(taken({1, 0, 0}));                          // an empty bucket
    CHECK_FALSE(taken({1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1}));  // a key beyond the doubles
    const Bytes most = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1};
    Bytes overflow = {2, 0};
    overflow.insert(overflow.end(), most.begin(), most.end());
    Bytes full = overflow;
    full[0] = 1;
    CHECK(taken(full));
    overflow.push_back(1);
    overflow.push_back(1);
    CHECK_FALSE(taken(overflow));
    Bytes many = {0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1};  // more buckets than bytes
    CHECK_FALSE(taken(many));
  }

  TEST_CASE("flipped bytes give a refusal or a sketch that answers") {
    std::mt19937_64 random(4);
    for (int kind = 0; kind < kKinds; ++kind) {
      QuantileSketch sketch;
      sketch.add(drawn(random, 200, kind));
      const Bytes bytes = encoded(sketch);
      for (int i = 0; i < 300; ++i) {
        Bytes flipped = bytes;
        flipped[random() % bytes.size()] ^= static_cast<std::uint8_t>(1 << random() % 8);
        ByteView view = flipped;
        const auto back = QuantileSketch::take(view);
        if (back && back->count() > 0) REQUIRE(std::isfinite(*back->quantile(0.5)));
      }
    }
  }
}
