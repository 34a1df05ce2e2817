#include "node/ingest/csv_records.h"

#include <doctest/doctest.h>

#include "node/limits.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

// Gives a text in pieces of a few bytes, so that every boundary falls everywhere.
ByteSource in_pieces(std::string text, std::size_t piece) {
  return
      [text = std::move(text), piece, at = std::size_t{0}](char* into, std::size_t size) mutable {
        const auto count = std::min({size, piece, text.size() - at});
        std::copy_n(text.data() + at, count, into);
        at += count;
        return count;
      };
}

struct Read {
  std::vector<std::vector<std::string>> records;
  std::vector<std::size_t> lines;
  std::vector<std::pair<std::size_t, std::string>> bad;
};

Read read_all(const std::string& text, std::size_t piece = 1'000'000, char delimiter = ',') {
  std::uint64_t counted = 0;
  CsvRecords records(in_pieces(text, piece), delimiter, counted);
  Read all;
  while (true) {
    const auto step = records.next();
    if (step == CsvRecords::Step::end) break;
    if (step == CsvRecords::Step::bad) {
      all.bad.emplace_back(records.line(), records.reason());
      continue;
    }
    all.records.emplace_back(records.fields().begin(), records.fields().end());
    all.lines.push_back(records.line());
  }
  CHECK(counted == text.size());
  return all;
}

std::string written(const std::vector<std::vector<std::string>>& records, SeededRandom& random) {
  std::string text = random.below(2) == 0 ? "\xEF\xBB\xBF" : "";
  for (std::size_t r = 0; r < records.size(); ++r) {
    for (std::size_t f = 0; f < records[r].size(); ++f) {
      if (f > 0) text += ',';
      const auto& field = records[r][f];
      const bool needed =
          field.find_first_of(",\"\r\n") != field.npos || (records[r].size() == 1 && field.empty());
      if (!needed && random.below(3) > 0) {
        text += field;
        continue;
      }
      text += '"';
      for (char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
      text += '"';
    }
    const bool last = r + 1 == records.size();
    if (!last || random.below(2) == 0) text += random.below(2) == 0 ? "\r\n" : "\n";
  }
  return text;
}

TEST_SUITE("node/csv_records") {
  TEST_CASE("what is written by RFC 4180 reads back, in pieces of any size, with its lines") {
    const std::string alphabet = "a,\"\r\n ;x1";
    for (std::uint32_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      SeededRandom random(seed);
      std::vector<std::vector<std::string>> records(1 + random.below(6));
      for (auto& record : records) {
        record.resize(1 + random.below(4));
        for (auto& field : record) {
          for (auto left = random.below(6); left > 0; --left) {
            field += alphabet[random.below(alphabet.size())];
          }
        }
      }
      const auto text = written(records, random);
      const auto got = read_all(text, 1 + random.below(7));
      CHECK(got.bad.empty());
      CHECK(got.records == records);
    }
  }

  TEST_CASE("a byte order mark counts at the beginning only however the bytes come") {
    const std::string mark = "\xEF\xBB\xBF";
    for (std::size_t piece = 1; piece < 9; ++piece) {
      CAPTURE(piece);
      CHECK(read_all(mark + "a\n", piece).records == std::vector<std::vector<std::string>>{{"a"}});
      for (const std::string before : {"\n", "\r\n", "x\n"}) {
        CHECK(read_all(before + mark + "a\n", piece).records.back().front() == mark + "a");
      }
      CHECK(read_all(mark.substr(0, 2), piece).records.back().front() == mark.substr(0, 2));
    }
  }

  TEST_CASE("lines count line ends inside quotes, and empty lines") {
    const auto got = read_all("a,b\n\"x\ny\",2\n\n\r\nc,d\n");
    REQUIRE(got.records.size() == 3);
    CHECK(got.lines == std::vector<std::size_t>{1, 2, 6});
  }

  TEST_CASE("a quote that is never closed costs its own line only") {
    const auto got = read_all("a,b\n1,\"open\n2,3\n4,5\n");
    CHECK(got.records.size() == 3);
    REQUIRE(got.bad.size() == 1);
    CHECK(got.bad[0].first == 2);
    CHECK(got.records[1] == std::vector<std::string>{"2", "3"});
  }

  TEST_CASE("text after a closing quote is bad, and the next line is read") {
    const auto got = read_all("\"a\"b,c\nd,e");
    REQUIRE(got.bad.size() == 1);
    CHECK(got.bad[0].first == 1);
    REQUIRE(got.records.size() == 1);
    CHECK(got.records[0] == std::vector<std::string>{"d", "e"});
  }

  TEST_CASE("an endless line is refused in bounded memory, and what follows is read") {
    const std::string text = std::string(3 * limits::kRecordBytes, 'x') + "\na,b\n";
    const auto got = read_all(text);
    REQUIRE(got.bad.size() == 1);
    REQUIRE(got.records.size() == 1);
    CHECK(got.lines[0] == 2);
  }

  TEST_CASE("a record of too many fields is refused") {
    const auto got = read_all(std::string(limits::kCsvColumns + 2, ',') + "\na\n");
    CHECK(got.bad.size() == 1);
    CHECK(got.records.size() == 1);
  }

  TEST_CASE("a quote inside an unquoted field is a character, other delimiters work") {
    CHECK(read_all("5\" pipe;2\n", 3, ';').records[0] == std::vector<std::string>{"5\" pipe", "2"});
  }
}

}  // namespace
}  // namespace entente::node
