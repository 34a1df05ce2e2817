// A provider whose database is an older backup: found out by a partner's receipt or by the head
// kept off the database, closed until it is reconciled.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>
#include <ctime>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Finished ask(const TestNode& node, const std::string& text, int expected) {
  Finished finished = node.run({"ask", text});
  INFO(text, "\n", finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished;
}

// A question about the n-th day from today, by the machine's clock.
std::string about_day(int n) {
  const auto date = [](int days) {
    const std::time_t then = std::time(nullptr) + 86'400 * days;
    char text[16];
    std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&then));
    return std::string(text);
  };
  return "SELECT mean(load) FROM meters@works OVER '" + date(n) + "' .. '" + date(n + 1) +
         "' WITH (epsilon = 4, purpose = 'planning')";
}

// Two answers with a backup of the stopped provider in between; then the backup is what runs.
struct RestoredPair : Pair {
  const fs::path backup = folder.path() / "backup";
  const fs::path office_backup = folder.path() / "office-backup";
  RestoredPair() {
    ask(office, question("mean(load)", "meters@works", 1), 0);
    REQUIRE(works.stop() == 0);
    REQUIRE(office.stop() == 0);
    fs::copy(works.home(), backup, fs::copy_options::recursive);
    fs::copy(office.home(), office_backup, fs::copy_options::recursive);
    REQUIRE(works.start());
    REQUIRE(office.start());
    until_connected(works, office);
    ask(office, question("sum(load)", "meters@works", 1), 0);
    ask(office, question("sum(load)", "meters@works", 2), 0);
    REQUIRE(works.stop() == 0);
  }
  void restore(const Launch& launch = {}) {
    fs::remove_all(works.home());
    fs::copy(backup, works.home(), fs::copy_options::recursive);
    REQUIRE(works.start(launch));
  }
};

}  // namespace

TEST_SUITE("integration/restore") {
  TEST_CASE("a restored backup is refused by a partner's receipt until it is reconciled") {
    RestoredPair pair;
    pair.restore();
    until_connected(pair.works, pair.office);
    const std::string again = question("count(load > 40)", "meters@works", 1);
    const Finished told = ask(pair.office, again, 5);
    CHECK(contains(told.words, "ENT-5003"));
    CHECK(contains(json::serialize(pair.works.json({"doctor"})), "restored from an older backup"));
    // Also what was paid long ago, another day, and after another start.
    ask(pair.office, question("mean(load)", "meters@works", 1), 5);
    ask(pair.office, question("mean(load)", "meters@works", 5), 5);
    REQUIRE(pair.works.stop() == 0);
    REQUIRE(pair.works.start());
    until_connected(pair.works, pair.office);
    ask(pair.office, question("mean(load)", "meters@works", 5), 5);

    const json::value plan = pair.works.json({"budget", "reconcile", "--dry-run"});
    CHECK(plan.at("ready").as_bool());
    CHECK_FALSE(plan.at("done").as_bool());
    CHECK(json::serialize(plan.at("compared")) == "[\"office\"]");
    ask(pair.office, question("mean(load)", "meters@works", 5), 5);
    CHECK(pair.works.json({"budget", "reconcile", "--yes"}).at("done").as_bool());

    // Every block that had begun is spent, restored or not; what was paid for is free again.
    const Finished spent = ask(pair.office, question("mean(load)", "meters@works", 5), 5);
    CHECK(contains(spent.words, "ENT-5001"));
    ask(pair.office, question("mean(load)", "meters@works", 1), 0);
    CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());

    // Four days later a block that began after it answers.
    REQUIRE(pair.works.stop() == 0);
    REQUIRE(pair.office.stop() == 0);
    const Launch later{{{"LD_PRELOAD", ENTENTE_LATER_CLOCK},
                        {"ASAN_OPTIONS", "verify_asan_link_order=0"},
                        {"ENTENTE_LATER_SECONDS", std::to_string(4 * 86'400)}},
                       {}};
    REQUIRE(pair.works.start(later));
    REQUIRE(pair.office.start(later));
    until_connected(pair.works, pair.office);
    ask(pair.office, about_day(2), 0);
    ask(pair.office, about_day(-1), 5);
  }

  TEST_CASE("a partner that has not shown its receipt must be named to reconcile without it") {
    RestoredPair pair;
    pair.restore();
    until_connected(pair.works, pair.office);
    const Finished nothing = pair.works.run({"budget", "reconcile", "--yes"});
    CHECK(nothing.exit_code == 7);
    const Finished alone = pair.works.run({"budget", "reconcile", "--restored", "--yes"});
    CHECK(alone.exit_code == 7);
    CHECK(contains(alone.words, "office"));
    const json::value done =
        pair.works.json({"budget", "reconcile", "--restored", "--without", "office", "--yes"});
    CHECK(done.at("done").as_bool());
    CHECK(json::serialize(done.at("not_compared")) == "[\"office\"]");
    // The receipt of the forgotten log is excused, its blocks are spent.
    const Finished spent = ask(pair.office, question("mean(load)", "meters@works", 5), 5);
    CHECK(contains(spent.words, "ENT-5001"));
  }

  TEST_CASE("a head on another disk tells at the start before any partner asks") {
    RestoredPair pair;
    // The head that the stopped node left behind is what another disk would still hold.
    const fs::path elsewhere = pair.folder.path() / "elsewhere.head";
    fs::copy(pair.works.home() / "keys" / "ledger.head", elsewhere);
    fs::remove_all(pair.works.home());
    fs::copy(pair.backup, pair.works.home(), fs::copy_options::recursive);
    REQUIRE(pair.works.start());
    CHECK(pair.works.json({"budget", "show"}).at("restored").is_null());  // the control
    REQUIRE(pair.works.stop() == 0);
    fs::copy(elsewhere, pair.works.home() / "keys" / "ledger.head",
             fs::copy_options::overwrite_existing);
    REQUIRE(pair.works.start());
    CHECK(contains(text_at(pair.works.json({"budget", "show"}), "restored"), "ledger.head"));
  }

  TEST_CASE("the control: when the asker is restored as well the budget is given out again") {
    RestoredPair pair;
    REQUIRE(pair.office.stop() == 0);
    fs::remove_all(pair.office.home());
    fs::copy(pair.office_backup, pair.office.home(), fs::copy_options::recursive);
    REQUIRE(pair.office.start());
    pair.restore();
    until_connected(pair.works, pair.office);
    ask(pair.office, question("count(load > 40)", "meters@works", 1), 0);
  }
}

}  // namespace entente::tests
