#include <doctest/doctest.h>

#include <set>

#include "schemas/base/bytes.h"
#include "schemas/base/hash.h"
#include "schemas/base/ids.h"
#include "schemas/base/random.h"

using namespace entente;

TEST_SUITE("schemas/base") {
  TEST_CASE("text forms of bytes are strict") {
    const Bytes raw = {0, 1, 0xfe, 0xff};
    CHECK(to_hex(raw) == "0001feff");
    CHECK(*from_hex("0001feff") == raw);
    CHECK(*from_base64url(to_base64url(raw)) == raw);
    for (const char* bad : {"0", "0g", "0001FEFF", "00 1"}) CHECK_FALSE(from_hex(bad));
    for (const char* bad : {"AAH-_w==", "AAH+/w", "A", "AAH-_x"}) CHECK_FALSE(from_base64url(bad));
  }

  TEST_CASE("parts of a hash never run together, and contexts separate") {
    const Bytes ab = to_bytes("ab"), c = to_bytes("c"), a = to_bytes("a"), bc = to_bytes("bc");
    CHECK(hash_parts("x", {ab, c}) != hash_parts("x", {a, bc}));
    CHECK(hash("x", ab) != hash("y", ab));
  }

  TEST_CASE("local ids follow the rule") {
    for (const char* good : {"air", "a", "0", "press-7", "a.b_c"}) CHECK(is_local_id(good));
    for (const char* bad : {"", "Air", "-a", ".a", "a/b", "a b", "é"})
      CHECK_FALSE(is_local_id(bad));
    CHECK_FALSE(is_local_id(std::string(64, 'a')));
  }

  TEST_CASE("equal seeds give equal streams and bounded draws stay below the bound") {
    SeededRandom one(7), two(7), other(8);
    CHECK(one.u64() == two.u64());
    CHECK(one.u64() != other.u64());
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(one.below(5));
    CHECK(seen == std::set<std::uint64_t>{0, 1, 2, 3, 4});
  }

  TEST_CASE("every error code has a name, a reaction and an exit code") {
    CHECK(code_text(ErrorCode::budget_exhausted) == "ENT-5001");
    CHECK(exit_code(ErrorCode::budget_exhausted) == 5);
    CHECK(code_from_number(5001) == ErrorCode::budget_exhausted);
    CHECK(code_from_number(1) == ErrorCode::internal);
  }
}
