#include <filesystem>
#include <fstream>

#include "tests/unit/node/cli/fake_node.h"

namespace entente::node::test {
namespace {

namespace json = boost::json;

const std::string kNone = R"j({"accepted":1,"duplicates":0,"rejected":[],"rejected_rows":0})j";
const std::string kMap = "layout = \"wide\"\nsignal = \"x\"\n[time]\ncolumn = \"t\"\n";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string text_of_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void append(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::app) << text;
}

// What the node was sent, all requests together.
std::string sent(const FakeNode& node) {
  std::string all;
  for (const auto& request : node.seen()) all += request.body;
  return all;
}

std::string row(const std::string& twin, std::int64_t time, const std::string& value) {
  return R"j({"twin":")j" + twin + R"j(","signal":"x","time":)j" + std::to_string(time) +
         ",\"value\":" + value + "}\n";
}

// Runs the steps, one each time the end of the file is reached, and then ends the following.
void follow_by(FakeNode& node, std::vector<std::function<void()>> steps) {
  auto left = std::make_shared<std::vector<std::function<void()>>>(std::move(steps));
  auto next = std::make_shared<std::size_t>(0);
  node.local.sleep = [left, next](Duration) {
    if (*next < left->size()) (*left)[*next]();
    ++*next;
  };
  node.local.stopped = [left, next] { return *next > left->size() + 2; };
}

}  // namespace

TEST_SUITE("node/cli/ingest_command") {
  TEST_CASE("several files go in one after another, each row refused keeps file, line and text") {
    FakeNode node;
    node.reply(
        "POST /api/v1/readings",
        R"j({"accepted":1,"duplicates":0,"rejected":[{"line":2,"reason":"no twin, \"b\""}],)j"
        R"j("rejected_rows":4})j");
    const auto map = node.folder.write("m.toml", kMap);
    const auto one = node.folder.write("1.csv", "t,a,b\n2020-01-01,1,2\n2020-01-02,\"x\ny\",\n");
    const auto two = node.folder.write("2.csv", "t,a,b\n2020-01-03,3,4\n");
    const auto kept = node.folder.path + "/rejects.csv";
    const Ran ran = run(node, {"ingest", one, two, "--map", map, "--rejects", kept, "-o", "json"});
    CHECK(ran.code == 0);
    const auto value = json::parse(ran.out);
    CHECK(value.at("accepted").to_number<int>() == 2);
    CHECK(value.at("rejected_rows").to_number<int>() == 9);  // 4 a request, and the one in file 1
    CHECK(value.at("readings_per_s").to_number<double>() > 0);
    CHECK(value.at("rejected").as_array().size() == 3);
    CHECK(value.at("rejected").at(2).at("file").as_string() == two);
    const std::int64_t day = 86'400'000'000'000, begin = 1'577'836'800'000'000'000;
    CHECK(text_of_file(kept) ==
          "file,line,column,reason,text\n" + one +
              ",3,2,\"column 2: no number 'x\ny'\",\"x\ny\"\n" + one +
              ",2,,\"no twin, "
              "\"\"b\"\"\",\"{\"\"twin\"\":\"\"b\"\",\"\"signal\"\":\"\"x\"\",\"\"time\"\":" +
              std::to_string(begin) + ",\"\"value\"\":2}\"\n" + two +
              ",2,,\"no twin, "
              "\"\"b\"\"\",\"{\"\"twin\"\":\"\"b\"\",\"\"signal\"\":\"\"x\"\",\"\"time\"\":" +
              std::to_string(begin + 2 * day) + ",\"\"value\"\":4}\"\n");
    const Ran people = run(node, {"ingest", one, two, "--map", map}, {"", true, {}});
    CHECK(has(people.err, " 50 %"));
    CHECK(has(people.err, "100 %"));
    CHECK(has(people.err, one + ", line 3: "));
    CHECK(has(people.out, "readings/s"));
    CHECK(run(node, {"ingest", one, "--map", map, "--rejects", "/nowhere/r.csv"}).code == 2);
    const Ran second = run(node, {"ingest", one, "/nowhere.csv", "--map", map});
    CHECK(second.code == 1);
    CHECK(has(second.err, "/nowhere.csv"));
  }

  TEST_CASE("line protocol goes in by its name or its format, with precision and mapping") {
    FakeNode node;
    node.reply("POST /api/v1/readings", kNone);
    const auto file = node.folder.write("a.lp", "m,twin=a x=1 5\nm x=1 5\nm,twin=b x=2i 6\n");
    CHECK(run(node, {"ingest", file, "--precision", "ms"}).code == 0);
    CHECK(sent(node) == row("a", 5'000'000, "1") + row("b", 6'000'000, "2"));
    const auto other = node.folder.write("a.txt", "m,host=a value=1 5\n");
    const auto map =
        node.folder.write("l.toml", "[line]\ntwin = \"host\"\nsignals = { value = \"x\" }\n");
    CHECK(run(node, {"ingest", other, "--map", map}).code == 0);
    CHECK(node.seen().back().body == row("a", 5, "1"));
    CHECK(run(node, {"ingest", "--map", map, "--precision", "s", other}).code == 0);
    CHECK(node.seen().back().body == row("a", 5'000'000'000, "1"));
    CHECK(run(node, {"ingest", "-", "--format", "line"}, {"m,twin=c x=3 7\n", false, {}}).code ==
          0);
    CHECK(node.seen().back().body == row("c", 7, "3"));
    const auto table = node.folder.write("m.toml", kMap);
    for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
             {"ingest", file, "--precision", "h"},
             {"ingest", file, "--format", "xml"},
             {"ingest", file, "--map", table, "--format", "line"},
             {"ingest", file, "--map", map, "--format", "csv"},
             {"ingest", file, "--map", map, "--format", "jsonl"},
             {"ingest", file, "--format", "csv"},
             {"ingest", file, "--format", "jsonl", "--precision", "s"},
             {"ingest", other},
             {"ingest", "-", "--follow"},
             {"ingest", file, file, "--follow"}}) {
      CHECK(run(node, bad).code == 2);
    }
  }

  TEST_CASE("a growing file is followed over rotations until it is ended") {
    FakeNode node;
    node.reply("POST /api/v1/readings", kNone);
    const auto map = node.folder.write("m.toml", kMap);
    const auto file = node.folder.write("g.csv", "");
    follow_by(node, {[&] { append(file, "t,a\n1970-01-01T00:00:01Z,1\n1970-01-01T00:00:02Z"); },
                     [&] { append(file, ",2"); },  // not yet a line
                     [&] { append(file, "\n"); },
                     [&] {
                       append(file, "1970-01-01T00:00:03Z,3");  // nobody ends it
                       std::filesystem::rename(file, file + ".1");
                     },
                     [&] { append(file, "t,b\n"); },  // another file with columns of its own
                     [&] { append(file, "1970-01-01T00:00:04Z,4\n"); },
                     [&] { std::ofstream(file, std::ios::trunc) << "t,c\n1970-01-01,5\n"; }});
    const Ran ran = run(node, {"ingest", file, "--map", map, "--follow", "-o", "json"});
    CHECK(ran.code == 0);
    const std::int64_t s = 1'000'000'000;
    CHECK(sent(node) == row("a", s, "1") + row("a", 2 * s, "2") + row("a", 3 * s, "3") +
                            row("b", 4 * s, "4") + row("c", 0, "5"));
    CHECK(json::parse(ran.out).at("rejected_rows").to_number<int>() == 0);
    // Every reading went on its way when it was there, not when a batch was full.
    CHECK(node.seen().size() == 5);
    CHECK(json::parse(ran.out).at("accepted").to_number<int>() == 5);
  }

  TEST_CASE("lines of a followed file keep their numbers, also after an endless one") {
    FakeNode node;
    node.reply("POST /api/v1/readings", kNone);
    const auto file = node.folder.write("g.jsonl", "{\"a\":1}\n\n");
    follow_by(node, {[&] { append(file, std::string(3 << 20, 'x')); },
                     [&] { append(file, std::string(10, 'x') + "\n{\"a\":2}\n"); }});
    const Ran ran = run(node, {"ingest", file, "--follow", "-o", "json"});
    CHECK(ran.code == 0);
    CHECK(sent(node) == "{\"a\":1}\n{\"a\":2}\n");
    const auto rejected = json::parse(ran.out).at("rejected").as_array();
    REQUIRE(rejected.size() == 1);
    CHECK(rejected[0].at("line").to_number<int>() == 3);
  }
}

}  // namespace entente::node::test
