#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "node/ingest/csv_reader.h"
#include "node/ingest/jsonl_reader.h"
#include "node/limits.h"
#include "tests/unit/node/real_data.h"

namespace entente::node {
namespace {

// A row that outlives its reader's next call.
struct Kept {
  explicit Kept(const Row& row)
      : twin(row.twin),
        signal(row.signal),
        time(row.time),
        value(row.value),
        line(row.line),
        column(row.column) {}
  std::string twin;
  std::string signal;
  Instant time;
  double value;
  std::size_t line;
  std::size_t column;
};

struct Read {
  std::vector<Kept> rows;
  std::vector<Reject> rejects;
  std::uint64_t missing = 0;
  std::string failure;
};

Read read_all(RowReader& reader) {
  Read all;
  while (true) {
    const auto step = reader.next();
    if (!step) {
      all.failure = step.error().what;
      break;
    }
    if (*step == RowReader::Step::end) break;
    if (*step == RowReader::Step::row) {
      all.rows.emplace_back(reader.row());
    } else {
      all.rejects.push_back(reader.reject());
    }
  }
  all.missing = reader.missing();
  return all;
}

Read read_csv(std::string_view text, const std::string& mapping) {
  auto read = read_mapping(mapping, "m.toml");
  REQUIRE(read.has_value());
  CsvReader reader(source_of(text), std::move(*read));
  return read_all(reader);
}

Read read_file(const std::filesystem::path& path, const std::string& mapping) {
  auto read = read_mapping(mapping, "m.toml");
  REQUIRE(read.has_value());
  std::ifstream stream(path, std::ios::binary);
  REQUIRE(stream.good());
  CsvReader reader(source_of(stream), std::move(*read));
  return read_all(reader);
}

const std::string kWide =
    "layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"datetime_utc\"\n"
    "[twin]\npattern = \"_([0-9]+)_\"\nprefix = \"aqs-\"\n";
const std::string kBeijing =
    "layout = \"columns\"\nmissing = [\"NA\"]\n[time]\ncolumns = [\"year\", \"month\", \"day\", "
    "\"hour\"]\nformat = \"%Y %m %d %H\"\nzone = \"Asia/Shanghai\"\n[twin]\ncolumn = \"station\"\n"
    "normalise = true\n[signals]\n\"PM2.5\" = \"pm25\"\nCO = \"co\"\nTEMP = \"temperature\"\n";
const std::string kShipments =
    "layout = \"columns\"\nmissing = [\"\", \"Weight Captured Separately\", "
    "\"Freight Included in Commodity Cost\", \"Invoiced Separately\"]\n"
    "[time]\ncolumn = \"Delivered to Client Date\"\nformat = \"%d-%b-%y\"\n"
    "[twin]\ncolumn = \"Country\"\nnormalise = true\n"
    "[signals]\n\"Weight (Kilograms)\" = \"weight\"\n\"Freight Cost (USD)\" = \"freight\"\n";

TEST_SUITE("node/csv_reader") {
  TEST_CASE("a wide table gives one reading a field, named by its column") {
    const auto got = read_file(test::vectors() / "ingest" / "wide.csv", kWide);
    CHECK(got.failure.empty());
    CHECK(got.rejects.empty());
    REQUIRE(got.rows.size() == 20);
    CHECK(got.rows[1].twin == "aqs-410597002");
    CHECK(got.rows[1].signal == "pm25");
    CHECK(to_text(got.rows[1].time) == "2015-07-24T07:00:00Z");
    CHECK(got.rows[1].value == 7.5);
    CHECK(got.rows[1].line == 2);
    CHECK(got.rows[1].column == 3);
  }

  TEST_CASE("several signals a row, a time out of four columns in its zone, missing marks") {
    const auto got = read_file(test::vectors() / "ingest" / "columns.csv", kBeijing);
    CHECK(got.failure.empty());
    CHECK(got.rejects.empty());
    CHECK(got.missing == 4);  // PM2.5 twice, CO twice
    CHECK(got.rows.size() == 9 * 3 - 4);
    CHECK(got.rows[0].twin == "dongsi");
    CHECK(to_text(got.rows[0].time) == "2015-02-28T16:00:00Z");
  }

  TEST_CASE("dirty fields are rejects of their own, with line and column, the rest goes in") {
    const auto got = read_file(test::vectors() / "ingest" / "dirty.csv", kShipments);
    CHECK(got.failure.empty());
    REQUIRE(got.rejects.size() == 4);
    for (const auto& reject : got.rejects) {
      CHECK(reject.line >= 7);
      CHECK((reject.column == 31 || reject.column == 32));
      CHECK(reject.reason == "no number");
      CHECK(reject.text.rfind("See DN-", 0) == 0);
    }
    CHECK(got.missing >= 2);
    CHECK(got.rows.size() + got.rejects.size() + got.missing == 14);
  }

  TEST_CASE("long tables take signal and value from columns, unknown names are rejects") {
    const std::string mapping =
        "layout = \"long\"\nvalue = \"v\"\nsignal_column = \"kind\"\ndelimiter = \";\"\n"
        "decimal = \",\"\nskip_lines = 2\n[signals]\nT = \"temperature\"\n"
        "[time]\ncolumn = \"t\"\nformat = \"%d.%m.%Y\"\n[twin]\ncolumn = \"id\"\n";
    const auto got = read_csv(
        "exported by a machine\r\n\r\nid;t;kind;v\r\np1;01.02.2020;T;1,5\r\np2;02.02.2020;P;2\r\n"
        "p3;32.02.2020;T;2\r\np4;03.02.2020;T;2;9\r\n;03.02.2020;T;2\r\np5;03.02.2020;T;x\r\n",
        mapping);
    CHECK(got.failure.empty());
    REQUIRE(got.rows.size() == 1);
    CHECK(got.rows[0].value == 1.5);
    CHECK(got.rows[0].signal == "temperature");
    CHECK(got.rows[0].line == 4);
    REQUIRE(got.rejects.size() == 5);
    CHECK(got.rejects[0].line == 5);
    CHECK(got.rejects[0].column == 3);
    CHECK(got.rejects[1].line == 6);
    CHECK(got.rejects[1].column == 2);
    CHECK(got.rejects[2].reason == "5 fields, but the header has 4");
    CHECK(got.rejects[3].column == 1);
    CHECK(got.rejects[4].column == 4);
  }

  TEST_CASE("a header without a needed column, or none at all, fails by name") {
    CHECK(read_csv("a,b\n1,2\n", kWide).failure.find("datetime_utc") != std::string::npos);
    CHECK(read_csv("", kWide).failure.find("empty") != std::string::npos);
    CHECK(read_csv("datetime_utc,x\n1,2\n", kWide).failure.find("names a twin") !=
          std::string::npos);
    const auto twice = read_csv("datetime_utc,a_1_,b_1_\n", kWide);
    CHECK(twice.failure.find("aqs-1") != std::string::npos);
    CHECK(read_csv("datetime_utc,datetime_utc,a_1_\n", kWide).failure.find("two columns") !=
          std::string::npos);
  }

  TEST_CASE("an export of a European office: byte order mark, semicolons, commas, summer time") {
    const std::string mapping =
        "layout = \"columns\"\ndelimiter = \";\"\ndecimal = \",\"\nmissing = [\"\", \"-\", \"k. "
        "A.\"]\n"
        "[time]\ncolumns = [\"Datum\", \"Zeit\"]\nformat = \"%d.%m.%Y %H:%M\"\n"
        "zone = \"Europe/Berlin\"\n[twin]\nfixed = \"boiler\"\n[signals]\n\"T (C)\" = \"t\"\n";
    const std::string text =
        "\xEF\xBB\xBF\"Datum\";\"Zeit\";\"T (C)\"\r\n"
        "25.03.2023;23:30;-1,25\r\n"     // winter: UTC+1
        "26.03.2023;02:30;1,5\r\n"       // the hour that was skipped
        "26.03.2023;03:30; +1,5e1 \r\n"  // summer: UTC+2
        "26.03.2023;04:30;k. A.\r\n"
        "29.10.2023;02:30;2,5\r\n"  // the hour that was there twice
        "29.10.2023;03:30;1.234,5\r\n";
    const auto got = read_csv(text, mapping);
    CHECK(got.failure.empty());
    REQUIRE(got.rows.size() == 2);
    CHECK(to_text(got.rows[0].time) == "2023-03-25T22:30:00Z");
    CHECK(got.rows[0].value == -1.25);
    CHECK(to_text(got.rows[1].time) == "2023-03-26T01:30:00Z");
    CHECK(got.rows[1].value == 15);
    CHECK(got.missing == 1);
    REQUIRE(got.rejects.size() == 3);
    CHECK(got.rejects[0].reason.find("does not exist") != std::string::npos);
    CHECK(got.rejects[1].reason.find("was there twice") != std::string::npos);
    CHECK(got.rejects[2].reason == "no number");
    const auto zone = mapping.find("zone");
    for (const auto& [which, hour] : {std::pair{"earliest", "00"}, std::pair{"latest", "01"}}) {
      auto said = mapping;
      said.insert(zone, std::string("twice = \"") + which + "\"\n");
      const auto all = read_csv(text, said);
      REQUIRE(all.rows.size() == 3);
      CHECK(to_text(all.rows[2].time) == "2023-10-29T" + std::string(hour) + ":30:00Z");
    }
  }

  TEST_CASE("times count in units of seconds down to nanoseconds since the epoch") {
    for (const auto& [format, text] :
         {std::pair{"unix", "1500000000.123456789"}, std::pair{"unix_ms", "1500000000123.456789"},
          std::pair{"unix_us", "1500000000123456.789"},
          std::pair{"unix_ns", "1500000000123456789"}}) {
      const auto got = read_csv(std::string("t,a\n") + text + ",1\n",
                                "layout = \"wide\"\nsignal = \"x\"\n[time]\ncolumn = \"t\"\n"
                                "format = \"" +
                                    std::string(format) + "\"\n");
      REQUIRE(got.rows.size() == 1);
      CHECK(got.rows[0].time.ns == 1'500'000'000'123'456'789);
    }
  }

  TEST_CASE("a file in UTF-16 is told apart from one whose columns are wrong") {
    const std::string utf16("\xFF\xFEt\0,\0a\0\n\0", 10);
    CHECK(read_csv(utf16, kWide).failure.find("UTF-8") != std::string::npos);
  }

  TEST_CASE("the whole of the smoke of 2015 is read") {
    const auto path = test::real_data("northwest_smoke_2015/pm25_hourly.csv");
    if (!path) return;
    const auto got = read_file(
        *path, "layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"datetime_utc\"\n");
    CHECK(got.failure.empty());
    CHECK(got.rejects.empty());
    CHECK(got.rows.size() + got.missing == 1'080 * 114);
    CHECK(got.missing > 5'000);
  }

  TEST_CASE("the whole of the shipments is read: every bad field is named, nothing is lost") {
    const auto path = test::real_data("scms_shipments/deliveries_2006_2012.csv");
    if (!path) return;
    const auto got = read_file(*path, kShipments);
    CHECK(got.failure.empty());
    std::size_t whole_rows = 0;
    for (const auto& reject : got.rejects) whole_rows += reject.column != 31 && reject.column != 32;
    MESSAGE("shipments: " << got.rows.size() << " readings, " << got.rejects.size() << " rejects, "
                          << got.missing << " missing");
    CHECK(whole_rows == 0);
    CHECK((got.rows.size() + got.rejects.size() + got.missing) % 2 == 0);
    CHECK(got.rows.size() > 8'000);
    CHECK(got.rejects.size() > 100);
  }

  TEST_CASE("a year of twelve stations is read in their local time") {
    const auto path = test::real_data("beijing_air/Dongsi.csv");
    if (!path) return;
    const auto got = read_file(*path, kBeijing);
    CHECK(got.failure.empty());
    CHECK(got.rejects.empty());
    CHECK(got.rows.size() + got.missing == 8'784 * 3);
  }
}

TEST_SUITE("node/jsonl_reader") {
  Read read_lines(std::string_view text) {
    JsonLinesReader reader(source_of(text));
    return read_all(reader);
  }

  TEST_CASE("a line is a reading, time as text or nanoseconds") {
    const auto got = read_lines(
        "\xEF\xBB\xBF{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20T00:00:00Z\",\"value\":"
        "1.5}\n"
        "\r\n\n{\"value\":-2,\"time\":1440028800000000001,\"signal\":\"y\",\"twin\":\"b\"}");
    CHECK(got.rejects.empty());
    REQUIRE(got.rows.size() == 2);
    CHECK(to_text(got.rows[0].time) == "2015-08-20T00:00:00Z");
    CHECK(got.rows[1].time.ns == 1'440'028'800'000'000'001);
    CHECK(got.rows[1].value == -2);
    CHECK(got.rows[1].line == 4);
  }

  TEST_CASE("names with escapes are what they mean, keys too") {
    const auto got =
        read_lines(R"({"tw\u0069n":"a\"\u00e9\n","signal":"\ud83d\ude00","time":1,"value":1e-3})");
    REQUIRE(got.rows.size() == 1);
    CHECK(got.rows[0].twin == "a\"\xC3\xA9\n");
    CHECK(got.rows[0].signal == "\xF0\x9F\x98\x80");
    CHECK(got.rows[0].value == 1e-3);
  }

  TEST_CASE("every other line is a reject with its number, and the rest goes on") {
    const std::vector<std::string> bad = {
        "x",
        "[]",
        "{}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":\"1\"}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":null}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"yesterday\",\"value\":1}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":1.5,\"value\":1}",
        "{\"twin\":1,\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1,\"unit\":\"g\"}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1} {}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":01}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1x}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":NaN}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1e999}",
        "{\"twin\":\"a\",\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}",
        "{\"twin\":\"a\",\"\\u0074win\":\"a\",\"signal\":\"x\",\"time\":1,\"value\":1}",
        "{\"twin\":\"\xFF\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}",
        "{\"twin\":\"\\ud800\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",,\"value\":1}",
        "{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":[[[[[[1]]]]]]}",
        std::string(limits::kJsonLineBytes + 1, ' ') + "{}"};
    std::string text;
    for (const auto& line : bad) {
      text += line + "\n{\"twin\":\"a\",\"signal\":\"x\",\"time\":\"2015-08-20\",\"value\":1}\n";
    }
    const auto got = read_lines(text);
    CHECK(got.rows.size() == bad.size());
    REQUIRE(got.rejects.size() == bad.size());
    for (std::size_t i = 0; i < bad.size(); ++i) CHECK(got.rejects[i].line == 2 * i + 1);
  }

  TEST_CASE("an endless line is refused in bounded memory") {
    const auto got = read_lines(std::string(5 << 20, 'x') +
                                "\n{\"twin\":\"a\",\"signal\":\"x\","
                                "\"time\":\"2015-08-20\",\"value\":1}");
    CHECK(got.rejects.size() == 1);
    CHECK(got.rows.size() == 1);
    CHECK(read_lines(std::string(5 << 20, 'x')).rejects.size() == 1);
  }
}

}  // namespace
}  // namespace entente::node
