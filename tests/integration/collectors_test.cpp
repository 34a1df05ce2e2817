// Collectors: enrolled, sending from a bundle, renewed, revoked, over restarts.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fstream>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

std::int64_t number_at(const json::value& object, std::string_view name) {
  return object.at(name).to_number<std::int64_t>();
}

std::string state_of(const TestNode& node, const std::string& collector) {
  const json::value listed = node.json({"collector", "list"});
  for (const json::value& one : listed.at("items").as_array()) {
    if (text_at(one, "name") == collector) return text_at(one, "state");
  }
  return "";
}

struct Site {
  Site() : files(write_meter_files(folder.path())), works("works", folder.path()) {
    init_provider(works, files);
    REQUIRE(works.start());
    apply_twins(works, files);
  }
  // Enrols and takes the bundle elsewhere, as an administrator would.
  std::string enrol(const std::string& name, const std::string& copy) {
    const json::value added = works.json({"collector", "add", name});
    const std::string written = text_at(added, "bundle");
    struct stat status {};
    REQUIRE(::stat(written.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    const std::filesystem::path to = folder.path() / copy;
    std::filesystem::copy_file(written, to, std::filesystem::copy_options::overwrite_existing);
    return to.string();
  }
  // A collector has no home of a node: only its bundle.
  Finished send(const std::string& file, const std::string& bundle) {
    return run_program({ENTENTE_BIN, "-o", "json", "collector", "send", file, "--bundle", bundle});
  }

  TemporaryFolder folder;
  MeterFiles files;
  TestNode works;
};

}  // namespace

TEST_SUITE("integration/collectors") {
  TEST_CASE("an enrolled collector's readings are in the node's history and state") {
    Site site;
    const std::string bundle = site.enrol("gate-3", "bundle");
    const std::string lines = (site.folder.path() / "day.jsonl").string();
    {
      std::ofstream out(lines);
      for (int i = 0; i < 25'000; ++i) {
        out << R"j({"twin":"meter-1","signal":"load","time":)j"
            << 1'700'000'000'000'000'000LL + i * 1'000'000'000LL << R"j(,"value":)j"
            << (i % 100) / 4.0 << "}\n";
      }
      out << R"j({"twin":"nobody","signal":"load","time":1700000000000000000,"value":1})j"
          << "\n";
      out << "no json\n";
    }
    const Finished sent = site.send(lines, bundle);
    INFO(sent.words, sent.out);
    REQUIRE(sent.exit_code == 0);
    CHECK(number_at(sent.json(), "added") == 25'000);
    CHECK(number_at(sent.json(), "rejected_rows") == 2);
    const json::value twin = site.works.json({"twin", "show", "meter-1"});
    CHECK(json::serialize(twin).find("2.475E1") != std::string::npos);
    // Sent again, nothing is kept twice.
    const Finished again = site.send(lines, bundle);
    REQUIRE(again.exit_code == 0);
    CHECK(number_at(again.json(), "added") == 0);
    CHECK(number_at(again.json(), "repeated") == 25'000);
    CHECK(site.works.json({"audit", "verify"}).is_object());
  }

  TEST_CASE("a node killed at a commit keeps what it acknowledged and a second sending the rest") {
    for (const char* point : {"history.before_commit:", "history.after_commit:"}) {
      Site site;
      const std::string lines = (site.folder.path() / "day.jsonl").string();
      constexpr int kReadings = 100'000;
      std::string text;
      for (int i = 0; i < kReadings; ++i) {
        text += R"j({"twin":"meter-1","signal":"load","time":)j" +
                std::to_string(1'700'000'000'000'000'000LL + i * 1'000'000'000LL) +
                R"j(,"value":)j" + std::to_string(i % 50) + "}\n";
      }
      write_text(lines, text);
      CHECK(site.works.stop() == 0);
      // A starting node passes the point itself a few times: it dies later than that.
      bool serves = false;
      for (int passes = 2; passes < 12 && !serves; ++passes) {
        const std::string where = point + std::to_string(passes);
        CAPTURE(where);
        serves = site.works.start({{{"ENTENTE_CRASH_AT", where}}, {}});
      }
      REQUIRE(serves);
      const Finished cut = site.send(lines, site.enrol("gate-3", "first"));
      INFO(cut.words);
      CHECK(cut.exit_code == 6);
      CHECK(site.works.wait() == 128 + SIGKILL);
      const auto after = cut.words.find('(');
      REQUIRE(after != std::string::npos);
      const int acknowledged = std::atoi(cut.words.c_str() + after + 1);
      REQUIRE(site.works.start());
      const auto stored = [&] {
        return number_at(site.works.json({"twin", "show", "meter-1"}), "readings");
      };
      const std::int64_t before = stored();
      CHECK(before >= acknowledged);
      CHECK(before < kReadings);
      const Finished again = site.send(lines, site.enrol("gate-3", "second"));
      INFO(again.words);
      REQUIRE(again.exit_code == 0);
      CHECK(number_at(again.json(), "repeated") == before);
      CHECK(number_at(again.json(), "added") == kReadings - before);
      CHECK(stored() == kReadings);
    }
  }

  TEST_CASE("a table goes by its mapping and a dry run sends nothing") {
    Site site;
    const std::string bundle = site.enrol("gate-3", "bundle");
    const Finished dry =
        run_program({ENTENTE_BIN, "-o", "json", "collector", "send", site.files.readings.string(),
                     "--map", site.files.map.string(), "--bundle", bundle, "--dry-run"});
    CHECK(dry.exit_code == 0);
    const Finished sent =
        run_program({ENTENTE_BIN, "-o", "json", "collector", "send", site.files.readings.string(),
                     "--map", site.files.map.string(), "--bundle", bundle});
    INFO(sent.words, sent.out);
    REQUIRE(sent.exit_code == 0);
    CHECK(number_at(sent.json(), "added") == kMeters * kDays * kReadingsPerDay);
  }

  TEST_CASE("a renewed collector's old bundle and a revoked one's are refused over restarts") {
    Site site;
    const std::string lines = (site.folder.path() / "one.jsonl").string();
    write_text(lines, R"j({"twin":"meter-1","signal":"load","time":1700000000000000000,"value":1})j"
                      "\n");
    const std::string first = site.enrol("gate-3", "first");
    const std::string second = site.enrol("gate-3", "second");
    const Finished old = site.send(lines, first);
    CHECK(old.exit_code != 0);
    CHECK(old.words.find("collector") != std::string::npos);
    CHECK(site.send(lines, second).exit_code == 0);
    CHECK(state_of(site.works, "gate-3") == "active");
    site.works.json({"collector", "revoke", "gate-3", "--yes"});
    CHECK(state_of(site.works, "gate-3") == "revoked");
    CHECK(site.send(lines, second).exit_code != 0);
    CHECK(site.works.run({"collector", "revoke", "gate-3", "--yes"}).exit_code == 7);
    CHECK(site.works.run({"collector", "revoke", "nobody", "--yes"}).exit_code == 3);
    CHECK(site.works.stop() == 0);
    REQUIRE(site.works.start());
    CHECK(state_of(site.works, "gate-3") == "revoked");
    CHECK(site.send(lines, second).exit_code != 0);
    CHECK(site.send(lines, site.enrol("gate-3", "third")).exit_code == 0);
  }

  TEST_CASE(
      "a collector that was away while the CA key was rotated comes back with its old bundle") {
    Site site;
    const std::string lines = (site.folder.path() / "one.jsonl").string();
    write_text(lines, R"j({"twin":"meter-1","signal":"load","time":1700000000000000000,"value":1})j"
                      "\n");
    const std::string bundle = site.enrol("gate-3", "bundle");
    site.enrol("gate-4", "other");
    const auto bytes = [&] {
      std::ifstream file(bundle, std::ios::binary);
      return std::string((std::istreambuf_iterator<char>(file)), {});
    };
    const std::string before = bytes();
    site.works.json({"key", "rotate", "ca"});
    const auto state_of_ca = [&](const std::string& state) {
      const json::value keys = site.works.json({"key", "list"});
      for (const json::value& one : keys.at("items").as_array()) {
        if (text_at(one, "purpose") == "ca" && text_at(one, "state") == state) return true;
      }
      return false;
    };
    until("the new CA key is used", [&] { return !state_of_ca("next"); });
    REQUIRE(state_of_ca("former"));
    const Finished sent = site.send(lines, bundle);
    INFO(sent.words);
    CHECK(sent.exit_code == 0);
    // Brought up to date, and still nobody else's to read.
    CHECK(bytes() != before);
    struct stat status {};
    REQUIRE(::stat(bundle.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(site.send(lines, bundle).exit_code == 0);
    // The controls: a revoked collector is shown nothing, nor one under a revoked CA key.
    site.works.json({"collector", "revoke", "gate-4", "--yes"});
    const std::string other = (site.folder.path() / "other").string();
    CHECK(site.send(lines, other).exit_code != 0);
    const json::value keys = site.works.json({"key", "list"});
    for (const json::value& one : keys.at("items").as_array()) {
      if (text_at(one, "purpose") == "ca" && text_at(one, "state") == "former") {
        site.works.json({"key", "revoke", text_at(one, "key")});
      }
    }
    CHECK(site.send(lines, bundle).exit_code != 0);
  }
}

}  // namespace entente::tests
