#include "tests/integration/federation.h"

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fstream>

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr const char* kType = R"text({
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:org:entente:test:Meter;1", "@type": "Interface",
  "contents": [
    {"@type": "Telemetry", "name": "load", "schema": "double"},
    {"@type": "Property", "name": "hall", "schema": "string"}
  ]
})text";

constexpr const char* kExports = R"text([domain.meters]
unit = "twin"
block = "1d"
zone = "UTC"
epsilon = 8
delta = 1e-6

[export.meters]
domain = "meters"
type = "dtmi:org:entente:test:Meter;1"
tick = "4h"
lateness = "2h"
keys.hall = ["north", "south"]

[export.meters.units]
"north" = 20
"south" = 10

[export.meters.measures.load]
unit = "kW"
mean = [0, 100]
)text";

constexpr const char* kAgreement = R"text([agreement]
name = "meters-2025"
partner = "office"
exports = ["meters"]
purposes = ["planning"]
aggregates = ["count", "share", "sum", "mean", "variance", "median", "quantile", "histogram"]
min_units = 12
epsilon_per_block = 8
onward = []
expires = "2099-01-01"

[[test]]
must = "SELECT mean(load) FROM meters OVER 1d WITH (epsilon = 4, purpose = 'planning')"

[[test]]
must_not = "SELECT mean(load) FROM meters GROUP BY hall OVER 1d WITH (purpose = 'planning')"
)text";

constexpr const char* kMap = R"text(layout = "wide"
signal = "load"
missing = [""]

[time]
column = "time"
format = "iso"
zone = "UTC"
)text";

constexpr const char* kSystem = R"text([system.plants]
title = "All plants"
members = ["meters@works", "meters@depot"]
needs = "any"

[system.plants.property.load]
item = "mean(load)"
over = "1d"
bounds = [0, 100]
)text";

std::string twins_text() {
  std::string text;
  for (int i = 1; i <= kMeters; ++i) {
    text += "[[twin]]\nid = \"meter-" + std::to_string(i) +
            "\"\ntype = \"dtmi:org:entente:test:Meter;1\"\nproperties = { hall = \"" +
            (i <= 20 ? "north" : "south") + "\" }\n\n";
  }
  return text;
}

// Meter i at reading k shows 20 + i + k mod 7: well within the declared bounds.
std::string readings_text() {
  std::string text = "time";
  for (int i = 1; i <= kMeters; ++i) text += ",meter-" + std::to_string(i);
  text += '\n';
  for (int k = 0; k < kDays * kReadingsPerDay; ++k) {
    char hour[8];
    std::snprintf(hour, sizeof hour, "%02d", k % kReadingsPerDay * 24 / kReadingsPerDay);
    text += day(k / kReadingsPerDay + 1) + "T" + hour + ":00:00Z";
    for (int i = 1; i <= kMeters; ++i) text += "," + std::to_string(20 + i + k % 7);
    text += '\n';
  }
  return text;
}

}  // namespace

std::string day(int n) {
  char text[16];
  std::snprintf(text, sizeof text, "2025-03-%02d", n);
  return text;
}

std::string question(const std::string& item, const std::string& target, int n,
                     const std::string& where) {
  return "SELECT " + item + " FROM " + target + " " + where + " OVER '" + day(n) + "' .. '" +
         day(n + 1) + "' WITH (epsilon = 4, purpose = 'planning')";
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary);
  stream << text;
  stream.flush();
  REQUIRE(stream.good());
}

MeterFiles write_meter_files(const std::filesystem::path& folder) {
  MeterFiles files{folder / "meter.json",    folder / "twins.toml",     folder / "readings.csv",
                   folder / "readings.toml", folder / "agreement.toml", folder / "exports.toml"};
  write_text(files.type, kType);
  write_text(files.twins, twins_text());
  write_text(files.readings, readings_text());
  write_text(files.map, kMap);
  write_text(files.agreement, kAgreement);
  write_text(files.exports, kExports);
  return files;
}

void init_provider(TestNode& node, const MeterFiles& files) {
  node.init();
  std::filesystem::copy(files.exports, node.home() / "provision.d" / "exports.toml");
}

void init_office(TestNode& node) {
  node.init();
  write_text(node.home() / "provision.d" / "system.toml", kSystem);
}

void apply_twins(TestNode& node, const MeterFiles& files) {
  node.json({"type", "apply", files.type.string()});
  node.json({"twin", "apply", files.twins.string()});
}

void load(TestNode& node, const MeterFiles& files) {
  apply_twins(node, files);
  const json::value done =
      node.json({"ingest", files.readings.string(), "--map", files.map.string()});
  REQUIRE(done.at("accepted").to_number<int>() == kMeters * kDays * kReadingsPerDay);
}

LoadedWorks::LoadedWorks()
    : files(write_meter_files(folder.path())), works("works", folder.path()) {
  init_provider(works, files);
  REQUIRE(works.start());
  load(works, files);
}

Strangers::Strangers()
    : files(write_meter_files(folder.path())),
      works("works", folder.path()),
      office("office", folder.path()) {
  init_provider(works, files);
  init_office(office);
  REQUIRE(works.start());
  REQUIRE(office.start());
}

Pair::Pair() {
  load(works, files);
  link_nodes(office, works);
  agreement = agree(works, office, files.agreement);
}

std::string figures(const json::value& answer) {
  return json::serialize(answer.at("rows"));
}

const json::object& coverage_of(const json::value& answer, const std::string& organisation) {
  for (const json::value& member : answer.at("coverage").as_array()) {
    if (member.at("organisation").as_string() == organisation) return member.as_object();
  }
  INFO(json::serialize(answer));
  FAIL("nothing is said about " << organisation);
  throw std::logic_error("unreachable");
}

std::uint64_t spent_rho(const TestNode& node, int n) {
  const json::value budget = node.json({"budget", "show"});
  for (const json::value& block : budget.at("domains").at(0).at("blocks").as_array()) {
    if (std::string(block.at("start").as_string()).starts_with(day(n))) {
      return block.at("spent_rho").to_number<std::uint64_t>();
    }
  }
  return 0;
}

std::vector<std::string> stored_releases(const TestNode& node) {
  return blobs_of(node, "SELECT body FROM releases ORDER BY key");
}

std::vector<std::string> blobs_of(const TestNode& node, const char* query) {
  sqlite3* database = nullptr;
  const std::string path = (node.home() / "entente.db").string();
  REQUIRE(sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK);
  sqlite3_stmt* rows = nullptr;
  REQUIRE(sqlite3_prepare_v2(database, query, -1, &rows, nullptr) == SQLITE_OK);
  std::vector<std::string> bodies;
  while (sqlite3_step(rows) == SQLITE_ROW) {
    bodies.emplace_back(static_cast<const char*>(sqlite3_column_blob(rows, 0)),
                        static_cast<std::size_t>(sqlite3_column_bytes(rows, 0)));
  }
  sqlite3_finalize(rows);
  sqlite3_close(database);
  return bodies;
}

}  // namespace entente::tests
