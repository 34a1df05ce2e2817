// What holds for every conversion between a value and its canonical bytes.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <utility>

#include "tests/unit/schemas/random_values.h"

namespace entente::test {

// Values survive, equal values have equal bytes, and damage is
// either refused with `code` or read as another value.
template <class Value, class Draw, class Decode>
void check_conversion(ErrorCode code, Draw draw, Decode decode) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    SeededRandom random(seed);
    const Value value = draw(random);
    const Bytes bytes = canonical_bytes(value);
    const auto back = decode(bytes);
    if (!back) FAIL(back.error().text());
    CHECK(*back == value);
    CHECK(canonical_bytes(*back) == bytes);
  }
  SeededRandom random(4711);
  const Value value = draw(random);
  const Bytes good = canonical_bytes(value);
  int refused = 0, read_as_another = 0;
  for_each_damage(good, [&](const Bytes& bad) {
    const auto result = decode(bad);
    if (result) {
      CHECK_FALSE(*result == value);
      ++read_as_another;
    } else {
      CHECK(result.error().code == code);
      ++refused;
    }
  });
  CHECK(refused > 0);
  CHECK(read_as_another > 0);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(decode(ByteView(good).first(size)));
  }
  Bytes padded = good;
  padded.resize(good.size() + 8);
  CHECK_FALSE(decode(padded));
  SeededRandom noise(17);
  for (int round = 0; round < 2000; ++round) {
    CAPTURE(round);
    Bytes garbage = random_bytes(noise, 0, 40);
    garbage.resize(garbage.size() * 8);
    const auto result = decode(garbage);
    if (!result) CHECK(result.error().code == code);
  }
}

// Changes one field of a good value and expects a refusal that names it.
template <class Value, class Decode>
void check_rules(const Value& good, Decode decode,
                 std::initializer_list<std::pair<const char*, std::function<void(Value&)>>> cases) {
  REQUIRE(decode(canonical_bytes(good)));
  for (const auto& [field, spoil] : cases) {
    CAPTURE(std::string(field));
    Value bad = good;
    spoil(bad);
    const auto result = decode(canonical_bytes(bad));
    REQUIRE_FALSE(result);
    CAPTURE(result.error().what);
    CHECK(result.error().what.find(std::string("'") + field + "'") != std::string::npos);
  }
}

}  // namespace entente::test
