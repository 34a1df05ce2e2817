#include "node/ingest/mapping.h"

#include <doctest/doctest.h>

#include <cmath>

namespace entente::node {
namespace {

constexpr const char* kWide = "layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"t\"\n";
constexpr const char* kLong =
    "layout = \"long\"\nvalue = \"v\"\nsignal = \"x\"\n[time]\ncolumn = \"t\"\n"
    "[twin]\ncolumn = \"id\"\n";

// The file's place and the word must both be named.
void refused(const std::string& text, const std::string& place, const std::string& word) {
  CAPTURE(text);
  const auto mapping = read_mapping(text, "m.toml");
  REQUIRE_FALSE(mapping.has_value());
  CHECK(mapping.error().code == ErrorCode::config_invalid);
  INFO(mapping.error().what);
  CHECK(mapping.error().what.rfind("m.toml:" + place, 0) == 0);
  CHECK(mapping.error().what.find(word) != std::string::npos);
}

Result<Instant> parsed(const char* text, std::vector<std::string> formats, const char* zone = "UTC",
                       TimeText::Twice twice = TimeText::Twice::reject) {
  auto time = TimeText::make(std::move(formats), zone, twice);
  REQUIRE(time.has_value());
  return time->parse(text);
}

std::string utc(const Result<Instant>& instant) {
  return instant ? to_text(*instant) : "refused: " + instant.error().what;
}

TEST_SUITE("node/mapping") {
  TEST_CASE("defaults are those of plain CSV") {
    const auto mapping = read_mapping(kWide, "m.toml");
    REQUIRE(mapping.has_value());
    CHECK(mapping->delimiter == ',');
    CHECK(mapping->decimal == '.');
    CHECK(mapping->is_missing(""));
    CHECK_FALSE(mapping->is_missing("NA"));
    CHECK(mapping->time_columns == std::vector<std::string>{"t"});
    CHECK(mapping->time->parse("2015-08-20T00:00:00Z").has_value());
  }

  TEST_CASE("mistakes name file, line and word") {
    refused("layout = \"wide\"\nsignl = \"x\"\n", "2", "signl");
    refused(std::string(kWide) + "colum = \"x\"\n", "5", "colum");
    refused("layout = \"tall\"\n[time]\ncolumn=\"t\"\n[twin]\ncolumn=\"i\"\n", "1", "wide, long");
    refused("layout = \"wide\"\n[time]\ncolumn=\"t\"\n", "1", "signal");
    refused("layout = \"wide\"\nsignal = 3\n[time]\ncolumn = \"t\"\n", "2", "signal");
    refused(std::string(kWide) + "zone = \"Mars/Olympus\"\n", "5", "Mars/Olympus");
    refused(std::string(kWide) + "format = \"yesterday\"\n", "5", "yesterday");
    refused(std::string(kWide) + "twice = \"maybe\"\n", "5", "maybe");
    refused(std::string(kWide) + "[twin]\npattern = \"a(\"\n", "6", "a(");
    refused(std::string(kWide) + "[twin]\npattern = \"abc\"\n", "6", "group");
    refused(std::string(kWide) + "[twin]\ncolumn = \"id\"\n", "5", "wide");
    refused("delimiter = \"::\"\n" + std::string(kWide), "1", "::");
    refused("decimal = \",\"\n" + std::string(kWide), "", "same character");
    refused("layout = \"wide\"\nsignal = \"x\"\n", "", "[time]");
    refused("layout = \"long\"\nvalue=\"v\"\nsignal=\"x\"\n[time]\ncolumn=\"t\"\n", "", "[twin]");
    refused("ignore = [\"a\"]\n" + std::string(kLong), "1", "ignore");
    refused("layout = \"wide\n", "1", "");
    CHECK(read_mapping(kLong, "m.toml").has_value());  // and this is what is right
  }

  TEST_CASE("names become ids by table, pattern, normalising and prefix") {
    TwinNaming naming;
    CHECK(naming.id_of("a") == "a");
    naming.prefix = "aqs-";
    naming.normalise = true;
    CHECK(naming.id_of("Seattle 10th/Weller") == "aqs-seattle-10th-weller");
    naming.pattern.emplace("_([0-9]+)_");
    CHECK(naming.id_of("4d41_160050020_03") == "aqs-160050020");
    CHECK_FALSE(naming.id_of("comment").has_value());
    naming.table.emplace("comment", "c");
    CHECK(naming.id_of("comment") == "c");
    CHECK_FALSE(naming.id_of(std::string(10'000, '_')).has_value());
  }

  TEST_CASE("numbers are whole fields, in the mapping's convention") {
    CHECK(parse_number("1.5", '.') == 1.5);
    CHECK(parse_number(" +2e3\t", '.') == 2'000);
    CHECK(parse_number("1,5", ',') == 1.5);
    CHECK(parse_number("-,5", ',') == -0.5);
    CHECK(std::isnan(*parse_number("NaN", '.')));
    CHECK(std::isinf(*parse_number("-inf", '.')));
    for (const char* text : {"", " ", "1.5x", "1 5", "0x10", "1e999", "+-1", "1.5.2", "1,000"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_number(text, '.').has_value());
    }
    CHECK_FALSE(parse_number("1.000,5", ',').has_value());
  }
}

TEST_SUITE("node/time_text") {
  TEST_CASE("formats are tried in order, and take the whole text") {
    CHECK(utc(parsed("2015-08-20T00:00:00Z", {"iso"})) == "2015-08-20T00:00:00Z");
    CHECK(utc(parsed("2015-08-20 01:30+02:00", {"iso"})) == "2015-08-19T23:30:00Z");
    CHECK(utc(parsed("1440028800", {"unix"})) == "2015-08-20T00:00:00Z");
    CHECK(utc(parsed("1440028800.25", {"unix"})) == "2015-08-20T00:00:00.25Z");
    CHECK(utc(parsed("-0.5", {"unix"})) == "1969-12-31T23:59:59.5Z");
    CHECK(utc(parsed("1440028800123", {"unix_ms"})) == "2015-08-20T00:00:00.123Z");
    CHECK(utc(parsed("4-Aug-09", {"%m/%d/%Y", "%d-%b-%y"})) == "2009-08-04T00:00:00Z");
    CHECK(utc(parsed("8/4/2009", {"%m/%d/%Y", "%d-%b-%y"})) == "2009-08-04T00:00:00Z");
    CHECK(utc(parsed("2015 3 1 7", {"%Y %m %d %H"})) == "2015-03-01T07:00:00Z");
    CHECK(utc(parsed("20.08.2015 13:05:06.5", {"%d.%m.%Y %H:%M:%S"})) == "2015-08-20T13:05:06.5Z");
    CHECK(utc(parsed("2015-08-20 00:00 -0700", {"%Y-%m-%d %H:%M %z"})) == "2015-08-20T07:00:00Z");
  }

  TEST_CASE("what is no time is refused") {
    for (const std::string text :
         {"", "Date Not Captured", "2015-02-30 00:00", "2015-08-20 00:00 x", "2015-08-20",
          "0001-01-01 00:00", "9999-12-31 00:00", "2015-13-01 00:00", "2015-08-20 25:00"}) {
      CAPTURE(text);
      CHECK_FALSE(parsed(text.c_str(), {"%Y-%m-%d %H:%M"}).has_value());
    }
    for (const char* text : {"2015-07-24T09:00:Z", "2015-07-24T09:00:61Z", "2015-07-24T09:00:.5Z",
                             "2015-07-24T09:00:00.Z", "2015-07-24T09:00:00.5.5Z"}) {
      CAPTURE(std::string(text));
      CHECK_FALSE(parsed(text, {"%Y-%m-%dT%H:%M:%SZ"}).has_value());
    }
    CHECK_FALSE(parsed("12:00:00", {"%H:%M:%S"}).has_value());  // no date
    CHECK_FALSE(parsed("99999999999999", {"unix"}).has_value());
    CHECK_FALSE(parsed("1e400", {"unix"}).has_value());
  }

  TEST_CASE("local times know summer, the hour that is missing and the hour that is there twice") {
    const std::vector<std::string> format = {"%Y-%m-%d %H:%M"};
    const char* la = "America/Los_Angeles";
    CHECK(utc(parsed("2015-07-01 12:00", format, la)) == "2015-07-01T19:00:00Z");
    CHECK(utc(parsed("2015-12-01 12:00", format, la)) == "2015-12-01T20:00:00Z");
    CHECK_FALSE(parsed("2015-03-08 02:30", format, la).has_value());
    CHECK_FALSE(parsed("2015-11-01 01:30", format, la).has_value());
    CHECK(utc(parsed("2015-11-01 01:30", format, la, TimeText::Twice::earliest)) ==
          "2015-11-01T08:30:00Z");
    CHECK(utc(parsed("2015-11-01 01:30", format, la, TimeText::Twice::latest)) ==
          "2015-11-01T09:30:00Z");
    CHECK(utc(parsed("2015-07-01T12:00:00Z", {"iso"}, la)) == "2015-07-01T12:00:00Z");
    CHECK(utc(parsed("2015-07-01T12:00:00", {"iso"}, la)) == "2015-07-01T19:00:00Z");
  }
}

}  // namespace
}  // namespace entente::node
