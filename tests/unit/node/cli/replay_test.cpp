#include "node/cli/replay.h"

#include "schemas/base/clock.h"
#include "tests/unit/node/cli/fake_node.h"

namespace entente::node::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::string row(const std::string& twin, std::int64_t time_s, const std::string& value) {
  return R"j({"twin":")j" + twin + R"j(","signal":"x","time":)j" +
         std::to_string(time_s * kSecond) + ",\"value\":" + value + "}\n";
}

// A node whose clock moves only while somebody waits; notes when each request came.
struct Stage {
  explicit Stage(Instant now) : clock(now) {
    node.reply("POST /api/v1/readings",
               R"j({"accepted":1,"duplicates":0,"rejected":[],"rejected_rows":0})j");
    node.local.clock = &clock;
    node.local.stopped = [this] { return stop_after >= 0 && slept >= stop_after; };
    node.local.sleep = [this](Duration pause) {
      REQUIRE(pause.ns > 0);
      clock.advance(pause);
      ++slept;
      const std::size_t seen = node.seen().size();
      at.resize(std::max(at.size(), seen), clock.steady().ns / kSecond);
    };
  }
  std::string sent() const {
    std::string all;
    for (const auto& request : node.seen()) all += request.body;
    return all;
  }
  FakeNode node;
  ManualClock clock;
  int slept = 0;
  int stop_after = -1;
  std::vector<std::int64_t> at;
};

}  // namespace

TEST_SUITE("node/cli/replay") {
  TEST_CASE("readings of several files go in by time at the speed asked for") {
    Stage stage({1'000'000 * kSecond});
    const auto one = stage.node.folder.write("1.jsonl", row("a", 100, "1") + row("a", 160, "3.5"));
    const auto two = stage.node.folder.write("2.jsonl", "no\n" + row("b", 130, "2"));
    const Ran ran = run(stage.node, {"replay", one, two, "--speed", "10", "-o", "json"});
    CAPTURE(ran.err);
    CHECK(ran.code == 0);
    CHECK(stage.sent() == row("a", 100, "1") + row("b", 130, "2") + row("a", 160, "3.5"));
    CHECK(stage.node.seen().size() == 3);
    // 60 recorded seconds take 6.
    CHECK(stage.clock.steady() >= seconds(6));
    CHECK(stage.clock.steady() < seconds(6) + milliseconds(100));
    const auto value = boost::json::parse(ran.out);
    CHECK(value.at("accepted").to_number<int>() == 3);
    CHECK(value.at("rejected").at(0).at("file").as_string() == two);
    CHECK(value.at("rejected").at(0).at("line").to_number<int>() == 1);
  }

  TEST_CASE("max and a dry run wait for nothing") {
    Stage stage({1'000'000 * kSecond});
    const auto file = stage.node.folder.write("1.jsonl", row("a", 160, "3") + row("a", 100, "1"));
    CHECK(run(stage.node, {"replay", file, "--speed", "max"}).code == 0);
    CHECK(stage.sent() == row("a", 100, "1") + row("a", 160, "3"));
    CHECK(run(stage.node, {"replay", file, "--dry-run"}).code == 0);
    CHECK(stage.slept == 0);
    for (const char* speed : {"0", "-1", "fast", "1e9", "nan", "1x"}) {
      CHECK(run(stage.node, {"replay", file, std::string("--speed=") + speed}).code == 2);
    }
    CHECK(run(stage.node, {"replay", file, "--shift", "later"}).code == 2);
  }

  TEST_CASE("shifted times begin now, or end now when they pass faster than the clock") {
    for (const auto& [speed, first] : {std::pair("1", 5'000), std::pair("0.5", 5'000),
                                       std::pair("10", 5'000 + 6 - 60), std::pair("max", 4'940)}) {
      CAPTURE(speed);
      Stage stage({5'000 * kSecond});
      const auto file = stage.node.folder.write("1.jsonl", row("a", 100, "1") + row("a", 160, "3"));
      CHECK(run(stage.node, {"replay", file, "--speed", speed, "--shift", "now"}).code == 0);
      CHECK(stage.sent() == row("a", first, "1") + row("a", first + 60, "3"));
      CHECK(stage.clock.now() >= Instant{(first + 60) * kSecond});
    }
  }

  TEST_CASE("an interrupted replay ends well and says what it left") {
    Stage stage({5'000 * kSecond});
    stage.stop_after = 3;
    const auto file = stage.node.folder.write("1.jsonl", row("a", 100, "1") + row("a", 160, "3"));
    const Ran ran = run(stage.node, {"replay", file});
    CHECK(ran.code == 0);
    CHECK(stage.sent() == row("a", 100, "1"));
    CHECK(ran.err.find("the last 1 readings") != std::string::npos);
  }

  TEST_CASE("times at both ends of what can be told neither overflow nor wait for ever") {
    const auto pace = Pace::parse("0.001");
    REQUIRE(pace.has_value());
    const Instant lowest{INT64_MIN}, highest{INT64_MAX};
    CHECK(pace->position(highest, hours(1)) == highest);
    CHECK(pace->wait(lowest, highest).ns > 0);
    CHECK(pace->shift_to({0}, lowest, highest).ns > 0);
  }
}

}  // namespace entente::node::test
