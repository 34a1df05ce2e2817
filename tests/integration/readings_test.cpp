// Readings taken out of a node, and twins deleted with all that is kept of them.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fstream>
#include <iterator>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr int kEach = kDays * kReadingsPerDay;

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string kLong =
    "layout = \"long\"\nvalue = \"value\"\nsignal_column = \"signal\"\n"
    "[time]\ncolumn = \"time\"\n[twin]\ncolumn = \"twin\"\n";

// Records of the audit log about the deletion of this twin that hold a text: their bytes have texts
// as they are.
int audited(const TestNode& node, const std::string& twin, const std::string& text) {
  int found = 0;
  for (const std::string& record : blobs_of(node, "SELECT record FROM audit")) {
    const auto has = [&](const std::string& part) {
      return record.find(part + std::string(1, 0)) != std::string::npos;
    };
    found += has("twin.delete") && has("twin:" + twin) && has("user:admin") && has(text);
  }
  return found;
}

int number_at(const json::value& object, const char* name) {
  return object.at(name).to_number<int>();
}

}  // namespace

TEST_SUITE("integration/readings") {
  TEST_CASE("what one node exports in either form another takes back reading for reading") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    write_text(
        folder.path() / "odd.jsonl",
        "{\"twin\":\"meter-1\",\"signal\":\"load\",\"time\":\"2025-04-01T00:00:00.1234567Z\","
        "\"value\":0.30000000000000004}\n");
    works.json({"ingest", (folder.path() / "odd.jsonl").string()});
    const auto csv = folder.path() / "all.csv";
    const auto lines = folder.path() / "all.jsonl";
    const json::value done = works.json({"twin", "export", "--out", csv.string()});
    CHECK(number_at(done, "twins") == kMeters);
    CHECK(number_at(done, "readings") == kMeters * kEach + 1);
    works.json({"twin", "export", "--out", lines.string()});
    CHECK(
        text_of_file(csv).find("meter-1,load,2025-04-01T00:00:00.1234567Z,0.30000000000000004,") !=
        std::string::npos);

    write_text(folder.path() / "long.toml", kLong);
    const auto again = folder.path() / "again.csv";
    for (const auto& [name, path] : {std::pair("depot", csv), std::pair("yard", lines)}) {
      CAPTURE(name);
      TestNode other(name, folder.path());
      init_provider(other, files);
      REQUIRE(other.start());
      apply_twins(other, files);
      std::vector<std::string> words{"ingest", path.string()};
      if (path == csv) words.insert(words.end(), {"--map", (folder.path() / "long.toml").string()});
      CHECK(number_at(other.json(words), "accepted") == kMeters * kEach + 1);
      other.json({"twin", "export", "--out", again.string()});
      CHECK(text_of_file(again) == text_of_file(csv));
      const int stopped = other.stop();
      INFO(other.log());
      CHECK(stopped == 0);
    }

    const auto part = folder.path() / "part.ndjson";
    works.json({"twin", "export", "meter-1", "--from", "2025-04-01", "--out", part.string()});
    const std::string text = text_of_file(part);
    CHECK(std::count(text.begin(), text.end(), '\n') == 1);
    const std::string target = "/api/v1/twins/meter-1/readings?limit=5";
    const json::value page = json::parse(http_get(works, target, works.token()).body);
    CHECK(page.at("items").as_array().size() == 5);
    CHECK_FALSE(text_at(page, "next").empty());
    CHECK(http_get(works, target + "0000000", works.token()).status == 400);
    CHECK(http_get(works, target + "&cursor=x", works.token()).status == 400);
    CHECK(works.run({"twin", "export", "meter-99", "--out", part.string()}).exit_code == 3);
    CHECK(works.run({"twin", "export", "meter-1"}).exit_code == 2);
    CHECK(works.stop() == 0);
  }

  TEST_CASE("a deleted twin is gone with all its readings, and a deletion cut off is finished") {
    for (const char* point : {"", "history.erasing", "history.erased", "history.forgotten"}) {
      CAPTURE(point);
      LoadedWorks site;
      auto& [folder, files, works] = site;
      CHECK(number_at(works.json({"twin", "delete", "meter-1", "--dry-run"}), "readings") == kEach);
      CHECK(number_at(works.json({"twin", "show", "meter-1"}), "readings") == kEach);
      CHECK(works.run({"twin", "delete", "meter-1"}).exit_code == 2);
      CHECK(works.run({"twin", "delete"}).exit_code == 2);
      CHECK(works.run({"twin", "delete", "meter-99", "--yes"}).exit_code == 3);
      if (*point != 0) {
        works.stop();
        REQUIRE(works.start({{{"ENTENTE_CRASH_AT", point}}, {}}));
        CHECK(works.run({"twin", "delete", "meter-1", "--yes"}).exit_code != 0);
        CHECK(works.wait() == 128 + SIGKILL);
        REQUIRE(works.start());
      }
      const json::value done = works.json({"twin", "delete", "meter-1", "--yes"});
      CHECK(done.at("complete").as_bool());
      const bool before =
          std::string(point) == "history.erased" || std::string(point) == "history.forgotten";
      CHECK(number_at(done, "readings") == (before ? 0 : kEach));
      CHECK(done.at("remains").as_array().size() == 4);
      CHECK(works.run({"twin", "show", "meter-1"}).exit_code == 3);
      CHECK(works.run({"twin", "delete", "meter-1", "--yes"}).exit_code == 3);
      // Once before and once after, once more where it was cut off; of no other twin.
      CHECK(audited(works, "meter-1", "readings") == (*point != 0 ? 3 : 2));
      CHECK(audited(works, "meter-1", std::to_string(kEach)) == (before ? 1 : *point ? 3 : 2));
      CHECK(audited(works, "meter-2", "readings") == 0);
      CHECK(works.json({"audit", "verify"}).at("ok").as_bool());
      // The name may come again; nothing of the first comes with it.
      apply_twins(works, files);
      CHECK(number_at(works.json({"twin", "show", "meter-1"}), "readings") == 0);
      CHECK(number_at(works.json({"twin", "show", "meter-2"}), "readings") == kEach);
      CHECK(works.stop() == 0);
    }
  }

  TEST_CASE("a person's unit goes by its property, all of it or none") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    CHECK(works.run({"twin", "delete", "--where", "hall=nowhere", "--yes"}).exit_code == 3);
    CHECK(works.run({"twin", "delete", "--where", "hall", "--yes"}).exit_code == 2);
    const json::value done = works.json({"twin", "delete", "--where", "hall=south", "--yes"});
    CHECK(done.at("twins").as_array().size() == 10);
    CHECK(number_at(done, "readings") == 10 * kEach);
    CHECK(works.json({"twin", "list", "--all"}).at("items").as_array().size() == kMeters - 10);
    CHECK(works.stop() == 0);
  }

  TEST_CASE("a replayed export gives another node the same readings, or fresh ones") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    const auto first = folder.path() / "first.jsonl";
    const auto again = folder.path() / "again.jsonl";
    works.json({"twin", "export", "--out", first.string()});
    TestNode depot("depot", folder.path());
    init_provider(depot, files);
    REQUIRE(depot.start());
    apply_twins(depot, files);
    const json::value tried = depot.json({"replay", first.string(), "--dry-run"});
    CHECK(number_at(tried, "accepted") == kMeters * kEach);
    const json::value done = depot.json({"replay", first.string(), "--speed", "max"});
    CHECK(number_at(done, "accepted") == kMeters * kEach);
    CHECK(number_at(done, "duplicates") == 0);
    depot.json({"twin", "export", "--out", again.string()});
    CHECK(text_of_file(again) == text_of_file(first));
    // 12 days in half a second, up to the present.
    const json::value fresh =
        depot.json({"replay", first.string(), "--speed", "1e6", "--shift", "now"});
    CHECK(number_at(fresh, "accepted") == kMeters * kEach);
    const json::value twin = depot.json({"twin", "show", "meter-1"});
    CHECK(twin.at("signals").at("load").at("age_s").to_number<double>() < 60);
    CHECK(works.stop() == 0);
    CHECK(depot.stop() == 0);
  }
}

}  // namespace entente::tests
