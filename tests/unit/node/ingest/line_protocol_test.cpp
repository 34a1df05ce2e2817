#include <doctest/doctest.h>

#include <random>

#include "node/ingest/line_protocol_reader.h"
#include "node/limits.h"

namespace entente::node {
namespace {

struct Kept {
  std::string twin, signal;
  std::int64_t time = 0;
  double value = 0;
  std::size_t line = 0, column = 0;
  bool operator==(const Kept&) const = default;
};

struct Read {
  std::vector<Kept> rows;
  std::vector<Reject> rejects;
};

// The source gives `step` bytes at once, so that lines are cut anywhere.
Read read(std::string_view text, LineOptions options = {}, std::size_t step = 1 << 20) {
  auto whole = source_of(text);
  LineProtocolReader reader(
      [&](char* into, std::size_t size) { return whole(into, std::min(size, step)); },
      std::move(options));
  Read all;
  while (true) {
    const auto next = reader.next();
    REQUIRE(next.has_value());
    if (*next == RowReader::Step::end) return all;
    if (*next == RowReader::Step::reject) {
      all.rejects.push_back(reader.reject());
      continue;
    }
    const Row& row = reader.row();
    all.rows.push_back({std::string(row.twin), std::string(row.signal), row.time.ns, row.value,
                        row.line, row.column});
  }
}

LineOptions mapped(const std::string& text) {
  auto mapping = read_mapping(text, "m.toml");
  INFO((mapping ? std::string() : mapping.error().what));
  REQUIRE(mapping.has_value());
  REQUIRE(mapping->layout == Mapping::Layout::line);
  LineOptions options;
  options.naming = mapping->line;
  return options;
}

// What line protocol asks to be escaped in a name.
std::string escaped(const std::string& name, bool measurement) {
  std::string out;
  for (char c : name) {
    if (c == ',' || c == ' ' || (c == '=' && !measurement)) out += '\\';
    out += c;
  }
  return out;
}

TEST_SUITE("node/line_protocol_reader") {
  TEST_CASE("a line gives one reading a field, of the twin that its tag names") {
    const auto got = read(
        "air,site=x,twin=m-1 pm25=1.5,pm10=-3i,count=18446744073709551615u,on=t,off=False 17\n"
        "air,twin=m-2 pm25=.5e1,a=+0\n");
    REQUIRE(got.rejects.size() == 1);  // a plus is no sign here: the whole line is refused
    CHECK(got.rejects[0].line == 2);
    REQUIRE(got.rows.size() == 5);
    CHECK(got.rows[0] == Kept{"m-1", "pm25", 17, 1.5, 1, 1});
    CHECK(got.rows[1] == Kept{"m-1", "pm10", 17, -3, 1, 2});
    CHECK(got.rows[2] == Kept{"m-1", "count", 17, 18446744073709551615.0, 1, 3});
    CHECK(got.rows[3] == Kept{"m-1", "on", 17, 1, 1, 4});
    CHECK(got.rows[4] == Kept{"m-1", "off", 17, 0, 1, 5});
  }

  TEST_CASE("escapes are taken off names, other backslashes stand for themselves") {
    const auto got = read(
        "my\\ air\\,x=y,k\\=\\ \\,1=v,twin=a\\ b\\=c\\,d f\\ 1\\=2\\,3=1,back\\slash\\\\x=2,"
        "t=\"a \\\"b\\\" \\\\ , =\" 5\n");
    REQUIRE(got.rows.size() == 2);
    CHECK(got.rows[0].twin == "a b=c,d");
    CHECK(got.rows[0].signal == "f 1=2,3");
    CHECK(got.rows[1].signal == "back\\slash\\\\x");
    REQUIRE(got.rejects.size() == 1);  // the text
    CHECK(got.rejects[0].column == 3);
    CHECK(got.rejects[0].text == "t");
  }

  TEST_CASE("comments and empty lines and line ends of Windows cost nothing but their number") {
    const auto got =
        read("\xEF\xBB\xBF# twin=a\r\n\r\n  \n  # b\nair,twin=a x=1 2\r\n#\nair,twin=a x=3");
    CHECK(got.rejects.empty());
    REQUIRE(got.rows.size() == 2);
    CHECK(got.rows[0] == Kept{"a", "x", 2, 1, 5, 1});
    CHECK(got.rows[1] == Kept{"a", "x", 0, 3, 7, 1});
  }

  TEST_CASE("timestamps count in the unit said, and a line without one has the time of arrival") {
    const std::pair<const char*, std::int64_t> units[] = {
        {"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}};
    for (const auto& [word, unit] : units) {
      LineOptions options;
      options.unit_ns = *precision_ns(word);
      options.arrival = Instant{99};
      const auto got = read("m,twin=a x=1 -7\nm,twin=a x=1\n", options);
      REQUIRE(got.rows.size() == 2);
      CHECK(got.rows[0].time == -7 * unit);
      CHECK(got.rows[1].time == 99);
    }
    CHECK_FALSE(precision_ns("h").has_value());
    CHECK_FALSE(precision_ns("").has_value());
    LineOptions options;
    options.unit_ns = 1'000'000'000;
    const auto got = read("m,twin=a x=1 9223372037\nm,twin=a x=1 9223372036\n", options);
    CHECK(got.rows.size() == 1);
    REQUIRE(got.rejects.size() == 1);
    CHECK(got.rejects[0].reason.find("precision") != std::string::npos);
  }

  TEST_CASE("every bad line is a reject with its number and reason while the rest goes in") {
    const std::pair<std::string, const char*> bad[] = {
        {"m", "no fields"},
        {"m,", "no name"},
        {"m,twin", "no value"},
        {"m,twin= x=1", "no value"},
        {"m,=a x=1", "no name"},
        {"m,twin=a=b x=1", "backslash"},
        {"m,twin=a,twin=b x=1", "twice"},
        {"m,twin=a", "no fields"},
        {"m,twin=a x", "no value"},
        {"m,twin=a x=", "no value"},
        {"m,twin=a =1", "no name"},
        {"m,twin=a x=1,", "no name"},
        {"m,twin=a x=1 y", "timestamp"},
        {"m,twin=a x=1 1.5", "timestamp"},
        {"m,twin=a x=1 1 2", "timestamp"},
        {"m,twin=a x=1 99999999999999999999", "timestamp"},
        {"m,twin=a x=\"open", "does not end"},
        {"m,twin=a x=\"open\\\"", "does not end"},
        {"m,twin=a x=\"a\"b", "closing quote"},
        {"m,twin=a x=nan", "no number"},
        {"m,twin=a x=-inf", "no number"},
        {"m,twin=a x=tRUE", "no number"},
        {"m,twin=a x=0x10", "no number"},
        {"m,twin=a x=1,y=word", "no number"},
        {"m,twin=a x=1e999", "beyond"},
        {"m,twin=a x=9223372036854775808i", "64 bits"},
        {"m,twin=a x=1.5i", "64 bits"},
        {"m,twin=a x=-1u", "unsigned"},
        {"m,twin=a x=i", "64 bits"},
        {"m x=1", "no tag"},
        {",twin=a x=1", "measurement"},
        {"m,twin=\xFF x=1", "UTF-8"},
        {"m,twin=\xED\xA0\x80 x=1", "UTF-8"},
        {"m,twin=abcdefgh\xC0\x80 x=1", "UTF-8"},
        {"m,twin=" + std::string(limits::kNameInFileBytes + 1, 'a') + " x=1", "too long"},
        {"m,twin=a x=1 " + std::string(limits::kLineProtocolBytes, '1'), "longer than"},
        {"\\", "no fields"},
        {std::string("m\0,twin=a x=", 12) + std::string(1, '\0'), "no number"}};
    std::string text;
    for (const auto& [line, reason] : bad) text += line + "\nm,twin=a x=1 1\n";
    for (const std::size_t step : {std::size_t{1} << 20, std::size_t{777}}) {
      const auto got = read(text, {}, step);
      CHECK(got.rows.size() == std::size(bad));
      REQUIRE(got.rejects.size() == std::size(bad));
      for (std::size_t i = 0; i < std::size(bad); ++i) {
        CAPTURE(bad[i].first.substr(0, 60));
        CAPTURE(got.rejects[i].reason);
        CHECK(got.rejects[i].line == 2 * i + 1);
        CHECK(got.rejects[i].reason.find(bad[i].second) != std::string::npos);
      }
    }
  }

  TEST_CASE("a mapping says which tag is the twin and what the signals are called") {
    const std::string text =
        "cpu,host=Web\\ 1,twin=no usage=1,temp=2,model=\"z80\" 5\ndisk,host=x used=3 5\n";
    auto got = read(text, mapped("[line]\ntwin = \"host\"\nsignal = \"measurement.field\"\n"
                                 "ignore = [\"cpu.model\", \"disk.used\"]\n"
                                 "signals = { \"cpu.usage\" = \"load\" }\n"
                                 "[twin]\nnormalise = true\nprefix = \"vm-\"\n"));
    CHECK(got.rejects.empty());
    REQUIRE(got.rows.size() == 2);
    CHECK(got.rows[0] == Kept{"vm-web-1", "load", 5, 1, 1, 1});
    CHECK(got.rows[1] == Kept{"vm-web-1", "cpu.temp", 5, 2, 1, 2});
    got = read(text, mapped("[line]\ntwin = \"host\"\nsignal = \"measurement\"\n"
                            "[twin]\ntable = { \"x\" = \"y\" }\n"));
    REQUIRE(got.rows.size() == 3);
    CHECK(got.rows[2] == Kept{"y", "disk", 5, 3, 2, 1});
  }

  TEST_CASE("a line mapping that means nothing is refused by its word") {
    const std::pair<const char*, const char*> bad[] = {
        {"[line]\nsignal = \"tag\"\n", "tag"},        {"[line]\nfield = \"x\"\n", "field"},
        {"layout = \"wide\"\n[line]\n", "layout"},    {"[line]\n[time]\ncolumn = \"t\"\n", "time"},
        {"[line]\n[twin]\nfixed = \"a\"\n", "fixed"}, {"[line]\ntwin = \"\"\n", "tag"}};
    for (const auto& [text, word] : bad) {
      const auto mapping = read_mapping(text, "m.toml");
      REQUIRE_FALSE(mapping.has_value());
      CHECK(mapping.error().what.find(word) != std::string::npos);
    }
  }

  TEST_CASE("whatever is written by the rules is read back the same, however it is cut") {
    const std::string letters = "ab,= \\\"x\xC3\xA9#i";
    for (std::uint32_t seed = 0; seed < 300; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      const auto name = [&] {
        std::string out = "n";  // a backslash before a stop of the syntax cannot be written
        for (auto left = random() % 6; left > 0; --left) {
          const auto c = letters[random() % letters.size()];
          if (static_cast<unsigned char>(c) < 0x80) out += c;
        }
        while (out.find('\\') != out.npos) out.erase(out.find('\\'), 1);
        return out + (random() % 3 == 0 ? "\xC3\xA9" : "");
      };
      std::string text;
      std::vector<Kept> expected;
      for (std::size_t line = 1; line < 20; ++line) {
        const auto twin = name();
        text += escaped(name(), true) + ",a" + escaped(name(), false) +
                "=v,twin=" + escaped(twin, false);
        const auto time = static_cast<std::int64_t>(random()) * 2'000'000'000 - 99;
        const auto fields = 1 + random() % 3;
        for (std::size_t i = 1; i <= fields; ++i) {
          const auto signal = name();
          const double value = static_cast<double>(random()) / 100 - 1e7;
          char number[32];
          std::snprintf(number, sizeof number, "%.17g", value);
          text += (i == 1 ? " " : ",") + escaped(signal, false) + "=" + number;
          expected.push_back({twin, signal, time, value, line, i});
        }
        text += " " + std::to_string(time) + (line == 19 ? "" : "\n");
      }
      const auto got = read(text, {}, 1 + random() % 40);
      CHECK(got.rejects.empty());
      CHECK(got.rows == expected);
    }
  }
}

}  // namespace
}  // namespace entente::node
