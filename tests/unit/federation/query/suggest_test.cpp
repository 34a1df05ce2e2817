#include "federation/query/suggest.h"

#include <doctest/doctest.h>

namespace {
using namespace entente::federation;
}

TEST_SUITE("federation/query/suggest") {
  TEST_CASE("edit distance counts insertions, deletions, replacements and swaps, case apart") {
    CHECK(edit_distance("", "") == 0);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("FORM", "from") == 1);
    CHECK(edit_distance("mean", "MEAN") == 0);
    CHECK(edit_distance("ca", "abc") == 3);  // alignment, not the unrestricted distance, which is 2
    CHECK(edit_distance(std::string(5000, 'x'), "x") == 63);
  }

  TEST_CASE("near names are offered nearest first and far ones never") {
    const std::vector<std::string> names = {"pm10", "pm25", "ozone", "temperature"};
    CHECK(nearest("pm52", names) == std::vector<std::string>{"pm25"});
    CHECK(nearest("pm2.5", names).front() == "pm25");
    CHECK(nearest("temp", names) == std::vector<std::string>{"temperature"});
    CHECK(nearest("humidity", names).empty());
    CHECK(nearest("x", names).empty());
  }

  TEST_CASE("names are listed in words") {
    CHECK(did_you_mean(std::vector<std::string>{"a", "b", "c"}) == "did you mean 'a', 'b' or 'c'?");
    CHECK(did_you_mean({}).empty());
    CHECK(listed(std::vector<std::string>{"a", "b"}) == "'a' and 'b'");
    CHECK(listed(std::vector<std::string>(14, "x")).ends_with("and 2 more"));
    CHECK(listed({}) == "none");
  }

  TEST_CASE("the caret stands under the character, whatever precedes it") {
    CHECK(pointed("SELECT x", 7) == "  SELECT x\n         ^");
    CHECK(pointed("a\n\tbc\nd", 4) ==
          "  \x20"
          "bc\n    ^");
    CHECK(pointed("é = 'ß' x", 11) == "  é = 'ß' x\n           ^");
    CHECK(pointed("", 0) == "  \n  ^");
    CHECK(pointed("ab", 99) == "  ab\n    ^");
    CHECK(place("SELECT x", 7) == "character 8");
    CHECK(place("a\nbcd", 4) == "line 2, character 3");
  }

  TEST_CASE("a long line is cut around the place and the caret still fits") {
    const std::string line = std::string(500, 'a') + "!" + std::string(500, 'b');
    const std::string text = pointed(line, 500);
    const auto end = text.find('\n');
    CHECK(end < 130);
    CHECK(text.starts_with("  …a"));
    CHECK(text.substr(0, end).ends_with("b…"));
    // "…" takes three bytes and one column.
    CHECK(text.size() - end - 2 == text.find('!') - 2);
  }
}
