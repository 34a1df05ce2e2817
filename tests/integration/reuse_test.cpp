#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>
#include <cmath>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr const char* kType = R"text({
  "@context": "dtmi:dtdl:context;2", "@id": "dtmi:org:entente:test:Meter;1", "@type": "Interface",
  "contents": [
    {"@type": "Telemetry", "name": "load", "schema": "double"},
    {"@type": "Telemetry", "name": "draw", "schema": "double"},
    {"@type": "Property", "name": "hall", "schema": "string"},
    {"@type": "Property", "name": "owner", "schema": "string"}
  ]
})text";

// Loads by the meter, draws by its owner.
constexpr const char* kExports = R"text([domain.meters]
unit = "twin"
block = "1d"
zone = "UTC"
epsilon = 8
delta = 1e-6

[domain.owners]
unit = "property:owner"
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
sum = [0, 100]

[export.owners]
domain = "owners"
type = "dtmi:org:entente:test:Meter;1"
tick = "4h"
lateness = "2h"
groups_per_unit = 2
keys.hall = ["north", "south"]
[export.owners.units]
"north" = 15
"south" = 10
[export.owners.measures.draw]
unit = "kW"
mean = [0, 100]
)text";

constexpr const char* kAgreement = R"text([agreement]
name = "meters-2025"
partner = "office"
exports = ["meters", "owners"]
purposes = ["planning"]
aggregates = ["sum", "mean"]
min_units = 10
epsilon_per_block = 8
onward = []
expires = "2099-01-01"
)text";

constexpr const char* kDrawMap = R"text(layout = "wide"
signal = "draw"
missing = [""]

[time]
column = "time"
format = "iso"
zone = "UTC"
)text";

// 15 owners of two meters each, five of them with both in hall north.
std::string twins_text() {
  std::string text;
  for (int i = 1; i <= kMeters; ++i) {
    text += "[[twin]]\nid = \"meter-" + std::to_string(i) +
            "\"\ntype = \"dtmi:org:entente:test:Meter;1\"\nproperties = { hall = \"" +
            (i <= 20 ? "north" : "south") + "\", owner = \"owner-" + std::to_string(i % 15) +
            "\" }\n\n";
  }
  return text;
}

struct Owners {
  Owners()
      : files(write_meter_files(folder.path())),
        works("works", folder.path()),
        office("office", folder.path()) {
    write_text(files.type, kType);
    write_text(files.twins, twins_text());
    write_text(files.exports, kExports);
    write_text(files.agreement, kAgreement);
    init_provider(works, files);
    init_office(office);
    REQUIRE(works.start());
    REQUIRE(office.start());
    load(works, files);
    write_text(folder.path() / "draw.toml", kDrawMap);
    works.json(
        {"ingest", files.readings.string(), "--map", (folder.path() / "draw.toml").string()});
    link_nodes(office, works);
    agree(works, office, files.agreement);
  }
  TemporaryFolder folder;
  MeterFiles files;
  TestNode works;
  TestNode office;
};

double number(const json::value& object, const char* name) {
  return object.at(name).to_number<double>();
}

}  // namespace

TEST_SUITE("integration/reuse") {
  TEST_CASE("a day is added up from its released hours and an owner counts once in each hall") {
    Owners both;
    const std::string window = " OVER '" + day(2) + "' .. '" + day(3) + "'";
    const std::string with = " WITH (epsilon = 4, purpose = 'planning')";
    const std::string hours =
        "SELECT sum(sum(load)) FROM meters@works GROUP BY hall" + window + " EVERY 4h" + with;
    const std::string whole =
        "SELECT sum(sum(load)) FROM meters@works GROUP BY hall" + window + with;

    // Previewed together the day is free, and nothing is asked of anybody.
    const json::value batch = both.office.json({"ask", "preview", hours, whole});
    const json::value& parts = batch.at("questions");
    CHECK(parts.at(0).at("charge").at(0).at("free").is_null());
    CHECK(parts.at(1).at("charge").at(0).at("free") == "earlier answers add up to it");
    CHECK(number(batch.at("charge").at(0), "epsilon") == doctest::Approx(4).epsilon(1e-3));
    CHECK(stored_releases(both.works).empty());

    const json::value by_hour = both.office.json({"ask", hours});
    const std::uint64_t spent = spent_rho(both.works, 2);
    CHECK(spent > 0);
    const json::value added = both.office.json({"ask", whole});
    CHECK(spent_rho(both.works, 2) == spent);
    CHECK(coverage_of(added, "works").at("reused").as_bool());
    CHECK(number(coverage_of(added, "works").at("charged"), "rho") == 0);
    double sum = 0;
    for (const json::value& row : by_hour.at("rows").as_array()) {
      if (row.at("group").as_array().empty() || row.at("group").at(0) != "north") continue;
      sum += number(row.at("values").at(0), "value");
    }
    for (const json::value& row : added.at("rows").as_array()) {
      if (row.at("group").as_array().empty() || row.at("group").at(0) != "north") continue;
      CHECK(number(row.at("values").at(0), "value") == doctest::Approx(sum).epsilon(1e-9));
    }
    CHECK(figures(both.office.json({"ask", whole})) == figures(added));
    CHECK(spent_rho(both.works, 2) == spent);
    const json::value later = both.office.json({"ask", "preview", whole});
    CHECK(later.at("questions").at(0).at("charge").at(0).at("free") == "answered before");

    // Of another unit than the twin.
    const json::value offer = both.works.json({"export", "show", "owners"});
    CHECK(offer.at("unit") == "property:owner");
    CHECK(offer.at("groups_per_unit") == 2);
    CHECK(offer.at("signals").at(0).at("bounds").at(0).at("upper") == 100);
    const std::string draws = "SELECT mean(draw) FROM owners@works GROUP BY hall" + window + with;
    const json::value told = both.office.json({"ask", draws});
    CHECK_FALSE(told.at("partial").as_bool());
    const json::value exact =
        both.works.json({"ask", "SELECT mean(draw) FROM owners GROUP BY hall" + window +
                                    " WITH (purpose = 'own')"});
    for (const json::value& row : told.at("rows").as_array()) {
      for (const json::value& own : exact.at("rows").as_array()) {
        if (row.at("group") != own.at("group")) continue;
        const json::value& value = row.at("values").at(0);
        CHECK(number(value, "standard_error") > 0);
        CHECK(std::abs(number(value, "value") - number(own.at("values").at(0), "value")) <
              20 * number(value, "standard_error"));
      }
    }
    CHECK(both.works.json({"audit", "verify"}).at("ok").as_bool());
  }
}

}  // namespace entente::tests
