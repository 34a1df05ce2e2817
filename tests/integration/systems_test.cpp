// System twins between real nodes: declared, kept window by window, corrected, resumed, removed.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <map>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

json::value run(const TestNode& node, const std::vector<std::string>& words, int expected = 0) {
  const Finished finished = node.run(words);
  INFO(finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished.out.empty() ? json::value() : finished.json();
}

// Days 1 to `last` of the mean load, kept.
std::string declaration(const std::string& members, const std::string& item, int last) {
  return "[system.fleet]\nmembers = [" + members + "]\nneeds = \"any\"\n" +
         "[system.fleet.property.load]\nitem = \"" + item +
         "\"\nover = \"1d\"\nbounds = [0, 100]\nkeep = true\nepsilon = 1\npurpose = "
         "\"planning\"\n" +
         "since = \"" + day(1) + "\"\nuntil = \"" + day(last + 1) + "\"\n";
}

constexpr const char* kBoth = "\"meters@works\", \"meters@depot\"";

json::array history(const TestNode& node) {
  return run(node, {"system", "history", "fleet", "load"}).at("items").as_array();
}

// Windows of which the newest row has all members.
int whole_windows(const TestNode& node) {
  std::map<std::string, bool> whole;
  for (const json::value& row : history(node)) {  // the newest first
    whole.emplace(text_at(row, "from"), row.at("answered") == row.at("members"));
  }
  return static_cast<int>(
      std::count_if(whole.begin(), whole.end(), [](const auto& one) { return one.second; }));
}

double number(const json::value& object, const char* name) {
  return object.at(name).to_number<double>();
}

// Works and depot, of which the second can be away.
struct Fleet : Pair {
  Fleet() : depot("depot", folder.path()) {
    init_provider(depot, files);
    REQUIRE(depot.start());
    load(depot, files);
    link_nodes(office, depot);
    agree(depot, office, files.agreement);
  }
  std::filesystem::path write(const std::string& text) {
    const auto path = folder.path() / "fleet.toml";
    write_text(path, text);
    return path;
  }
  TestNode depot;
};

}  // namespace

TEST_SUITE("integration/systems") {
  TEST_CASE("a kept property is asked once a window however often its node is killed") {
    Fleet fleet;
    const auto file = fleet.write(declaration(kBoth, "mean(load)", 3));
    const json::value dry = run(fleet.office, {"system", "new", file.string(), "--dry-run"});
    CHECK(number(dry.at("window_charge").at("charge").at(0), "epsilon") ==
          doctest::Approx(1).epsilon(0.01));
    CHECK(run(fleet.office, {"system", "list"}).at("items").as_array().size() == 1);
    run(fleet.office, {"system", "new", file.string()});
    for (int killed = 0; killed < 2; ++killed) {
      until("a charge", [&] { return spent_rho(fleet.works, killed + 1) > 0; });
      fleet.office.kill();
      REQUIRE(fleet.office.start());
      until_connected(fleet.office, fleet.works);
      until_connected(fleet.office, fleet.depot);
    }
    until("three whole windows", [&] { return whole_windows(fleet.office) == 3; });
    const json::value page = run(fleet.office, {"system", "show", "fleet"});
    const json::value& load = page.at("properties").at(0);
    CHECK(number(load, "answered") == 2);
    CHECK(std::abs(number(load, "value") - 38) < 4 + 20 * number(load, "standard_error"));
    CHECK(number(load, "lower") < number(load, "upper"));
    CHECK(number(load, "version") == 1);
    CHECK(text_at(load, "to").substr(0, 10) == day(4));
    // Each day once: a second charge of any would make it dearer than the others.
    const std::uint64_t spent = spent_rho(fleet.works, 1);
    for (int n = 1; n <= 3; ++n) CHECK(spent_rho(fleet.works, n) == spent);
    CHECK(spent_rho(fleet.works, 4) == 0);
    const json::array kept = history(fleet.office);
    REQUIRE(fleet.office.stop() == 0);
    REQUIRE(fleet.office.start());
    CHECK(json::serialize(history(fleet.office).at(0).at("cells")) ==
          json::serialize(kept.at(0).at("cells")));
  }

  TEST_CASE("a member that was away is repaired by a correction and the first row stays") {
    Fleet fleet;
    REQUIRE(fleet.depot.stop() == 0);
    const auto file = fleet.write(declaration(kBoth, "mean(load)", 1));
    run(fleet.office, {"system", "new", file.string()});
    until("the window in part", [&] { return !history(fleet.office).empty(); });
    const json::value first = history(fleet.office).at(0);
    CHECK(number(first, "answered") == 1);
    CHECK(number(first, "revision") == 0);
    const std::uint64_t spent = spent_rho(fleet.works, 1);
    REQUIRE(fleet.depot.start());
    until_connected(fleet.office, fleet.depot);
    until("the correction", [&] { return history(fleet.office).size() >= 2; });
    const json::array rows = history(fleet.office);
    CHECK(number(rows.at(0), "revision") == 1);
    CHECK(number(rows.at(0), "answered") == 2);
    CHECK(json::serialize(rows.at(1).at("cells")) == json::serialize(first.at("cells")));
    CHECK(spent_rho(fleet.works, 1) == spent);
    CHECK(spent_rho(fleet.depot, 1) > 0);
    const json::value tree = run(fleet.office, {"system", "tree", "fleet"});
    REQUIRE(tree.at("items").as_array().size() == 3);
    CHECK(text_at(tree.at("items").at(2).at("last"), "state") == "answered");
    const json::value seen = run(fleet.office, {"system", "watch", "fleet", "--once"});
    CHECK(number(seen.at("items").at(0), "revision") == 1);
  }

  TEST_CASE("each change of a definition is a version that its values name") {
    Pair pair;
    const auto path = pair.folder.path() / "fleet.toml";
    write_text(path, declaration("\"meters@works\"", "mean(load)", 1));
    run(pair.office, {"system", "new", path.string()});
    until("the first window", [&] { return history(pair.office).size() == 1; });
    write_text(path, declaration("\"meters@works\"", "count(load > 40)", 2));
    run(pair.office, {"system", "new", path.string()}, 7);
    run(pair.office, {"system", "new", path.string(), "--replace"});
    until("the second window", [&] { return history(pair.office).size() == 2; });
    const json::array rows = history(pair.office);
    CHECK(number(rows.at(0), "version") == 2);
    CHECK(number(rows.at(1), "version") == 1);
    run(pair.office, {"system", "remove", "fleet", "--yes"});
    run(pair.office, {"system", "show", "fleet"}, 3);
    CHECK(history(pair.office).size() == 2);
    const json::value versions = run(pair.office, {"system", "history", "fleet", "--definition"});
    REQUIRE(versions.at("items").as_array().size() == 3);
    CHECK(text_at(versions.at("items").at(2), "state") == "removed");
    // What a file declares is changed there alone, and put in force by a reload.
    run(pair.office, {"system", "remove", "plants", "--yes"}, 7);
    write_text(pair.office.home() / "provision.d" / "system.toml",
               "[system.plants]\nmembers = [\"meters@works\"]\nneeds = \"all\"\n");
    run(pair.office, {"quality", "reload"});
    const json::value plants = run(pair.office, {"system", "show", "plants"});
    CHECK(number(plants, "version") == 2);
    CHECK(text_at(plants, "needs") == "all");
    CHECK(pair.office.json({"audit", "verify"}).at("ok").as_bool());
  }

  TEST_CASE("what cannot be answered is found with the member and the reason") {
    Pair pair;
    const auto path = pair.folder.path() / "fleet.toml";
    const auto finding = [&](const std::string& text) {
      write_text(path, text);
      const Finished finished = pair.office.run({"system", "check", path.string()});
      INFO(finished.words, finished.out);
      REQUIRE(finished.exit_code == 1);
      const json::value answer = finished.json();
      REQUIRE_FALSE(answer.at("findings").as_array().empty());
      return answer.at("findings").at(0).as_object();
    };
    const std::string works = "\"meters@works\"";
    CHECK(text_at(finding(declaration("\"meter@works\"", "mean(load)", 1)), "what")
              .find("did you mean 'meters'") != std::string::npos);
    CHECK(text_at(finding(declaration(works, "stddev(load)", 1)), "member") == "meters@works");
    std::string other = declaration(works, "mean(load)", 1);
    other.replace(other.find("planning"), 8, "curiosity");
    CHECK(text_at(finding(other), "property") == "load");
    other = declaration(works, "mean(load)", 1);
    other.replace(other.find("100]"), 4, "9000]");
    CHECK(text_at(finding(other), "what").find("bounds") != std::string::npos);
    // The same file is refused as a declaration, unless it is said to be wanted like this.
    run(pair.office, {"system", "new", path.string()}, 2);
    run(pair.office, {"system", "new", path.string(), "--unready"});
    const json::value good = run(pair.office, {"system", "check", "plants"}, 1);
    CHECK(text_at(good.at("findings").at(0), "member") == "meters@depot");
  }
}

}  // namespace entente::tests
