// The quality of readings as an operator sees it: health, quarantine, rules changed, rules learned.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

const std::string kLow =
    "[quality.\"dtmi:org:entente:test:Meter;1\".load]\nrange = [0, 100]\nperiod = \"1h\"\n";

int judged_as(const json::value& health, std::string_view verdict) {
  const json::object& verdicts = health.at("items").at(0).at("window").at("verdicts").as_object();
  return verdicts.contains(verdict) ? verdicts.at(verdict).to_number<int>() : 0;
}

}  // namespace

TEST_SUITE("integration/quality") {
  TEST_CASE("a bad reading is kept with its reason and freed when its rule was too narrow") {
    TemporaryFolder folder;
    const MeterFiles files = write_meter_files(folder.path());
    TestNode works("works", folder.path());
    init_provider(works, files);
    write_text(works.home() / "quality.toml", kLow);
    REQUIRE(works.start());
    apply_twins(works, files);
    write_text(folder.path() / "few.csv",
               "time,meter-1\n2025-03-20T00:00:00Z,21\n2025-03-20T01:00:00Z,22\n"
               "2025-03-20T05:00:00Z,150\n2025-03-20T06:00:00Z,5000\n");
    works.json({"ingest", (folder.path() / "few.csv").string(), "--map", files.map.string()});
    const json::value health = works.json({"twin", "health", "meter-1", "--over", "7d"});
    CAPTURE(json::serialize(health));
    CHECK(judged_as(health, "good") == 2);
    CHECK(judged_as(health, "out_of_range") == 2);
    const json::value& since = health.at("items").at(0).at("since_start");
    CHECK(since.at("gaps").at("count").to_number<int>() == 1);
    CHECK(since.at("gaps").at("longest_s").to_number<double>() == 4 * 3'600);
    CHECK(since.at("last_good").as_string() == "2025-03-20T01:00:00Z");
    json::value page = works.json({"twin", "quarantine", "meter-1", "--limit", "1"});
    CHECK(page.at("items").as_array().size() == 1);
    CHECK(page.at("items").at(0).at("value").to_number<double>() == 150);
    CHECK(page.at("items").at(0).at("reason").as_string() == "out_of_range");
    page = works.json(
        {"twin", "quarantine", "meter-1", "--limit", "1", "--cursor", text_at(page, "next")});
    CHECK(page.at("items").at(0).at("value").to_number<double>() == 5'000);

    works.stop();
    write_text(works.home() / "quality.toml", kLow + "rang = 3\n");
    CHECK_FALSE(works.start());
    write_text(works.home() / "quality.toml",
               kLow + "[quality.twin.meter-1.load]\nrange = [0, 1000]\n");
    REQUIRE(works.start());
    const json::value tried = works.json({"twin", "rejudge", "meter-1", "--dry-run"});
    CHECK(tried.at("changed").to_number<int>() == 1);
    CHECK(judged_as(works.json({"twin", "health", "meter-1"}), "good") == 2);
    const json::value done = works.json({"twin", "rejudge", "meter-1", "--yes"});
    CHECK(done.at("items") == tried.at("items"));
    CHECK(judged_as(works.json({"twin", "health", "meter-1"}), "good") == 3);
    CHECK(works.json({"twin", "rejudge", "meter-1", "--yes"}).at("changed").to_number<int>() == 0);
    CHECK(works.run({"twin", "rejudge", "meter-1", "--signal", "lod", "--yes"}).exit_code == 3);
    CHECK(works.run({"twin", "health", "meter-99"}).exit_code == 3);
    CHECK(works.run({"twin", "quarantine", "meter-1", "--from", "soon"}).exit_code == 2);
    // A node that was started anew goes on from the newest reading.
    write_text(folder.path() / "one.csv", "time,meter-1\n2025-03-20T12:00:00Z,23\n");
    works.json({"ingest", (folder.path() / "one.csv").string(), "--map", files.map.string()});
    const json::value later = works.json({"twin", "health", "meter-1"});
    const json::value& gaps = later.at("items").at(0).at("since_start").at("gaps");
    CHECK(gaps.at("longest_s").to_number<double>() == 6 * 3'600);
    CHECK(works.stop() == 0);
  }

  TEST_CASE("rules are put in force while the node serves and a broken file leaves the old ones") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    const auto take = [&](const std::string& time, const std::string& value) {
      write_text(folder.path() / "one.csv", "time,meter-1\n" + time + "," + value + "\n");
      works.json({"ingest", (folder.path() / "one.csv").string(), "--map", files.map.string()});
      const json::value page = works.json({"twin", "quarantine", "meter-1", "--limit", "1000"});
      for (const json::value& item : page.at("items").as_array()) {
        if (item.at("time").as_string() == time) return text_at(item, "reason");
      }
      return std::string("good");
    };
    const auto records = [&] {
      const json::value log = works.json({"audit", "list", "--limit", "1000"});
      std::size_t found = 0;
      for (const json::value& one : log.at("items").as_array()) {
        found += one.at("action").as_string() == "rules.reload";
      }
      return found;
    };
    const auto rules = works.home() / "quality.toml";
    CHECK(take("2025-04-01T00:00:00Z", "150") == "good");
    write_text(rules, kLow + "rang = 3\n");
    const Finished refused = works.run({"quality", "reload"});
    CHECK(refused.exit_code != 0);
    CHECK(refused.words.find("quality.toml:4") != std::string::npos);
    CHECK(refused.words.find("rang") != std::string::npos);
    CHECK(refused.words.find("rate_per_second") != std::string::npos);  // what is allowed
    CHECK(take("2025-04-01T01:00:00Z", "150") == "good");

    write_text(rules, kLow);
    const json::value tried = works.json({"quality", "reload", "--dry-run"});
    CHECK(tried.at("items").as_array().size() == 1);
    CHECK(take("2025-04-01T02:00:00Z", "150") == "good");
    CHECK(records() == 0);
    const json::value done = works.json({"quality", "reload"});
    CHECK(done.at("items") == tried.at("items"));
    CHECK(done.at("series").to_number<int>() == kMeters);
    CHECK(records() == 2);  // before and after
    CHECK(take("2025-04-01T03:00:00Z", "150") == "out_of_range");
    CHECK(works.json({"quality", "reload"}).at("items").as_array().empty());
    CHECK(records() == 2);
    // What was judged by the old rules keeps its verdict until it is judged again.
    CHECK(take("2025-04-01T04:00:00Z", "15") == "good");
    const json::value again = works.json({"twin", "rejudge", "meter-1", "--yes"});
    CHECK(again.at("changed").to_number<int>() == 3);

    // Kept for a shorter time: only with a yes.
    CHECK(text_at(works.json({"twin", "history", "meter-1"}).at("items").at(0), "keep_readings") ==
          "forever");
    write_text(works.home() / "provision.d" / "keep.toml", "[retention]\nreadings = \"3650d\"\n");
    CHECK(works.run({"quality", "reload"}).exit_code == 2);
    CHECK(works.json({"quality", "reload", "--yes"}).at("loses").as_bool());
    CHECK(text_at(works.json({"twin", "history", "meter-1"}).at("items").at(0), "keep_readings") ==
          "3650d");

    // By the signal, as a service manager sends it.
    write_text(rules, kLow + "[quality.twin.meter-1.load]\nrange = [0, 1000]\n");
    const std::size_t before = records();
    works.hang_up();
    until("the rules to be in force", [&] { return records() == before + 2; });
    CHECK(take("2025-04-01T05:00:00Z", "150") == "good");
    CHECK(works.stop() == 0);
  }

  TEST_CASE("rules learned from a type's readings can be pasted and change the verdicts") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    const json::value learned =
        works.json({"twin", "learn", "--type", "dtmi:org:entente:test:Meter;1"});
    CAPTURE(json::serialize(learned));
    CHECK(learned.at("items").at(0).at("readings").to_number<int>() ==
          kMeters * kDays * kReadingsPerDay);
    const std::string rules = text_at(learned, "toml");
    CHECK(rules.find("period = \"4h\"") != std::string::npos);
    CHECK(works.run({"twin", "learn"}).exit_code == 2);
    works.stop();
    write_text(works.home() / "provision.d" / "learned.toml", rules);
    REQUIRE(works.start());
    CHECK(works.stop() == 0);
  }
}

}  // namespace entente::tests
