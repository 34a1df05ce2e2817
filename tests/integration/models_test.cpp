// Models as an operator uses them: identified, applied, forecasting, telling the unusual once.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include <cmath>
#include <numbers>
#include <set>

#include "schemas/base/random.h"
#include "schemas/base/time.h"
#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr int kHours = 24 * 50;
constexpr int kHeldBack = 24 * 10;
constexpr int kSpike = kHours - kHeldBack - 30;

Instant time_of(int hour) {
  return Instant{1'740'787'200'000'000'000} + hours(hour);  // 2025-03-01
}

// A day's rhythm about 40 with noise of deviation 2, and one spike.
std::vector<double> signal(std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<double> values;
  for (int hour = 0; hour < kHours; ++hour) {
    double noise = -6;
    for (int i = 0; i < 12; ++i) noise += static_cast<double>(random.u64() >> 11) * 0x1p-53;
    values.push_back(40 + 10 * std::sin(2 * std::numbers::pi * (hour % 24) / 24) + 2 * noise);
  }
  values[kSpike] = 140;
  return values;
}

// One reading in nine is missing, but no spike.
bool is_gap(int hour) {
  return hour % 9 == 4 && hour != kSpike;
}

void ingest(TestNode& node, const MeterFiles& files, const std::vector<double>& values, int from,
            int to) {
  std::string text = "time,meter-1\n";
  for (int hour = from; hour < to; ++hour) {
    if (is_gap(hour)) continue;
    text += to_text(time_of(hour)) + "," + std::to_string(values[static_cast<std::size_t>(hour)]) +
            "\n";
  }
  const auto path = files.map.parent_path() / "part.csv";
  write_text(path, text);
  node.json({"ingest", path.string(), "--map", files.map.string()});
}

// Until the model was told everything before `hour`.
void until_told(const TestNode& node, const std::string& model, int hour) {
  int last = hour - 1;
  while (is_gap(last)) --last;
  until("the model has caught up", [&] {
    const json::value shown = node.json({"model", "show", model});
    const auto fed = text_at(shown, "fed_to");
    return !fed.empty() && *parse_instant(fed) > time_of(last);
  });
}

std::size_t spikes_told(const TestNode& node) {
  const json::value all = node.json({"twin", "anomalies", "meter-1", "--limit", "1000"});
  std::size_t count = 0;
  for (const json::value& one : all.at("items").as_array()) {
    count += text_at(one, "time") == to_text(time_of(kSpike));
  }
  return count;
}

}  // namespace

TEST_SUITE("integration/models") {
  TEST_CASE(
      "a model is identified and applied and its bands hold what comes and a spike is told "
      "once") {
    const std::uint64_t seed = 20'250'301;
    CAPTURE(seed);
    TemporaryFolder folder;
    const MeterFiles files = write_meter_files(folder.path());
    TestNode works("works", folder.path());
    init_provider(works, files);
    REQUIRE(works.start());
    apply_twins(works, files);
    const auto values = signal(seed);
    CHECK(works.run({"model", "identify", "meter-1"}).exit_code == 3);  // no reading yet
    ingest(works, files, values, 0, kSpike);

    const std::string file = (folder.path() / "load.toml").string();
    const json::value found =
        works.json({"model", "identify", "meter-1", "--timeout", "2m", "--out", file});
    CAPTURE(json::serialize(found));
    CHECK(found.at("beats_naive").as_bool());
    CHECK(text_at(found, "step") == "1h");
    const json::value applied = works.json({"model", "apply", file, "--timeout", "2m"});
    CHECK(text_at(applied, "life") == "live");
    CHECK(applied.at("validation").at("beats_naive").as_bool());
    const std::string detector = (folder.path() / "unusual.toml").string();
    works.json({"model", "identify", "meter-1", "--anomalies", "--out", detector});
    works.json({"model", "apply", detector, "--timeout", "2m"});
    CHECK(works.json({"model", "list"}).at("items").as_array().size() == 2);

    ingest(works, files, values, kSpike, kHours - kHeldBack);
    until_told(works, "meter-1/load-anomalies", kHours - kHeldBack);
    until_told(works, "meter-1/load", kHours - kHeldBack);
    CHECK(spikes_told(works) == 1);

    // Day by day: what was said of the next one, and what came.
    std::size_t points = 0, in_half = 0, in_ninety = 0;
    for (int begin = kHours - kHeldBack; begin < kHours; begin += 24) {
      const json::value said = works.json({"twin", "forecast", "meter-1", "--for", "24h"});
      for (const json::value& point : said.at("items").at(0).at("path").as_array()) {
        const Instant time = *parse_instant(text_at(point, "time"));
        const auto hour = static_cast<int>((time - time_of(0)).ns / hours(1).ns);
        if (hour < begin || hour >= kHours || is_gap(hour)) continue;
        const double truth = values[static_cast<std::size_t>(hour)];
        const auto at = [&](const char* name) { return point.at(name).to_number<double>(); };
        ++points;
        in_half += at("low50") <= truth && truth <= at("high50");
        in_ninety += at("low90") <= truth && truth <= at("high90");
      }
      ingest(works, files, values, begin, begin + 24);
      until_told(works, "meter-1/load", begin + 24);
    }
    // Of about 210 values: 90 % within three deviations of that share (2.1 %), as 50 % (3.5 %).
    CAPTURE(points);
    CHECK(points > 190);
    const double ninety = static_cast<double>(in_ninety) / static_cast<double>(points);
    const double half = static_cast<double>(in_half) / static_cast<double>(points);
    MESSAGE("bands of 90 % held " << ninety << ", of 50 % " << half << " of " << points);
    CHECK(ninety > 0.83);
    CHECK(ninety < 0.97);
    CHECK(half > 0.38);
    CHECK(half < 0.62);

    const json::value before = works.json({"twin", "forecast", "meter-1", "--for", "24h"});
    CHECK(works.stop() == 0);
    REQUIRE(works.start());
    until_told(works, "meter-1/load", kHours);
    until_told(works, "meter-1/load-anomalies", kHours);
    const json::value after = works.json({"twin", "forecast", "meter-1", "--for", "24h"});
    CHECK(json::serialize(after) == json::serialize(before));
    CHECK(spikes_told(works) == 1);
    const json::value shown = works.json({"model", "show", "meter-1/load"});
    CAPTURE(json::serialize(shown));
    CHECK(text_at(shown, "life") == "live");
    CHECK(shown.at("score").at("points").to_number<int>() > 500);
    CHECK(shown.at("score").at("mase").to_number<double>() < 1);

    const json::value futures = works.json({"twin", "simulate", "meter-1", "--for", "24h", "--runs",
                                            "100", "--limit", "200", "--timeout", "2m"});
    CHECK(futures.at("above").to_number<double>() == 0);
    works.json({"model", "retire", "meter-1/load", "--yes"});
    CHECK(works.run({"twin", "forecast", "meter-1"}).exit_code == 3);
    CHECK(works.run({"model", "show", "meter-1/lod"}).exit_code == 3);
    CHECK(works.run({"model", "apply", files.map.string()}).exit_code == 2);
    CHECK(works.stop() == 0);
  }
}

}  // namespace entente::tests
