// Two dirty public data sets through reader and gate: what was found in them.
#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "node/ingest/csv_reader.h"
#include "node/quality/quality_gate.h"
#include "node/quality/rule_text.h"
#include "tests/unit/node/real_data.h"

namespace entente::node {
namespace {

struct Found {
  std::map<std::string, SeriesHealth> signals;
  std::map<std::string, std::uint64_t> rejects;  // by what stood there, roughly
  std::uint64_t missing = 0;

  std::uint64_t of(const std::string& signal, Quality quality) const {
    return signals.at(signal).counts[static_cast<std::size_t>(quality)];
  }
  std::string table() const {
    std::ostringstream out;
    for (const auto& [signal, health] : signals) {
      out << "\n  " << signal << ": " << sum_of(health.counts) << " readings";
      for (std::size_t i = 0; i < kQualities; ++i) {
        if (health.counts[i] > 0) {
          out << "; " << to_text(static_cast<Quality>(i)) << " " << health.counts[i];
        }
      }
      out << "; duplicate times " << health.duplicates << "; out of order " << health.out_of_order
          << "; gaps " << health.gaps;
      if (health.gap_longest) {
        out << ", longest " << health.gap_longest->seconds() / 86'400 << " d";
      }
    }
    for (const auto& [text, count] : rejects) out << "\n  reject \"" << text << "\": " << count;
    if (missing > 0) out << "\n  missing marks: " << missing;
    return out.str();
  }
};

// One more series of a signal.
void add(SeriesHealth& all, const SeriesHealth& one) {
  for (std::size_t i = 0; i < kQualities; ++i) all.counts[i] += one.counts[i];
  all.duplicates += one.duplicates;
  all.out_of_order += one.out_of_order;
  all.gaps += one.gaps;
  if (one.gap_longest && (!all.gap_longest || *one.gap_longest > *all.gap_longest)) {
    all.gap_longest = one.gap_longest;
    all.gap_last = one.gap_last;
  }
}

Found judged(const std::filesystem::path& path, const std::string& mapping_text,
             const std::string& rules_text) {
  RuleBook book;
  const auto rules = read_rule_file(rules_text, "quality.toml", book);
  INFO((rules ? std::string() : rules.error().what));
  REQUIRE(rules.has_value());
  QualityGate gate(std::move(book));
  auto mapping = read_mapping(mapping_text, "m.toml");
  INFO((mapping ? std::string() : mapping.error().what));
  REQUIRE(mapping.has_value());
  std::ifstream stream(path, std::ios::binary);
  CsvReader reader(source_of(stream), std::move(*mapping));
  std::map<std::pair<std::string, std::string>, SeriesId> series;
  Found found;
  Batch batch;
  ResolvedType type;
  type.id = "dtmi:test:Delivery;1";
  for (auto step = reader.next();; step = reader.next()) {
    if (!step) FAIL(step.error().what);
    if (*step == RowReader::Step::end) break;
    if (*step == RowReader::Step::reject) {
      ++found.rejects[reader.reject().text.substr(0, 6)];
      continue;
    }
    const Row& row = reader.row();
    const auto [at, fresh] =
        series.emplace(std::pair(row.twin, row.signal), static_cast<SeriesId>(series.size()));
    if (fresh) {
      Signal signal;
      signal.name = row.signal;
      gate.watch(at->second, type, signal, row.twin);
    }
    batch.add(at->second, {row.time, row.value, Quality::good});
  }
  gate.judge(batch, *parse_instant("2020-01-01"));
  for (const auto& [key, id] : series) add(found.signals[key.second], *gate.health(id));
  found.missing = reader.missing();
  return found;
}

const std::string kInterstate =
    "layout = \"columns\"\n[time]\ncolumn = \"date_time\"\nzone = \"America/Chicago\"\n"
    "twice = \"earliest\"\n[twin]\nfixed = \"i94\"\n"
    "[signals]\ntemp = \"temperature\"\nrain_1h = \"rain\"\ntraffic_volume = \"traffic\"\n";

const std::string kInterstateRules = R"toml(
  [quality.twin.i94.temperature]
  range = [223, 323]
  rate_per_second = 0.005
  stuck = "12h"
  period = "1h"
  [quality.twin.i94.rain]
  range = [0, 310]            # the most that ever fell in an hour anywhere is 305 mm
  period = "1h"
  [quality.twin.i94.traffic]
  range = [0, 8000]
  stuck = "3h"
  period = "1h"
)toml";

const std::string kDeliveries =
    "layout = \"columns\"\n[time]\ncolumn = \"Delivered to Client Date\"\nformats = "
    "[\"%d-%b-%y\"]\n[twin]\ncolumn = \"Country\"\nnormalise = true\n"
    "[signals]\n\"Weight (Kilograms)\" = \"weight\"\n\"Freight Cost (USD)\" = \"freight\"\n"
    "\"Unit Price\" = \"unit_price\"\n\"Line Item Quantity\" = \"quantity\"\n";

const std::string kDeliveryRules = R"toml(
  [quality."dtmi:test:Delivery;1"]
  weight = { range = [1, 200_000] }
  freight = { range = [1, 250_000] }
  unit_price = { range = [0.001, 100] }
  quantity = { range = [1, 1_000_000] }
)toml";

}  // namespace

TEST_SUITE("node/dirty_data") {
  TEST_CASE("the interstate sensor: absolute zero, a flood in an hour, repeats and a long gap") {
    const auto path = test::real_data("metro_interstate/Metro_Interstate_Traffic_Volume.csv");
    if (!path) return;
    const Found found = judged(*path, kInterstate, kInterstateRules);
    MESSAGE("metro_interstate" << found.table());
    CHECK(found.of("temperature", Quality::out_of_range) == 10);  // 0 K
    CHECK(found.of("rain", Quality::out_of_range) == 1);          // 9,831.3 mm
    CHECK(found.of("traffic", Quality::out_of_range) == 0);
    for (const std::string signal : {"temperature", "rain", "traffic"}) {
      const SeriesHealth& health = found.signals.at(signal);
      CAPTURE(signal);
      CHECK(health.duplicates + health.out_of_order >= 7'600);
      REQUIRE(health.gap_longest.has_value());
      CHECK(health.gap_longest->seconds() / 86'400 == doctest::Approx(307).epsilon(0.003));
      CHECK(health.gaps == 395);
    }
    CHECK(found.of("temperature", Quality::rate_of_change) == 6);
    CHECK(found.of("temperature", Quality::stuck) == 51);
  }

  TEST_CASE("the deliveries: text in number columns is rejected by name, the rest is judged") {
    const auto path = test::real_data("scms_shipments/deliveries_2006_2012.csv");
    if (!path) return;
    const Found found = judged(*path, kDeliveries, kDeliveryRules);
    MESSAGE("scms_shipments" << found.table());
    const std::map<std::string, std::uint64_t> rejects = {
        {"Freigh", 722}, {"Invoic", 97}, {"See AS", 470}, {"See DN", 2'604}, {"Weight", 685}};
    CHECK(found.rejects == rejects);
    for (const char* signal : {"quantity", "unit_price"}) {
      CHECK(sum_of(found.signals.at(signal).counts) == 6'514);
    }
    CHECK(sum_of(found.signals.at("weight").counts) + sum_of(found.signals.at("freight").counts) +
              4'578 ==
          2 * 6'514);
    // The file is in no order of time, and several items of a country arrive on one day.
    CHECK(found.signals.at("quantity").out_of_order == 6'295);
    CHECK(found.signals.at("quantity").duplicates == 60);
    CHECK(found.of("weight", Quality::out_of_range) == 3);
    CHECK(found.of("freight", Quality::out_of_range) == 1);
    CHECK(found.of("unit_price", Quality::out_of_range) == 88);
  }
}

}  // namespace entente::node
