// What operators rely on: the API's edge, health, metrics, output for scripts, disks that fail.
#include <doctest/doctest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <fstream>
#include <future>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::uint64_t readings_of(const TestNode& node, const std::string& twin) {
  return node.json({"twin", "show", twin}).at("readings").to_number<std::uint64_t>();
}

// A provider with twins and all readings, served from a disk that fails on demand.
struct OnBadDisk {
  OnBadDisk()
      : files(write_meter_files(folder.path())),
        sign(folder.path() / "sign"),
        works("works", folder.path()) {
    init_provider(works, files);
    REQUIRE(works.start({{{"LD_PRELOAD", ENTENTE_BAD_DISK},
                          {"ENTENTE_BAD_DISK_SIGN", sign.string()},
                          {"ASAN_OPTIONS", "verify_asan_link_order=0"}},
                         {}}));
    apply_twins(works, files);
    write_text(folder.path() / "few.csv",
               "time,meter-1\n2025-03-20T00:00:00Z,21\n2025-03-20T04:00:00Z,22\n");
  }
  Finished ingest_few() const {
    return works.run({"ingest", (folder.path() / "few.csv").string(), "--map", files.map.string()});
  }
  TemporaryFolder folder;
  MeterFiles files;
  std::filesystem::path sign;
  TestNode works;
};

}  // namespace

TEST_SUITE("integration/operations") {
  TEST_CASE("the API answers nobody without the token, and health to everybody") {
    TemporaryFolder folder;
    TestNode node("works", folder.path());
    node.init();
    REQUIRE(node.start());
    for (const std::string& token :
         {std::string(), std::string("ENTT1.wrong"), node.token().substr(1), node.token() + "A"}) {
      CAPTURE(token);
      for (const char* target : {"/api/v1/status", "/api/v1/twins", "/api/v1/budget", "/metrics"}) {
        CAPTURE(target);
        const HttpAnswer answer = http_get(node, target, token);
        CHECK(answer.status == 401);
        CHECK(contains(answer.head, "application/problem+json"));
        CHECK(contains(answer.body, "ENT-1006"));
      }
    }
    CHECK(http_get(node, "/api/v1/status", node.token()).status == 200);
    const HttpAnswer live = http_get(node, "/livez", "");
    CHECK(live.status == 200);
    const HttpAnswer ready = http_get(node, "/readyz?verbose", "");
    CHECK(ready.status == 200);
    CHECK(contains(ready.body, "[+]certificate ok"));
    CHECK(contains(ready.body, "ready"));
    const HttpAnswer metrics = http_get(node, "/metrics", node.token());
    CHECK(metrics.status == 200);
    CHECK(contains(metrics.body, "# TYPE entente_"));
    const HttpAnswer nowhere = http_get(node, "/api/v1/nothing", node.token());
    CHECK(nowhere.status == 404);
    CHECK(contains(nowhere.head, "application/problem+json"));
  }

  TEST_CASE("every reading command speaks JSON with its version") {
    Pair pair;
    const std::vector<std::vector<std::string>> at_works = {
        {"status"},
        {"doctor"},
        {"budget", "show"},
        {"budget", "show", "--partners"},
        {"export", "list"},
        {"audit", "verify"},
        {"audit", "list"},
        {"audit", "witnesses"},
        {"audit", "privacy", "--runs", "10000"},
        {"link", "list"},
        {"link", "show", "office"},
        {"agreement", "list"},
        {"agreement", "show", pair.agreement},
        {"agreement", "check", pair.files.agreement.string()},
        {"type", "list"},
        {"type", "show", "dtmi:org:entente:test:Meter;1"},
        {"twin", "list"},
        {"twin", "show", "meter-1"},
        {"twin", "health", "meter-1"},
        {"twin", "quarantine", "meter-1"},
        {"twin", "learn", "--type", "dtmi:org:entente:test:Meter;1"},
        {"ask", question("mean(load)", "meters", 1)},
        {"explain", "ENT-5001"},
        {"version"},
        {"completion", "bash"}};
    const std::vector<std::vector<std::string>> at_office = {
        {"system", "list"},
        {"ask", "preview", question("mean(load)", "meters@works", 1)},
        {"ask", question("mean(load)", "meters@works", 1)}};
    const auto check = [](const TestNode& node, const std::vector<std::string>& command) {
      const Finished finished = node.run(command);
      INFO(command.front(), " ", command.back(), "\n", finished.words, finished.out);
      CHECK(finished.exit_code == 0);
      boost::system::error_code failure;
      const json::value value = json::parse(finished.out, failure);
      REQUIRE_FALSE(failure);
      CHECK(text_at(value, "apiVersion") == "entente/v1");
    };
    for (const auto& command : at_works) check(pair.works, command);
    for (const auto& command : at_office) check(pair.office, command);
    // So does a refusal.
    const Finished refused = pair.works.run({"twin", "show", "meter-99"});
    CHECK(refused.exit_code == 3);
    CHECK(text_at(refused.json(), "apiVersion") == "entente/v1");
    CHECK(text_at(refused.json().at("error"), "code") == "ENT-1003");
    pair.works.stop();
    const Finished down = pair.works.run({"status"});
    CHECK(down.exit_code == 6);
    CHECK(text_at(down.json().at("error"), "code") == "ENT-1010");
  }

  TEST_CASE("a full disk acknowledges nothing, and the node goes on when there is room again") {
    OnBadDisk on;
    REQUIRE(on.ingest_few().exit_code == 0);
    write_text(on.sign, "28");
    const Finished full =
        on.works.run({"ingest", on.files.readings.string(), "--map", on.files.map.string()});
    INFO(full.words, on.works.log());
    CHECK(full.exit_code == 1);
    CHECK(text_at(full.json().at("error"), "code") == "ENT-7002");
    CHECK(readings_of(on.works, "meter-1") == 2);
    std::filesystem::remove(on.sign);
    const json::value done =
        on.works.json({"ingest", on.files.readings.string(), "--map", on.files.map.string()});
    CHECK(done.at("duplicates").to_number<int>() == 0);
    CHECK(readings_of(on.works, "meter-1") == 2 + kDays * kReadingsPerDay);
    CHECK(on.works.stop() == 0);
  }

  TEST_CASE("a disk that fills up takes the ballast and the node comes back by itself") {
    OnBadDisk on;
    const auto ballast = on.works.home() / "ballast";
    REQUIRE(std::filesystem::file_size(ballast) == 16 << 20);
    REQUIRE(on.ingest_few().exit_code == 0);
    write_text(on.sign, "28 " + ballast.string());
    const Finished full =
        on.works.run({"ingest", on.files.readings.string(), "--map", on.files.map.string()});
    INFO(full.words, on.works.log());
    CHECK(full.exit_code == 1);
    CHECK(text_at(full.json().at("error"), "code") == "ENT-7002");
    CHECK_FALSE(std::filesystem::exists(ballast));
    // Nobody has freed anything.
    on.works.json({"ingest", on.files.readings.string(), "--map", on.files.map.string()});
    CHECK(readings_of(on.works, "meter-1") == 2 + kDays * kReadingsPerDay);
    CHECK(on.works.stop() == 0);
    std::filesystem::remove(on.sign);
    REQUIRE(on.works.start());
    CHECK(std::filesystem::file_size(ballast) == 16 << 20);
    CHECK(readings_of(on.works, "meter-1") == 2 + kDays * kReadingsPerDay);
  }

  TEST_CASE("node check refuses a running node, passes a stopped one and names a flipped bit") {
    OnBadDisk on;
    REQUIRE(on.ingest_few().exit_code == 0);
    CHECK(on.works.run({"node", "check"}).exit_code == 7);
    CHECK(on.works.stop() == 0);
    const Finished well = on.works.run({"node", "check"});
    INFO(well.out, well.words);
    CHECK(well.exit_code == 0);
    CHECK(well.json().at("ok").as_bool());
    CHECK(well.json().at("readings").to_number<int>() == 2);
    const auto flip = [&](const char* name, int at) {
      std::fstream file(on.works.home() / name, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(at);
      const int byte = file.get();
      file.seekp(at);
      file.put(static_cast<char>(byte ^ 16));
    };
    // The header's count of changes: nothing is lost with it.
    flip("history.db", 27);
    CHECK(on.works.run({"node", "check"}).exit_code == 8);
    const Finished repaired = on.works.run({"node", "check", "--repair"});
    INFO(repaired.out, repaired.words);
    CHECK(repaired.exit_code == 0);
    CHECK(std::filesystem::exists(on.works.home() / "history.db.damaged-1"));
    REQUIRE(on.works.start());
    CHECK(readings_of(on.works, "meter-1") == 2);
    CHECK(on.works.run({"twin", "show", "meter-2"}).exit_code == 0);
    CHECK(on.works.stop() == 0);
    flip("entente.db", 5'000);
    flip("history.db", 5'000);
    const Finished ill = on.works.run({"node", "check"});
    CHECK(ill.exit_code == 8);
    CHECK(contains(ill.out, "page 2"));
    CHECK(contains(ill.out, "entente.db"));
    CHECK(contains(ill.out, "history.db"));
    CHECK_FALSE(on.works.start());
    CHECK(contains(on.works.log(), "page 2 of"));
  }

  TEST_CASE("a broken disk acknowledges nothing and ends the node, which says why") {
    OnBadDisk on;
    REQUIRE(on.ingest_few().exit_code == 0);
    write_text(on.sign, "5");
    const Finished broken =
        on.works.run({"ingest", on.files.readings.string(), "--map", on.files.map.string()});
    INFO(broken.words, on.works.log());
    CHECK(broken.exit_code != 0);
    CHECK(on.works.wait() == 74);
    CHECK(contains(on.works.log(), "ENT-7001"));
    std::filesystem::remove(on.sign);
    REQUIRE(on.works.start());
    CHECK(readings_of(on.works, "meter-1") == 2);
    REQUIRE(on.ingest_few().exit_code == 0);
  }

  TEST_CASE("a node that waits for a silent partner stops in its grace and answers first") {
    Pair pair;
    pair.works.freeze();
    const auto began = std::chrono::steady_clock::now();
    auto asked = std::async(std::launch::async, [&] {
      return pair.office.run(
          {"ask", question("mean(load)", "meters@works", 1), "--timeout", "55s"});
    });
    until("the question is under way", [&] {
      return contains(http_get(pair.office, "/metrics", pair.office.token()).body,
                      "entente_http_connections 2");
    });
    CHECK(pair.office.stop() == 0);
    const Finished finished = asked.get();
    INFO(finished.out, finished.words);
    CHECK(finished.exit_code == 6);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(30));
  }
}

}  // namespace entente::tests
