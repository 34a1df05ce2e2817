// An agreement between two real nodes: offered, countered, signed, asked under, suspended, resumed
// and ended while a feed runs, also past a node that is down.
#include <doctest/doctest.h>

#include <boost/json/serialize.hpp>

#include "tests/integration/federation.h"

namespace entente::tests {
namespace {

namespace json = boost::json;

json::value run(const TestNode& node, std::vector<std::string> words, int expected = 0) {
  const Finished finished = node.run(std::move(words));
  INFO(finished.words, finished.out);
  REQUIRE(finished.exit_code == expected);
  return finished.out.empty() ? json::value() : finished.json();
}

std::string shown(const TestNode& node, const std::string& id, const char* field) {
  const Finished finished = node.run({"agreement", "show", id});
  if (finished.exit_code != 0) return "";
  return text_at(finished.json().as_object(), field);
}

void until_state(const TestNode& node, const std::string& id, const std::string& state) {
  until("the agreement is " + state, [&] { return shown(node, id, "state") == state; });
}

int asked(const TestNode& office, int n) {
  return office.run({"ask", question("mean(load)", "meters@works", n)}).exit_code;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// Offered by works, countered by office with less, signed by works.
std::string agree_on_less(Strangers& both) {
  auto& [folder, files, works, office] = both;
  const std::string id =
      text_at(run(works, {"agreement", "propose", files.agreement.string()}).as_object(), "id");
  until_state(office, id, "proposed");
  CHECK(shown(office, id, "turn") == "ours");
  until("works knows it was heard", [&] { return shown(works, id, "turn") == "theirs"; });

  const json::value offer = run(office, {"agreement", "new", "--from", id});
  const std::string text = text_at(offer.as_object(), "text");
  const auto path = folder.path() / "counter.toml";
  write_text(path, replaced(text, "epsilon_per_block = 8 ", "epsilon_per_block = 6 "));
  run(office, {"agreement", "counter", id, path.string(), "--dry-run"});
  CHECK(shown(office, id, "state") == "proposed");
  run(office, {"agreement", "counter", id, path.string()});
  until_state(works, id, "countered");
  CHECK(shown(works, id, "turn") == "ours");
  const json::value diff = run(works, {"agreement", "diff", id});
  REQUIRE(diff.at("items").as_array().size() == 1);
  const json::object& change = diff.at("items").at(0).as_object();
  CHECK(text_at(change, "words") ==
        "office may ask epsilon 8 -> 6 per day: works's units gain protection");
  CHECK(text_at(change, "loses") == "office");
  // It is not office's to sign its own offer.
  run(office, {"agreement", "sign", id}, 7);

  run(works, {"agreement", "sign", id});
  until_state(works, id, "active");
  until_state(office, id, "active");
  CHECK(shown(works, id, "terms") == shown(office, id, "terms"));
  CHECK(shown(works, id, "terms") != id);
  return id;
}

bool no_feed_runs(const TestNode& node) {
  const json::value listed = run(node, {"feed", "list"});
  for (const json::value& feed : listed.at("items").as_array()) {
    if (text_at(feed.as_object(), "state") == "running") return false;
  }
  return true;
}

double reserved(const TestNode& works) {
  double sum = 0;
  const json::value budget = run(works, {"budget", "show"});
  for (const json::value& block : budget.at("domains").at(0).at("blocks").as_array()) {
    sum += block.at("reserved_epsilon").to_number<double>();
  }
  return sum;
}

}  // namespace

TEST_SUITE("integration/agreements") {
  TEST_CASE("countered and signed and suspended and resumed and ended while a feed runs") {
    Strangers both;
    auto& [folder, files, works, office] = both;
    link_nodes(office, works);
    load(works, files);
    const json::value skeleton = run(works, {"agreement", "new", "office"});
    CHECK(text_at(skeleton.as_object(), "text").find("exports = [\"meters\"]") !=
          std::string::npos);
    const std::string id = agree_on_less(both);

    CHECK(asked(office, 1) == 0);
    run(works, {"agreement", "suspend", id, "--reason", "an audit"});
    CHECK(asked(office, 2) != 0);
    until_state(office, id, "suspended");
    CHECK(asked(office, 2) == 4);
    CHECK(shown(office, id, "reason") == "an audit");
    // Only who suspended resumes.
    run(office, {"agreement", "resume", id}, 7);
    run(works, {"agreement", "resume", id});
    until_state(office, id, "active");
    until("works knows", [&] { return shown(works, id, "turn") == "nobody's"; });
    CHECK(asked(office, 2) == 0);

    const json::value started =
        run(office, {"feed", "start",
                     "SELECT mean(load) FROM meters@works OVER 1d WITH (epsilon = 2, purpose = "
                     "'planning')",
                     "--for", "10d"});
    const std::string feed = text_at(started.as_object(), "id");
    CHECK(reserved(works) > 10);
    // A suspension ends no feed; it waits.
    run(office, {"agreement", "suspend", id});
    until_state(works, id, "suspended");
    CHECK_FALSE(no_feed_runs(works));
    CHECK_FALSE(no_feed_runs(office));
    run(office, {"agreement", "resume", id});
    until_state(works, id, "active");

    run(office, {"agreement", "terminate", id, "--yes", "--reason", "enough"});
    until_state(works, id, "terminated");
    until("the feed ends at works", [&] { return no_feed_runs(works); });
    until("the feed ends at office", [&] { return no_feed_runs(office); });
    CHECK(text_at(run(office, {"feed", "show", feed}).as_object(), "code") == "ENT-3002");
    // What had not begun was given back: at most the block that runs is left.
    CHECK(reserved(works) < 3);
    CHECK(asked(office, 3) == 4);
    CHECK(shown(works, id, "reason") == "enough");
    CHECK(works.json({"audit", "verify"}).at("ok").as_bool());
  }

  TEST_CASE("an end reaches a partner that was down and both were killed in between") {
    Pair pair;
    const std::string id = pair.agreement;
    pair.office.kill();
    run(pair.works, {"agreement", "terminate", id, "--yes"});
    CHECK(shown(pair.works, id, "turn") == "ours: being delivered");
    CHECK(shown(pair.works, id, "next").find("office") != std::string::npos);
    pair.works.kill();
    REQUIRE(pair.works.start());
    REQUIRE(pair.office.start());
    until_state(pair.office, id, "terminated");
    until("works was answered", [&] { return shown(pair.works, id, "turn") == "nobody's"; });
    CHECK(shown(pair.works, id, "last_error").empty());
  }

  TEST_CASE("a rate of questions that was agreed is kept over a restart") {
    Strangers both;
    auto& [folder, files, works, office] = both;
    link_nodes(office, works);
    load(works, files);
    const auto path = folder.path() / "rated.toml";
    std::string text;
    for (const std::string& line :
         {std::string("[agreement]\nname = \"rated\"\n"),
          std::string("partner = \"office\"\nexports = [\"meters\"]\n"),
          std::string("min_units = 12\nepsilon_per_block = 8\n"),
          std::string("questions_per_hour = 2\n"), std::string("expires = \"2099-01-01\"\n")}) {
      text += line;
    }
    write_text(path, text);
    agree(works, office, path);
    CHECK(asked(office, 1) == 0);
    CHECK(asked(office, 1) == 0);
    CHECK(asked(office, 1) != 0);
    REQUIRE(works.stop() == 0);
    REQUIRE(works.start());
    until_connected(works, office);
    CHECK(asked(office, 1) != 0);
  }
}

}  // namespace entente::tests
