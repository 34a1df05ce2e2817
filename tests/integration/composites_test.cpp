// System twins of other organisations, between real processes: works and depot keep meters, region
// composes them (and its own), office asks region, hq asks office.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>
#include <cmath>
#include <string>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::filesystem::path terms(const std::filesystem::path& folder, const std::string& partner,
                            const std::string& exports, const std::string& onward) {
  const std::filesystem::path path = folder / ("terms-" + partner + "-" + exports + ".toml");
  write_text(path, "[agreement]\nname = \"" + exports + "-for-" + partner + "\"\npartner = \"" +
                       partner + "\"\nexports = [\"" + exports +
                       "\"]\npurposes = [\"planning\"]\nmin_units = 12\nepsilon_per_block = 8\n"
                       "onward = [" +
                       onward + "]\nexpires = \"2099-01-01\"\n");
  return path;
}

std::string system_text(const std::string& name, const std::string& members,
                        const std::string& answer) {
  return "[system." + name + "]\nmembers = [" + members + "]\nneeds = \"any\"\nanswer = \"" +
         answer + "\"\n\n";
}

// works, depot <- region <- office; each arrow a link and its agreements.
struct Region {
  Region()
      : files(write_meter_files(folder.path())),
        works("works", folder.path()),
        depot("depot", folder.path()),
        region("region", folder.path()),
        office("office", folder.path()) {
    for (TestNode* provider : {&works, &depot, &region}) init_provider(*provider, files);
    office.init();
    write_text(
        region.home() / "provision.d" / "systems.toml",
        system_text("plants", R"("meters@works", "meters@depot")", "routed") +
            system_text("totals", R"("meters@works", "meters@depot", "meters@region")", "own") +
            system_text("loop", R"("chain@office")", "routed"));
    write_text(office.home() / "provision.d" / "systems.toml",
               system_text("chain", R"("plants@region")", "routed") +
                   system_text("both", R"("plants@region", "meters@works")", "routed"));
    for (TestNode* node : {&works, &depot, &region, &office}) REQUIRE(node->start());
    for (TestNode* provider : {&works, &depot, &region}) load(*provider, files);
    link_nodes(region, works);
    link_nodes(region, depot);
    link_nodes(office, region);
    agree(works, region,
          terms(folder.path(), "region", "meters", R"("plants", "totals", "chain")"));
    agree(depot, region, terms(folder.path(), "region", "meters", R"("plants")"));
    agree(region, office, terms(folder.path(), "office", "plants", R"("chain", "both")"));
    agree(region, office, terms(folder.path(), "office", "totals", ""));
  }
  TemporaryFolder folder;
  MeterFiles files;
  TestNode works, depot, region, office;
};

json::value ask(const TestNode& node, const std::string& text, int expected = 0) {
  const Finished finished = node.run({"ask", text});
  INFO(text, "\n", finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished.json();
}

double value_of(const json::value& answer, std::size_t row = 0, std::size_t item = 0) {
  return answer.at("rows").at(row).at("values").at(item).at("value").to_number<double>();
}
double error_of(const json::value& answer, std::size_t row = 0, std::size_t item = 0) {
  return answer.at("rows").at(row).at("values").at(item).at("standard_error").to_number<double>();
}

const json::object& leaf(const json::value& answer, const std::string& name) {
  return coverage_of(answer, name);
}

}  // namespace

TEST_SUITE("integration/composites") {
  TEST_CASE("a partner's system twin answers with what its sites released") {
    Region all;
    // Exactly: 30 meters at each, mean 38, so a sum of 1140 at each.
    const json::value routed =
        ask(all.office, question("mean(load), sum(load)", "plants@region", 1));
    CHECK(std::abs(value_of(routed) - 38) < 20 * error_of(routed));
    CHECK(std::abs(value_of(routed, 0, 1) - 2280) < 20 * error_of(routed, 0, 1));
    for (const char* name : {"region/works", "region/depot"}) {
      CHECK(leaf(routed, name).at("state").as_string() == "answered");
      // Office has no link with them: region has verified what they signed.
      CHECK(leaf(routed, name).at("vouched").as_bool());
    }
    CHECK(spent_rho(all.works, 1) > 0);

    // Asked by organisation, as region calls them.
    const json::value apart =
        ask(all.office, question("sum(load)", "plants@region", 2, "GROUP BY organisation"));
    REQUIRE(apart.at("rows").as_array().size() == 3);
    for (std::size_t row = 0; row < 2; ++row) {
      CHECK(std::abs(value_of(apart, row) - 1140) < 40 * error_of(apart, row));
    }
    CHECK(apart.at("rows").at(0).at("group").at(0).as_string() == "works");

    // The same question is the same figures, and free at the sites.
    const json::value again =
        ask(all.office, question("mean(load), sum(load)", "plants@region", 1));
    CHECK(figures(again) == figures(routed));
    CHECK(leaf(again, "region/works").at("reused").as_bool());
    CHECK(all.region.json({"audit", "verify"}).at("ok").as_bool());
  }

  TEST_CASE("a site seals its answer to an asker whose charter it has pinned") {
    Region all;
    link_nodes(all.office, all.works);
    const json::value answer = ask(all.office, question("mean(load)", "plants@region", 1));
    CHECK_FALSE(leaf(answer, "region/works").at("vouched").as_bool());
    CHECK(leaf(answer, "region/depot").at("vouched").as_bool());
    CHECK(leaf(answer, "region/works").at("state").as_string() == "answered");
  }

  TEST_CASE("a system twin that answers for itself merges and names whose releases these are") {
    Region all;
    // depot does not let answers be shared onward through 'totals'; region's own meters take part.
    const json::value merged = ask(all.office, question("sum(load)", "totals@region", 1), 6);
    CHECK(leaf(merged, "region/depot").at("state").as_string() == "refused");
    CHECK(leaf(merged, "region/depot").at("code").as_string() == "ENT-3001");
    CHECK(leaf(merged, "region/works").at("state").as_string() == "answered");
    CHECK(leaf(merged, "region/region").at("state").as_string() == "answered");
    CHECK(merged.at("partial").as_bool());
    CHECK(std::abs(value_of(merged) - 2280) < 20 * error_of(merged));
    // Its own exports were charged like anybody's.
    CHECK(spent_rho(all.region, 1) > 0);
    // Two sites' noise, as if the two had answered each for itself.
    const json::value routed = ask(all.office, question("sum(load)", "plants@region", 2));
    CHECK(error_of(merged) == doctest::Approx(error_of(routed)));
  }

  TEST_CASE("questions travel further than one hop and never in a circle") {
    Region all;
    TestNode hq("hq", all.folder.path());
    hq.init();
    REQUIRE(hq.start());
    link_nodes(hq, all.office);
    agree(all.office, hq, terms(all.folder.path(), "hq", "chain", ""));
    const json::value far = ask(hq, question("sum(load)", "chain@office", 1));
    CHECK(leaf(far, "office/region/works").at("state").as_string() == "answered");
    // depot grants 'plants', by which region hands on; office's 'chain' is region's to grant.
    CHECK(leaf(far, "office/region/depot").at("state").as_string() == "answered");
    CHECK(std::abs(value_of(far) - 2280) < 20 * error_of(far));

    // region -> office -> region: nobody answers, nobody is charged.
    agree(all.office, all.region, terms(all.folder.path(), "region", "chain", ""));
    const std::uint64_t before = spent_rho(all.works, 3);
    const Finished circle = all.region.run({"ask", question("sum(load)", "loop", 3)});
    INFO(circle.words, circle.out);
    CHECK(circle.exit_code != 0);
    CHECK(spent_rho(all.works, 3) == before);
  }

  TEST_CASE("a site that is reached on two ways answers on one of them") {
    Region all;
    link_nodes(all.office, all.works);
    agree(all.works, all.office, terms(all.folder.path(), "office", "meters", ""));
    const json::value both = ask(all.office, question("sum(load)", "both", 1), 6);
    int answered = 0, refused = 0;
    for (const json::value& member : both.at("coverage").as_array()) {
      if (!contains(std::string(member.at("organisation").as_string()), "works")) continue;
      answered += member.at("state").as_string() == "answered";
      refused += member.at("state").as_string() == "refused";
    }
    CHECK(answered == 1);
    CHECK(refused == 1);
    // Counted once each: not three times 1140.
    CHECK(std::abs(value_of(both) - 2280) < 20 * error_of(both));
  }

  TEST_CASE("a member that has gone leaves the rest of a partner's system twin") {
    Region all;
    CHECK(all.depot.stop() == 0);
    const Finished finished =
        all.office.run({"ask", question("sum(load)", "plants@region", 1), "--timeout", "20s"});
    INFO(finished.words, finished.out);
    REQUIRE(finished.exit_code == 6);
    const json::value answer = finished.json();
    CHECK(answer.at("partial").as_bool());
    CHECK(leaf(answer, "region/depot").at("state").as_string() == "unreachable");
    CHECK(std::abs(value_of(answer) - 1140) < 20 * error_of(answer));
  }
}

}  // namespace entente::tests
