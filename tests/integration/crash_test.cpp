// kill -9 at the named points of the release transaction and around the history's commit.
#include <doctest/doctest.h>
#include <signal.h>

#include <boost/json/serialize.hpp>
#include <chrono>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr int kKilled = 128 + SIGKILL;

// Where the provider is killed, and whether the release is durable by then.
struct Point {
  const char* name;
  bool committed;
};
constexpr Point kPoints[] = {{"release.aggregated", false},   {"release.debited", false},
                             {"release.stored", false},       {"release.audited", false},
                             {"ledger.before_commit", false}, {"ledger.after_commit", true},
                             {"release.signed", true},        {"release.sent", true}};

// Starts a node that dies at the next pass of `point` after it serves. A starting node passes it a
// few times itself: it is killed there too, and has to start all the same.
void start_to_die_at(TestNode& node, const std::string& point) {
  for (int passes = 1; passes < 9; ++passes) {
    const std::string where = point + ":" + std::to_string(passes);
    CAPTURE(where);
    if (node.start({{{"ENTENTE_CRASH_AT", where}}, {}})) return;
    REQUIRE(node.ended() == kKilled);
  }
  FAIL("the node never came to serve");
}

// Starts a provider that dies at `point`, asks, and sees it die. Nobody has an answer then.
void ask_and_die(Pair& pair, const Point& point, const std::string& text) {
  start_to_die_at(pair.works, point.name);
  until_connected(pair.works, pair.office);
  const Finished asked = pair.office.run({"ask", text});
  INFO(asked.words, asked.out);
  CHECK(asked.exit_code == 6);
  CHECK(pair.works.wait() == kKilled);
}

std::uint64_t charge_of(const json::value& answer) {
  return coverage_of(answer, "works").at("charged").at("rho").to_number<std::uint64_t>();
}

std::uint64_t readings_of(const TestNode& node, const std::string& twin) {
  return node.json({"twin", "show", twin}).at("readings").to_number<std::uint64_t>();
}

// Readings of meter-1 on a day of its own, one a minute.
std::filesystem::path write_lines(const std::filesystem::path& path, int n, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    char time[32];
    std::snprintf(time, sizeof time, "T%02d:%02d:00Z", i / 60, i % 60);
    text += R"({"twin":"meter-1","signal":"load","time":")" + day(n) + time + R"(","value":)" +
            std::to_string(20 + i % 50) + "}\n";
  }
  write_text(path, text);
  return path;
}

}  // namespace

TEST_SUITE("integration/crash") {
  TEST_CASE("a provider killed anywhere in a release never gave more than it charged") {
    Pair pair;
    // What one question costs, and that a charge is seen when nobody is killed.
    const json::value calm = pair.office.json({"ask", question("mean(load)", "meters@works", 1)});
    const std::uint64_t charge = charge_of(calm);
    REQUIRE(charge > 0);
    REQUIRE(spent_rho(pair.works, 1) == charge);
    REQUIRE(pair.works.stop() == 0);

    int n = 1;
    for (const Point& point : kPoints) {
      CAPTURE(point.name);
      const std::string text = question("mean(load)", "meters@works", ++n);
      const std::vector<std::string> before = stored_releases(pair.works);
      ask_and_die(pair, point, text);
      const std::vector<std::string> after = stored_releases(pair.works);
      CHECK(after.size() == before.size() + (point.committed ? 1 : 0));

      REQUIRE(pair.works.start());
      CHECK(spent_rho(pair.works, n) == (point.committed ? charge : 0));
      CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());
      until_connected(pair.works, pair.office);
      const json::value answer = pair.office.json({"ask", text});
      CHECK(charge_of(answer) == (point.committed ? 0 : charge));
      CHECK(coverage_of(answer, "works").at("reused").as_bool() == point.committed);
      if (point.committed) CHECK(stored_releases(pair.works) == after);
      CHECK(figures(pair.office.json({"ask", text})) == figures(answer));
      CHECK(spent_rho(pair.works, n) == charge);
      CHECK(stored_releases(pair.works).size() == before.size() + 1);
      CHECK(pair.works.stop() == 0);
    }
  }

  TEST_CASE("readings that were acknowledged survive kill -9 and the node is back in seconds") {
    LoadedWorks site;
    auto& [folder, files, works] = site;
    const std::uint64_t loaded = readings_of(works, "meter-1");
    REQUIRE(loaded == kDays * kReadingsPerDay);
    works.kill();

    const auto started = std::chrono::steady_clock::now();
    REQUIRE(works.start());
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
    CHECK(readings_of(works, "meter-1") == loaded);

    // Killed before the commit: not acknowledged, not there.
    CHECK(works.stop() == 0);
    start_to_die_at(works, "history.before_commit");
    const std::string batch = write_lines(folder.path() / "batch.jsonl", 20, 600).string();
    CHECK(works.run({"ingest", batch}).exit_code != 0);
    CHECK(works.wait() == kKilled);
    start_to_die_at(works, "history.after_commit");
    CHECK(readings_of(works, "meter-1") == loaded);

    // Killed after it: not acknowledged either, but there; sending again keeps nothing twice.
    CHECK(works.run({"ingest", batch}).exit_code != 0);
    CHECK(works.wait() == kKilled);
    REQUIRE(works.start());
    CHECK(readings_of(works, "meter-1") == loaded + 600);
    const json::value again = works.json({"ingest", batch});
    CHECK(again.at("duplicates").to_number<int>() == 600);
    CHECK(readings_of(works, "meter-1") == loaded + 600);
    const json::value list = works.json({"twin", "list", "--limit", "1000"});
    CHECK(list.at("items").as_array().size() == kMeters);
  }

  TEST_CASE("a link and an agreement that were confirmed survive kill -9 of both nodes") {
    Pair pair;
    pair.works.kill();
    pair.office.kill();
    REQUIRE(pair.works.start());
    REQUIRE(pair.office.start());
    until_connected(pair.works, pair.office);
    const json::value answer = pair.office.json({"ask", question("mean(load)", "meters@works", 1)});
    CHECK(coverage_of(answer, "works").at("state").as_string() == "answered");
    CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());
    CHECK(pair.office.json({"audit", "verify"}).at("ok").as_bool());
  }
}

}  // namespace entente::tests
