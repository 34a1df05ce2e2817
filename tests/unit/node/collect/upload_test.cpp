#include "node/collect/upload.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "node/limits.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

UploadColumns random_columns(Random& random) {
  UploadColumns columns;
  const std::size_t size = 1 + random.below(3'000);
  const std::uint64_t kind = random.below(3);
  for (std::size_t i = 0; i < size; ++i) {
    double value = static_cast<double>(random.below(100'000)) / 100;
    if (kind == 1) value = std::sqrt(value);
    if (kind == 2 && i % 7 == 0) value = std::numeric_limits<double>::quiet_NaN();
    columns.add(static_cast<std::uint32_t>(random.below(10'000)),
                static_cast<std::int64_t>(random.below(1'000'000'000'000)), value);
  }
  return columns;
}

bool same(const UploadColumns& a, const UploadColumns& b) {
  if (a.series != b.series || a.times != b.times || a.values.size() != b.values.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    if (std::bit_cast<std::uint64_t>(a.values[i]) != std::bit_cast<std::uint64_t>(b.values[i])) {
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_SUITE("node/collect/upload") {
  TEST_CASE("a batch comes back bit by bit with its session and number") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      const auto session = random.id<UploadSession>();
      const std::uint64_t sequence = random.below(std::uint64_t{1} << 62);
      const UploadColumns columns = random_columns(random);
      const auto back = decode_upload(encode_upload(session, sequence, columns));
      REQUIRE(back);
      CHECK(back->session == session);
      CHECK(back->sequence == sequence);
      CHECK(same(back->columns, columns));
    }
  }

  TEST_CASE("what is cut short or has more behind it or holds nothing is refused") {
    SeededRandom random(1);
    UploadColumns columns;
    for (int i = 0; i < 40; ++i) columns.add(static_cast<std::uint32_t>(i), 1'000 + i, i / 4.0);
    const Bytes bytes = encode_upload(random.id<UploadSession>(), 3, columns);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      CAPTURE(size);
      CHECK_FALSE(decode_upload(ByteView(bytes).first(size)));
    }
    Bytes longer = bytes;
    longer.push_back(0);
    CHECK_FALSE(decode_upload(longer));
    CHECK_FALSE(decode_upload(encode_upload({}, 0, {})));
    Bytes later = bytes;
    later[0] = 2;
    CHECK(decode_upload(later).error().code == ErrorCode::version_too_new);
  }

  TEST_CASE("columns of different lengths and more readings than the limit are refused") {
    UploadColumns columns;
    columns.add(0, 1, 2);
    columns.add(0, 2, 2);
    columns.series.pop_back();
    CHECK_FALSE(decode_upload(encode_upload({}, 0, columns)));
    UploadColumns many;
    for (std::size_t i = 0; i <= limits::kUploadReadings; ++i) {
      many.add(0, static_cast<std::int64_t>(i), 1);
    }
    CHECK_FALSE(decode_upload(encode_upload({}, 0, many)));
    CHECK(decode_upload(Bytes(limits::kUploadBytes + 1, 1)).error().code ==
          ErrorCode::payload_too_large);
  }

  TEST_CASE("a signature counts for these bytes and this key and nothing else") {
    SeededRandom random(9);
    const auto key = security::SigningKey::generate(random);
    const auto other = security::SigningKey::generate(random);
    Bytes bytes = encode_upload(random.id<UploadSession>(), 0, random_columns(random));
    const Signature signature = sign_upload(key, bytes);
    CHECK(verify_upload(key.public_key(), bytes, signature));
    CHECK_FALSE(verify_upload(other.public_key(), bytes, signature));
    // The bare bytes in the same context are another document.
    CHECK_FALSE(verify_upload(key.public_key(), bytes,
                              key.sign(security::contexts::kCollectorBatch, bytes)));
    for (int i = 0; i < 50; ++i) {
      Bytes flipped = bytes;
      flipped[random.below(flipped.size())] ^= static_cast<std::uint8_t>(1 << random.below(8));
      CHECK_FALSE(verify_upload(key.public_key(), flipped, signature));
    }
  }
}

}  // namespace entente::node
