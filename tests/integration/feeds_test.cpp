// Feeds between two real nodes: started, pulled over TLS, resumed after restarts, ended.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

constexpr const char* kFeeds = "SELECT body FROM feed_ticks ORDER BY feed, sequence";
constexpr const char* kFollowed = "SELECT release FROM followed_ticks ORDER BY feed, sequence";

// Runs a command and expects this exit code; the words of a refusal are the INFO of a failure.
json::value run(const TestNode& node, std::vector<std::string> words, int expected = 0) {
  const Finished finished = node.run(std::move(words));
  INFO(finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished.out.empty() ? json::value() : finished.json();
}

std::string about(const std::string& item, const std::string& over) {
  return "SELECT " + item + " FROM meters@works OVER " + over +
         " WITH (epsilon = 2, purpose = 'planning')";
}

std::string first_day() {
  return "'" + day(1) + "' .. '" + day(2) + "'";
}

const json::object& coverage(const json::value& feed) {
  return feed.at("coverage").as_object();
}

double number(const json::value& object, const char* name) {
  return object.at(name).to_number<double>();
}

const json::value& figure(const json::value& feed, std::size_t tick) {
  return feed.at("series").at(tick).at("rows").at(0).at("values").at(0);
}

// Restarts a node and waits until the two are connected again.
void restart(TestNode& node, TestNode& other, bool killed) {
  if (killed) {
    node.kill();
  } else {
    REQUIRE(node.stop() == 0);
  }
  REQUIRE(node.start());
  until_connected(node, other);
}

}  // namespace

TEST_SUITE("integration/feeds") {
  TEST_CASE("a feed is reserved at once and pulled and the same bytes after both were restarted") {
    Pair pair;
    const std::vector<std::string> start = {"feed", "start", about("mean(load)", first_day()),
                                            "--for", "6d"};
    std::vector<std::string> dry = start;
    dry.push_back("--dry-run");
    const json::value preview = run(pair.office, dry);
    CHECK(number(preview.at("charge"), "epsilon") > 1.9);
    CHECK(preview.at("charge").at("blocks").as_array().size() == 6);
    CHECK(number(preview.at("expected").at(0), "error95") > 0);
    CHECK(preview.at("mechanisms").at(0).at("chosen").as_bool());
    CHECK(spent_rho(pair.works, 1) == 0);

    const json::value started = run(pair.office, start);
    const std::string id = text_at(started.as_object(), "id");
    const std::uint64_t reserved = spent_rho(pair.works, 1);
    CHECK(reserved > 0);
    for (int d = 2; d <= 6; ++d) CHECK(spent_rho(pair.works, d) == reserved);
    CHECK(spent_rho(pair.works, 7) == 0);

    const json::value pulled = run(pair.office, {"feed", "pull", id});
    CHECK(coverage(pulled).at("released").to_number<int>() == 6);
    CHECK(coverage(pulled).at("late").to_number<int>() == 0);
    CHECK(text_at(pulled.as_object(), "state") == "complete");
    for (std::size_t tick = 0; tick < 6; ++tick) {
      const json::value& value = figure(pulled, tick);
      // Days have means of 38 kW and a little more or less; twenty standard errors never miss it.
      CHECK(number(value, "standard_error") > 0);
      CHECK(std::abs(number(value, "value") - 38) < 4 + 20 * number(value, "standard_error"));
      CHECK(number(value, "lower") < number(value, "upper"));
      CHECK(number(pulled.at("series").at(tick), "age_s") > 0);
    }
    const auto given = blobs_of(pair.works, kFeeds);
    const auto kept = blobs_of(pair.office, kFollowed);
    REQUIRE(given.size() == 6);
    CHECK(given == kept);

    restart(pair.works, pair.office, true);
    restart(pair.office, pair.works, true);
    const json::value shown = run(pair.office, {"feed", "show", id.substr(0, 10)});
    CHECK(json::serialize(shown.at("series")) == json::serialize(pulled.at("series")));
    CHECK(blobs_of(pair.works, kFeeds) == given);
    CHECK(spent_rho(pair.works, 1) == reserved);
    CHECK(pair.works.json({"audit", "verify"}).at("ok").as_bool());
    const json::value listed = run(pair.works, {"feed", "list"});
    CHECK(text_at(listed.at("items").at(0).as_object(), "role") == "given");
  }

  TEST_CASE("a counter resumes where it was when its site was killed between two pulls") {
    Pair pair;
    // The agreement allows counts; this one is of days on which a meter was above 40 kW.
    const json::value started = run(
        pair.office,
        {"feed", "start", about("count(load > 40)", first_day()), "--for", "8d", "--cumulative"});
    CHECK(text_at(started.as_object(), "mechanism") == "square-root Toeplitz");
    const std::string id = text_at(started.as_object(), "id");
    // The site alone first: its ticks are frozen without anybody pulling.
    REQUIRE(pair.office.stop() == 0);
    until("two ticks frozen", [&] { return blobs_of(pair.works, kFeeds).size() >= 2; });
    pair.works.kill();
    const auto early = blobs_of(pair.works, kFeeds);
    REQUIRE(pair.works.start());
    REQUIRE(pair.office.start());
    until_connected(pair.works, pair.office);
    until("all ticks here", [&] {
      run(pair.office, {"feed", "show", id});
      return blobs_of(pair.office, kFollowed).size() == 8;
    });
    const auto given = blobs_of(pair.works, kFeeds);
    CHECK(given == blobs_of(pair.office, kFollowed));
    for (std::size_t t = 0; t < early.size(); ++t) CHECK(given[t] == early[t]);
    const json::value shown = run(pair.office, {"feed", "show", id});
    // About half of the 30 meters are above 40 kW on the average of a day: 12 or so a day.
    const json::value& last = figure(shown, 7);
    CHECK(std::abs(number(last, "value") - 100) < 60 + 20 * number(last, "standard_error"));
    CHECK(number(last, "standard_error") > 0);
  }

  TEST_CASE(
      "what lies ahead is waited for and given back by a cancel and ends with its agreement") {
    Pair pair;
    const std::vector<std::string> start = {"feed", "start", about("mean(load)", "1d"), "--for",
                                            "10d"};
    const std::string first = text_at(run(pair.office, start).as_object(), "id");
    const std::string second = text_at(run(pair.office, start).as_object(), "id");
    const json::value waiting = run(pair.office, {"feed", "pull", first});
    CHECK(coverage(waiting).at("released").to_number<int>() == 0);
    CHECK(text_at(waiting.at("series").at(0).as_object(), "state") == "waiting");
    const json::value budget = run(pair.works, {"budget", "show"});
    CHECK(number(budget.at("domains").at(0).at("blocks").at(5), "reserved_epsilon") > 2);

    const json::value cancelled = run(pair.office, {"feed", "cancel", first, "--yes"});
    CHECK(cancelled.at("returned_blocks").to_number<int>() == 9);
    CHECK(text_at(cancelled.as_object(), "state") == "ended");
    // Too much at once is refused whole, with what is left.
    const Finished over = pair.office.run(
        {"feed", "start",
         "SELECT mean(load) FROM meters@works OVER 1d WITH (epsilon = 8, purpose = 'planning')",
         "--for", "5d"});
    CHECK(over.exit_code == 5);
    CHECK(over.words.find("left in the block") != std::string::npos);

    run(pair.works, {"agreement", "terminate", pair.agreement, "--yes"});
    until("the feed to end", [&] {
      const json::value listed = run(pair.works, {"feed", "list"});
      for (const json::value& feed : listed.at("items").as_array()) {
        if (text_at(feed.as_object(), "state") == "running") return false;
      }
      return true;
    });
    // While the node itself pulls it, a pull by hand is told to come back.
    Finished pulled;
    until("the feed is pulled by hand", [&] {
      pulled = pair.office.run({"feed", "pull", second});
      return pulled.words.find("being pulled") == std::string::npos;
    });
    INFO(pulled.words, pulled.out);
    // It is told by this pull or was told to the node's own, which ended the feed before.
    CHECK((pulled.exit_code == 4 ||
           (pulled.exit_code == 0 && pulled.out.find("ENT-3002") != std::string::npos)));
    const json::value shown = run(pair.office, {"feed", "show", second});
    CHECK(text_at(shown.as_object(), "state") == "ended");
    CHECK(text_at(shown.as_object(), "code") == "ENT-3002");
    CHECK(coverage(shown).at("missing").to_number<int>() == 10);
  }

  TEST_CASE("a feed whose export is withdrawn ends at both ends with a reason") {
    Pair pair;
    const std::string id = text_at(
        run(pair.office, {"feed", "start", about("mean(load)", "1d"), "--for", "5d"}).as_object(),
        "id");
    REQUIRE(pair.works.stop() == 0);
    write_text(pair.works.home() / "provision.d" / "exports.toml",
               "[domain.meters]\nunit = \"twin\"\nblock = \"1d\"\nzone = \"UTC\"\nepsilon = 8\n"
               "delta = 1e-6\n");
    REQUIRE(pair.works.start());
    const auto ended = [&](const TestNode& node) {
      const json::value listed = run(node, {"feed", "list"});
      const json::object& feed = listed.at("items").at(0).as_object();
      return text_at(feed, "state") == "ended" && text_at(feed, "code") == "ENT-3002";
    };
    until("the site to end it", [&] { return ended(pair.works); });
    until_connected(pair.works, pair.office);
    until("the office to be told", [&] {
      pair.office.run({"feed", "pull", id});
      return ended(pair.office);
    });
  }
}

}  // namespace entente::tests
