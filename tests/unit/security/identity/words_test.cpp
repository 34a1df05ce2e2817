#include "security/identity/words.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "schemas/base/hash.h"
#include "schemas/base/random.h"

using namespace entente;
using namespace entente::security;

namespace {

// How many letters must be changed, added or left out to turn one word into the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

TEST_SUITE("security/words") {
  TEST_CASE("the list has 256 short words, and no two differ by a single letter") {
    const auto& words = word_list();
    CHECK(std::set<std::string_view>(words.begin(), words.end()).size() == 256);
    for (std::size_t i = 0; i < words.size(); ++i) {
      CAPTURE(std::string(words[i]));
      CHECK(words[i].size() >= 3);
      CHECK(words[i].size() <= 8);
      for (const char c : words[i]) CHECK((c >= 'a' && c <= 'z'));
      for (std::size_t j = 0; j < i; ++j) {
        if (distance(words[i], words[j]) < 2) FAIL(std::string(words[j]));
      }
    }
  }

  TEST_CASE("eight words stand for the first eight bytes") {
    SeededRandom random(1);
    Hash256 hash = random.id<Hash256>();
    const EightWords words = words_of(hash);
    for (std::size_t i = 0; i < kWords; ++i) CHECK(words[i] == word_list()[hash.bytes[i]]);
    hash.bytes[8] ^= 1;
    CHECK(words_of(hash) == words);
    hash.bytes[7] ^= 1;
    CHECK(words_of(hash) != words);
    EightWords same;
    same.fill("acorn");
    CHECK(to_text(same) == "acorn acorn acorn acorn acorn acorn acorn acorn");
  }

  TEST_CASE("the list is the protocol's and never changes") {
    Bytes all;
    for (const std::string_view word : word_list()) {
      all.insert(all.end(), word.begin(), word.end());
      all.push_back(' ');
    }
    CHECK(word_list().front() == "acid");
    CHECK(word_list().back() == "zipper");
    CHECK(hash("entente words v1", all).hex() ==
          "dd1a0bd70c767fd9c153f17c7438c631dce337e6244528734744dbcc7092fea2");
  }
}
