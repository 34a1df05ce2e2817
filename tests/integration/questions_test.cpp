#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

// Asks and expects this exit code; the words of a refusal are the INFO of a failure.
Finished ask(const TestNode& node, const std::string& text, int expected) {
  Finished finished = node.run({"ask", text});
  INFO(text, "\n", finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("integration/questions") {
  TEST_CASE("an agreed question is answered over TLS, charged once, and free ever after") {
    Pair pair;
    const std::string text = question("mean(load)", "meters@works", 1);
    REQUIRE(spent_rho(pair.works, 1) == 0);

    // A preview names the price and books nothing.
    const json::value preview = pair.office.json({"ask", "preview", text});
    CHECK(preview.at("charge").at(0).at("epsilon").to_number<double>() > 0);
    CHECK(spent_rho(pair.works, 1) == 0);
    CHECK(stored_releases(pair.works).empty());

    const json::value first = ask(pair.office, text, 0).json();
    CHECK_FALSE(first.at("exact").as_bool());
    CHECK_FALSE(first.at("partial").as_bool());
    const json::object& member = coverage_of(first, "works");
    CHECK(member.at("state").as_string() == "answered");
    CHECK_FALSE(member.at("reused").as_bool());
    const auto charge = member.at("charged").at("rho").to_number<std::uint64_t>();
    CHECK(charge > 0);
    CHECK(charge == spent_rho(pair.works, 1));
    CHECK(member.at("charged").at("epsilon").to_number<double>() ==
          doctest::Approx(preview.at("charge").at(0).at("epsilon").to_number<double>()));
    const double left = member.at("left").at("percent").to_number<double>();
    CHECK(left > 0);
    CHECK(left < 100);
    // The exact mean of day 1 is 20 + 15.5 + 2.5 = 38 kW; twenty standard errors never miss it.
    const json::value& value = first.at("rows").at(0).at("values").at(0);
    const double error = value.at("standard_error").to_number<double>();
    CHECK(error > 0);
    CHECK(std::abs(value.at("value").to_number<double>() - 38) < 20 * error);
    // The provider's own user has the exact value.
    const json::value own = pair.works.json({"ask", question("mean(load)", "meters", 1)});
    CHECK(own.at("rows").at(0).at("values").at(0).at("value").to_number<double>() ==
          doctest::Approx(38));

    const json::value again = ask(pair.office, text, 0).json();
    CHECK(figures(again) == figures(first));
    CHECK(coverage_of(again, "works").at("reused").as_bool());
    CHECK(coverage_of(again, "works").at("charged").at("rho").to_number<std::uint64_t>() == 0);
    CHECK(spent_rho(pair.works, 1) == charge);
    CHECK(stored_releases(pair.works).size() == 1);
    CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());
  }

  TEST_CASE("a receipt is verified with the file and an organisation's id and without a node") {
    Pair pair;
    const TemporaryFolder folder;
    const std::string file = (folder.path() / "asked.receipts").string();
    const std::string text = question("mean(load), share(load > 30)", "meters@works", 1);
    const json::value asked =
        pair.office.json({"ask", text, "--receipts", file, "--purpose", "planning"});
    const std::string works = text_at(coverage_of(asked, "works"), "organisation_id");

    // Nobody's: a home without a node.
    const TestNode stranger("stranger", folder.path());
    const auto verify = [&](const std::string& path, const std::string& organisation) {
      return stranger.run({"audit", "verify", path, "--organisation", organisation});
    };
    const Finished good = verify(file, works);
    INFO(good.words);
    REQUIRE(good.exit_code == 0);
    const json::value proven = good.json().at("items").at(0);
    CHECK(figures(proven) == figures(asked));
    CHECK(proven.at("items").at(0).at("label").as_string() == "mean(load)");
    CHECK(proven.at("proof").at("purpose").as_string() == "planning");
    CHECK(proven.at("proof").at("organisation").as_string() == works);
    CHECK(proven.at("proof").at("audit_records").to_number<std::int64_t>() > 0);
    const json::value said = coverage_of(asked, "works").at("charged");
    CHECK(proven.at("coverage").at(0).at("charged") == said);

    // Somebody else's id, and one changed letter in what was signed.
    CHECK(verify(file, std::string(64, '1')).exit_code == 8);
    std::ifstream in(file);
    std::string changed((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::size_t at = changed.find("\"answer\":\"") + 100;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    write_text(folder.path() / "changed.receipts", changed);
    const Finished bad = verify((folder.path() / "changed.receipts").string(), works);
    CHECK(bad.exit_code == 8);
    CHECK(contains(bad.words, "changed.receipts:1"));
    // People see the figures again.
    const Finished shown =
        run_program({ENTENTE_BIN, "--home", stranger.home().string(), "audit", "verify", file});
    CHECK(contains(shown.out, "share(load > 30)"));
    CHECK(contains(shown.words, "1 receipt holds."));
  }

  TEST_CASE("what cannot be asked is refused with a reason, an exit code, and no charge") {
    Pair pair;
    // Hall south has 10 meters, the agreement wants 12.
    const Finished small =
        ask(pair.office, question("mean(load)", "meters@works", 1, "WHERE hall = 'south'"), 4);
    CHECK(contains(small.words, "ENT-4005"));
    const Finished unknown = ask(pair.office, question("mean(laod)", "meters@works", 1), 3);
    CHECK(contains(unknown.words, "'load'"));
    const Finished nowhere = ask(pair.office, question("mean(load)", "plamts", 1), 3);
    CHECK(contains(nowhere.words, "'plants'"));
    ask(pair.office, question("mean(load)", "secrets@works", 1), 4);
    const Finished syntax = ask(pair.office, "SELECT mean(load FROM meters@works OVER 1d", 2);
    CHECK(contains(syntax.words, "ENT-4001"));
    CHECK(contains(syntax.words, "^"));
    const Finished purpose =
        ask(pair.office,
            "SELECT mean(load) FROM meters@works OVER '2025-03-01' .. '2025-03-02' WITH "
            "(epsilon = 4, purpose = 'marketing')",
            4);
    CHECK_FALSE(purpose.words.empty());
    CHECK(spent_rho(pair.works, 1) == 0);
    CHECK(stored_releases(pair.works).empty());

    // Three fit in a day's budget of 8, the fourth does not; another day is not touched.
    const char* const items[] = {"mean(load)", "sum(load)", "share(load > 40)"};
    for (const char* item : items) ask(pair.office, question(item, "meters@works", 2), 0);
    const std::uint64_t spent = spent_rho(pair.works, 2);
    const Finished over = ask(pair.office, question("count(load > 50)", "meters@works", 2), 5);
    CHECK(contains(over.words, "ENT-5001"));
    CHECK(spent_rho(pair.works, 2) == spent);
    CHECK(stored_releases(pair.works).size() == 3);
    // What was answered stays free, and the next day is open.
    ask(pair.office, question("mean(load)", "meters@works", 2), 0);
    ask(pair.office, question("count(load > 50)", "meters@works", 3), 0);
  }

  TEST_CASE("median and histogram and variance are answered across organisations for one charge") {
    Pair pair;
    TestNode depot("depot", pair.folder.path());
    init_provider(depot, pair.files);
    REQUIRE(depot.start());
    load(depot, pair.files);
    link_nodes(pair.office, depot);
    agree(depot, pair.office, pair.files.agreement);

    const std::string text = question(
        "median(load), quantile(load, 0.9), histogram(load, [0, 30.5, 45.5, 100]), variance(load)",
        "plants", 1);
    const json::value preview = pair.office.json({"ask", "preview", text});
    for (const json::value& expected : preview.at("expected").as_array()) {
      CHECK(expected.at("error95").to_number<double>() > 0);
    }
    const json::value answer = ask(pair.office, text, 0).json();
    CHECK_FALSE(answer.at("partial").as_bool());
    // Meters 1 to 30 of both plants show 23.5 to 52.5 kW on the average of day 1; epsilon 4 buys
    // ranges far narrower than these margins.
    const auto& values = answer.at("rows").at(0).at("values").as_array();
    REQUIRE(values.size() == 4);
    const auto number = [](const json::value& of, const char* name) {
      return of.at(name).to_number<double>();
    };
    CHECK(std::abs(number(values[0], "value") - 38) < 25);
    CHECK(number(values[0], "lower") < number(values[0], "upper"));
    CHECK(number(values[1], "upper") > number(values[0], "lower"));
    CHECK(values[2].at("value").is_null());
    const auto& bins = values[2].at("bins").as_array();
    REQUIRE(bins.size() == 3);
    const double counts[] = {14, 30, 16};
    for (std::size_t b = 0; b < 3; ++b) {
      const double error = number(bins[b], "standard_error");
      CHECK(error > 0);
      CHECK(std::abs(number(bins[b], "value") - counts[b]) < 10 * error);
      if (b > 0) CHECK(number(bins[b], "from") == number(bins[b - 1], "to"));
    }
    CHECK(number(values[3], "standard_error") > 0);
    // One charge for the four items at each of both members, of the whole epsilon.
    const std::uint64_t spent = spent_rho(pair.works, 1);
    CHECK(spent > 0);
    ask(pair.office, question("mean(load)", "plants", 2), 0);
    CHECK(spent_rho(pair.works, 2) == spent);
    // The same bytes again, free.
    const json::value again = ask(pair.office, text, 0).json();
    CHECK(figures(again) == figures(answer));
    CHECK(spent_rho(pair.works, 1) == spent);
    // The agreement does not name max.
    ask(pair.office, question("max(load)", "plants", 3), 4);
    // At home the same sentence is exact.
    const json::value own =
        pair.works.json({"ask", question("histogram(load, [0, 30.5, 45.5, 100])", "meters", 1)});
    const auto& exact = own.at("rows").at(0).at("values").at(0).at("bins").as_array();
    for (std::size_t b = 0; b < 3; ++b) CHECK(number(exact[b], "value") == counts[b] / 2);
  }

  TEST_CASE("when one of two members is down the answer is partial and names it") {
    Pair pair;
    TestNode depot("depot", pair.folder.path());
    init_provider(depot, pair.files);
    REQUIRE(depot.start());
    load(depot, pair.files);
    link_nodes(pair.office, depot);
    agree(depot, pair.office, pair.files.agreement);

    const json::value both = ask(pair.office, question("sum(load)", "plants", 1), 0).json();
    CHECK_FALSE(both.at("partial").as_bool());
    CHECK(coverage_of(both, "depot").at("state").as_string() == "answered");

    CHECK(depot.stop() == 0);
    const std::string text = question("sum(load)", "plants", 2);
    const json::value one = ask(pair.office, text, 6).json();
    CHECK(one.at("partial").as_bool());
    CHECK(coverage_of(one, "works").at("state").as_string() == "answered");
    const json::object& missing = coverage_of(one, "depot");
    CHECK(missing.at("state").as_string() != "answered");
    CHECK_FALSE(missing.at("reason").as_string().empty());
    CHECK_FALSE(one.at("rows").as_array().empty());

    // Back again, it is asked as well; what the other had answered is not charged twice.
    REQUIRE(depot.start());
    until_connected(depot, pair.office);
    const std::uint64_t spent = spent_rho(pair.works, 2);
    const json::value whole = ask(pair.office, text, 0).json();
    CHECK_FALSE(whole.at("partial").as_bool());
    CHECK(coverage_of(whole, "works").at("reused").as_bool());
    CHECK(spent_rho(pair.works, 2) == spent);

    // The same when a member's link is suspended here, which a preview says beforehand.
    pair.office.json({"link", "suspend", "depot", "--yes"});
    const std::string later = question("sum(load)", "plants", 3);
    const json::value preview = pair.office.json({"ask", "preview", later});
    CHECK(contains(json::serialize(preview.at("notes")), "depot"));
    const json::value rest = ask(pair.office, later, 6).json();
    CHECK(coverage_of(rest, "works").at("state").as_string() == "answered");
    CHECK(coverage_of(rest, "depot").at("code").as_string() == "ENT-2004");
    CHECK(contains(text_at(coverage_of(rest, "depot"), "reason"), "suspended"));
  }
}

}  // namespace entente::tests
