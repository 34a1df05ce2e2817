#include "node/cli/command.h"
#include "tests/unit/node/cli/fake_node.h"

#include <sstream>

namespace entente::node::test {
namespace {

namespace json = boost::json;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string coverage_only(std::string_view sites, bool partial = true) {
  return R"j({"exact":false,"partial":)j" + std::string(partial ? "true" : "false") +
         R"j(,"items":[],"group_keys":[],"rows":[],"coverage":[)j" + std::string(sites) + "]}";
}

}  // namespace

TEST_SUITE("node/cli/ask") {
  TEST_CASE("an answer is a table of values with ranges, then coverage, charge and what is left") {
    FakeNode node;
    const Ran ran = run(node, {"ask", "SELECT x"});
    CHECK(ran.code == 6);
    CHECK(ran.out ==
          "state  mean(pm25), ug/m3  95 % range    count(*)  95 % range\n"
          "WA                  83.4  77.7 to 89.1      54.0  51.0 to 57.0\n"
          "OR                   9.2  1.8 to 16.7          -  -\n"
          "ID                     -  -                    -  -\n"
          "all                 51.0  46.3 to 55.7      95.0  90.8 to 99.2\n");
    CHECK(has(ran.err, "2 of 4 sites answered."));
    CHECK(has(ran.err, "washington    main   answered  -"));
    CHECK(has(ran.err, "epsilon 4 "));
    CHECK(has(ran.err, "49 % (epsilon 3.999 of 8)"));  // never more than is left
    CHECK(has(ran.err, "free: the same answer as before"));
    CHECK(has(ran.err, "ENT-5001 budget exhausted"));
    CHECK(has(ran.err, "Receipt r-7Q2M"));
    CHECK_FALSE(has(ran.err, "The range covers"));
    CHECK(has(run(node, {"ask", "SELECT x", "--verbose"}).err, "The range covers"));
  }

  TEST_CASE("as JSON everything is on standard output with full precision, as csv every figure") {
    FakeNode node;
    const Ran whole = run(node, {"ask", "SELECT x", "-o", "json"});
    CHECK(whole.code == 6);
    CHECK(whole.err.empty());
    const auto value = json::parse(whole.out);
    CHECK(value.at("coverage").as_array().size() == 4);
    CHECK(has(whole.out, "83.4172"));
    const Ran csv = run(node, {"ask", "SELECT x", "-o", "csv", "-q"});
    CHECK(csv.err.empty());
    CHECK(has(csv.out,
              "state,mean(pm25),mean(pm25)_standard_error,mean(pm25)_lower,mean(pm25)_upper"));
    CHECK(has(csv.out, "\r\nWA,83.4172,2.9,77.73,89.1,54,1.5,51,57\r\n"));
  }

  TEST_CASE("an exact answer has no ranges and no charges, and exits 0") {
    FakeNode node;
    node.reply(
        "POST /api/v1/ask",
        R"j({"window":{"from":"2015-08-23T00:00:00Z","to":"2015-08-24T00:00:00Z","every":"12h"},)j"
        R"j("exact":true,"partial":false,"items":[{"label":"mean(pm25)","unit":"ug/m3"}],)j"
        R"j("group_keys":[],)j"
        R"j("rows":[{"group":[],"total":false,"tick":"2015-08-23T00:00:00Z",)j"
        R"j("values":[{"value":51.0245}]},)j"
        R"j({"group":[],"total":false,"tick":"2015-08-23T12:00:00Z","values":[{"value":8}]}],)j"
        R"j("coverage":[{"organisation":"washington","site":"main","state":"answered",)j"
        R"j("age_s":60}]})j");
    const Ran ran = run(node, {"ask", "SELECT x"});
    CHECK(ran.code == 0);
    CHECK(ran.out ==
          "from                  mean(pm25), ug/m3\n"
          "2015-08-23T00:00:00Z              51.02\n"
          "2015-08-23T12:00:00Z               8.00\n");
    CHECK(has(ran.err, "exact."));
    CHECK(has(ran.err, "1 of 1 site answered."));
    CHECK_FALSE(has(ran.err, "charged"));
    CHECK_FALSE(has(ran.err, "why not"));
  }

  TEST_CASE("a histogram takes a line for each bin and its group stands on every line") {
    FakeNode node;
    const auto bin = [](const char* from, const char* to, const char* value, const char* lower,
                        const char* upper) {
      return std::string(R"j({"from":)j") + from + R"j(,"to":)j" + to + R"j(,"value":)j" + value +
             R"j(,"standard_error":2,"lower":)j" + lower + R"j(,"upper":)j" + upper + "}";
    };
    const std::string row =
        R"j("values":[{"value":38.25,"standard_error":1,"lower":36,"upper":40},)j"
        R"j({"value":null,"bins":[)j" +
        bin("0", "66.66666666666667", "17", "13.1", "20.9") + "," +
        bin("66.66666666666667", "200", "3", "0", "6.9") + "]}]}";
    node.reply(
        "POST /api/v1/ask",
        R"j({"exact":false,"partial":false,"items":[{"label":"median(pm25)","unit":"ug/m3"},)j"
        R"j({"label":"histogram(pm25, 2)","unit":""}],"group_keys":["state"],"coverage":[],)j"
        R"j("rows":[{"group":["WA"],"total":false,)j" +
            row +
            R"j(,{"group":["OR"],"total":false,"values":[null,null]},)j"
            R"j({"group":[],"total":true,)j" +
            row + "]}");
    const Ran ran = run(node, {"ask", "SELECT x"});
    CHECK(
        ran.out ==
        "state  median(pm25), ug/m3  95 % range    bin             histogram(pm25, 2)  95 % range\n"
        "WA                    38.2  36.0 to 40.0  0 to 66.6667                  17.0  13.1 to "
        "20.9\n"
        "WA                                        66.6667 to 200                 3.0  0.0 to 6.9\n"
        "OR                       -  -             -                                -  -\n"
        "all                   38.2  36.0 to 40.0  0 to 66.6667                  17.0  13.1 to "
        "20.9\n"
        "all                                       66.6667 to 200                 3.0  0.0 to "
        "6.9\n");
    const Ran csv = run(node, {"ask", "SELECT x", "-o", "csv", "-q"});
    CHECK(has(csv.out,
              "\"histogram(pm25, 2)_from\",\"histogram(pm25, 2)_to\",\"histogram(pm25, "
              "2)\",\"histogram(pm25, 2)_standard_error\""));
    CHECK(has(csv.out, "\r\nWA,38.25,1,36,40,0,66.66666666666667,17,2,13.1,20.9\r\n"));
    CHECK(has(csv.out, "\r\nWA,,,,,66.66666666666667,200,3,2,0,6.9\r\n"));
  }

  TEST_CASE("charges on several blocks are said as the ledger books them") {
    FakeNode node;
    node.reply("POST /api/v1/ask",
               coverage_only(
                   R"j({"organisation":"a","site":"m","state":"answered","charged":{"epsilon":4,)j"
                   R"j("blocks":[)j"
                   R"j({"start":"x","epsilon":0.2},{"start":"y","epsilon":0.2}]}},)j"
                   R"j({"organisation":"b","site":"m","state":"answered","charged":{"epsilon":4,)j"
                   R"j("blocks":[)j"
                   R"j({"start":"x","epsilon":1},{"start":"y","epsilon":4}]}})j",
                   false));
    const Ran ran = run(node, {"ask", "SELECT x"});
    CHECK(ran.code == 0);
    CHECK(has(ran.err, "epsilon 0.2 on each of 2 blocks"));
    CHECK(has(ran.err, "epsilon 1 to 4 on 2 blocks"));
  }

  TEST_CASE("exit codes: partial 6, budget everywhere 5, denied everywhere 4, mixed 6") {
    FakeNode node;
    const std::string good = R"j({"organisation":"a","state":"answered"})j";
    const std::string budget = R"j({"organisation":"b","state":"refused","code":"ENT-5001"})j";
    const std::string denied = R"j({"organisation":"c","state":"refused","code":"ENT-3001"})j";
    const std::string late = R"j({"organisation":"d","state":"late"})j";
    const auto code_of = [&](const std::string& sites, bool partial) {
      node.reply("POST /api/v1/ask", coverage_only(sites, partial));
      return run(node, {"ask", "SELECT x"}).code;
    };
    CHECK(code_of(good, false) == 0);
    CHECK(code_of(good, true) == 6);
    CHECK(code_of(good + "," + budget, true) == 6);
    CHECK(code_of(good + "," + late, false) == 6);  // whatever the flag says
    CHECK(code_of(budget + "," + budget, true) == 5);
    CHECK(code_of(denied, true) == 4);
    CHECK(code_of(budget + "," + denied, true) == 6);
    CHECK(code_of(late, true) == 6);
    node.refuse("POST /api/v1/ask", make_error(ErrorCode::query_syntax, "SELECT x\n       ^"));
    const Ran wrong = run(node, {"ask", "SELECT x"});
    CHECK(wrong.code == 2);
    CHECK(has(wrong.err, "  why: SELECT x\n              ^\n"));
  }

  TEST_CASE("a preview shows charge, expected error and what it protects, and asks nothing") {
    FakeNode node;
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"ask", "preview", "SELECT x"},
          std::vector<std::string>{"ask", "SELECT x", "--dry-run"}}) {
      const Ran ran = run(node, words);
      CHECK(ran.code == 0);
      CHECK(ran.out ==
            "item        group  within, 95 times in 100\n"
            "mean(pm25)  WA                        5.70\n"
            "mean(pm25)  OR                        7.44\n");
      CHECK(ran.err ==
            "Preview: costs nothing, reads no private row\n"
            "  charge    washington: epsilon 4, then 3.9 left\n"
            "  charge    oregon: epsilon 4, then 4 left\n"
            "  protects  one monitor in each day\n"
            "  note      idaho has not enough left\n");
    }
    for (const Seen& seen : node.seen()) CHECK(has(seen.body, "\"dryRun\":true"));
  }

  TEST_CASE("several questions are previewed together and no line is wider than 100 columns") {
    FakeNode node;
    node.reply(
        "PREVIEW",
        R"j({"charge":[{"organisation":"washington","domain":"air","epsilon":0.68,)j"
        R"j("left_epsilon":4,"left_epsilon_after":3.92,"guaranteed_epsilon":2,"enough":true,)j"
        R"j("more":34,"until":"2026-01-01T00:00:00Z",)j"
        R"j("blocks":[{"epsilon":0.68},{"epsilon":0.5}]},)j"
        R"j({"organisation":"oregon","domain":"air","epsilon":0.68,"left_epsilon":0.3,)j"
        R"j("left_epsilon_after":0,"guaranteed_epsilon":0,"enough":false,"more":0,"until":null,)j"
        R"j("blocks":[{"epsilon":0.68}]}],)j"
        R"j("questions":[{"charge":[{"organisation":"washington","epsilon":0.5,"free":null}]},)j"
        R"j({"charge":[{"organisation":"washington","epsilon":0,"free":"answered before"}]}],)j"
        R"j("expected":[{"question":1,"label":"sum(load)","group":["WA"],"error95":5.7},)j"
        R"j({"question":2,"label":"mean(pm25)","group":[],"total":true,"error95":7.44}],)j"
        R"j("protects":"one twin's readings of one block: the odds about any one of them move )j"
        R"j(by at most x1.97","odds":{"right_at_most":0.54,"text":"an outsider who knows all the )j"
        R"j(rest and guesses, at even odds, between two stories of one twin's readings in one )j"
        R"j(block is right 54 times in 100 at most with these answers: even odds become 54:46 at )j"
        R"j(best"},"notes":[]})j");
    const Ran ran = run(node, {"ask", "preview", "SELECT a", "SELECT b"});
    CHECK(ran.code == 0);
    CHECK(ran.out ==
          "question  item        group  within, 95 times in 100\n"
          "       1  sum(load)   WA                        5.70\n"
          "       2  mean(pm25)  all                       7.44\n");
    CHECK(ran.err ==
          "Preview: costs nothing, reads no private row\n"
          "question  organisation  epsilon  free because\n"
          "       1  washington        0.5\n"
          "       2  washington          0  answered before\n"
          "  charge    washington: epsilon 0.68 at most on each of 2 blocks, then 3.92 left; no "
          "other "
          "partner\n"
          "            can use up 2\n"
          "  charge    oregon: epsilon 0.68, more than is left: 0.3\n"
          "  more      none more like this ever: what is charged is not bound to days\n"
          "  protects  one twin's readings of one block: the odds about any one of them move by at "
          "most x1.97\n"
          "  odds      an outsider who knows all the rest and guesses, at even odds, between two "
          "stories of one\n"
          "            twin's readings in one block is right 54 times in 100 at most with these "
          "answers: even\n"
          "            odds become 54:46 at best\n");
    std::istringstream lines(ran.out + ran.err);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 100);
    CHECK(has(node.seen().back().body, R"j("questions":["SELECT a","SELECT b"])j"));
    // A file has semicolons between its questions, which texts in quotes may hold.
    const std::string file =
        node.folder.write("weekly.ent", "SELECT a\n  WHERE b = 'x;y';\nSELECT c ;\n\n");
    CHECK(run(node, {"ask", "preview", "-f", file}).code == 0);
    CHECK(has(node.seen().back().body,
              R"j("questions":["SELECT a\n  WHERE b = 'x;y'","SELECT c"])j"));
    CHECK(run(node, {"ask", "preview", "-f", file, "SELECT a", "SELECT b"}).code == 2);
  }

  TEST_CASE("an answer that was added up says so and how to have it anew") {
    FakeNode node;
    node.reply(
        "POST /api/v1/ask",
        coverage_only(R"j({"organisation":"washington","site":"main","state":"answered",)j"
                      R"j("reused":true,"charged":{"epsilon":0,"rho":0,"blocks":[]},"revision":0,)j"
                      R"j("composed_of":[{"release":"ab","from":"x","to":"y"},)j"
                      R"j({"release":"cd","from":"y","to":"z"}],"age_s":60})j",
                      false));
    const Ran ran = run(node, {"ask", "SELECT x"});
    CHECK(ran.code == 0);
    CHECK(has(ran.err, "free: earlier answers added up"));
    CHECK(has(ran.err, "washington added up 2 earlier answers"));
    CHECK(has(ran.err, "--fresh"));
    CHECK_FALSE(has(node.seen().back().body, "fresh"));
    run(node, {"ask", "SELECT x", "--fresh"});
    CHECK(has(node.seen().back().body, R"j("fresh":true)j"));
  }

  TEST_CASE("a person sees the cost first and may say no, scripts and --yes are not asked") {
    FakeNode node;
    const auto asked = [&] {
      std::size_t count = 0;
      for (const Seen& seen : node.seen()) count += !has(seen.body, "dryRun");
      return count;
    };
    const Ran no = run(node, {"ask", "SELECT x"}, {"n\n", true, {}});
    CHECK(no.code == 0);
    CHECK(no.out.empty());
    CHECK(has(no.err, "Ask it? [y/N]"));
    CHECK(has(no.err, "charge    washington: epsilon 4"));
    CHECK(asked() == 0);
    CHECK(run(node, {"ask", "SELECT x"}, {"y\n", true, {}}).code == 6);
    CHECK(asked() == 1);
    CHECK_FALSE(has(run(node, {"ask", "SELECT x", "--yes"}, {"", true, {}}).err, "Ask it?"));
    CHECK_FALSE(has(run(node, {"ask", "SELECT x", "--no-input"}, {"", true, {}}).err, "Ask it?"));
    CHECK_FALSE(has(run(node, {"ask", "SELECT x"}).err, "Ask it?"));
    CHECK(asked() == 4);
    node.reply("PREVIEW", R"j({"charge":[],"expected":[]})j");  // free: nothing to decide
    CHECK_FALSE(has(run(node, {"ask", "SELECT x"}, {"", true, {}}).err, "Ask it?"));
  }

  TEST_CASE("the question comes from the words, a file or standard input, with purpose and time") {
    FakeNode node;
    const std::string file = node.folder.write("q.ent", "SELECT\n  y\n\n");
    run(node, {"ask", "-f", file, "--purpose", "planning", "--timeout", "2m"});
    CHECK(node.seen().back().body ==
          R"j({"question":"SELECT\n  y","purpose":"planning","timeout":"2m"})j");
    run(node, {"ask", "-"}, {"SELECT z\n", false, {}});
    CHECK(node.seen().back().body == R"j({"question":"SELECT z"})j");
    CHECK(run(node, {"ask", "SELECT x", "-f", file}).code == 2);
    CHECK(run(node, {"ask", "-f", "/nowhere"}).code == exit_code(ErrorCode::input_unreadable));
    CHECK(run(node, {"ask", "-"}, {std::string(20'000, 'x'), false, {}}).code == 2);
  }
}

TEST_SUITE("node/cli/ingest") {
  TEST_CASE("lines are sent, rejects come back with their line of the file") {
    FakeNode node;
    const std::string file = node.folder.write("r.jsonl", "{\"a\":1}\n\n{\"a\":2}\n{\"a\":3}");
    const Ran ran = run(node, {"ingest", file, "-o", "json"});
    CHECK(ran.code == 0);
    const auto value = json::parse(ran.out);
    CHECK(value.at("accepted").to_number<int>() == 2);
    CHECK(value.at("duplicates").to_number<int>() == 1);
    // The node's line 2 is the file's line 3: line 2 of the file is blank.
    CHECK(value.at("rejected").at(0).at("line").to_number<int>() == 3);
    CHECK(node.seen().back().body == "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
    CHECK(node.seen().back().type == "application/x-ndjson");
    CHECK(has(run(node, {"ingest", "-"}, {"{}\n", false, {}}).out, "accepted"));
    CHECK(run(node, {"ingest", node.folder.path + "/r.csv"}).code == 2);
    CHECK(run(node, {"ingest", node.folder.path + "/none.jsonl"}).code == 1);
  }

  TEST_CASE("a table is read through the given reader, in batches, with progress for people") {
    FakeNode node;
    class Rows final : public ReadingSource {
     public:
      Result<std::optional<ReadingBatch>> next(std::size_t, std::size_t) override {
        if (++calls_ > 3) return std::optional<ReadingBatch>{};
        ReadingBatch batch;
        batch.json_lines = "{}\n{}\n";
        batch.sources = {10, 20};
        if (calls_ == 1) batch.rejects.push_back({7, "no time"});
        batch.progress = calls_ / 3.0;
        return std::optional<ReadingBatch>(std::move(batch));
      }

     private:
      int calls_ = 0;
    };
    node.local.open_readings =
        [](const ReadingFiles& options) -> Result<std::unique_ptr<ReadingSource>> {
      if (options.map_path != "m.toml") return make_error(ErrorCode::config_invalid, "no map");
      return std::unique_ptr<ReadingSource>(std::make_unique<Rows>());
    };
    const Ran ran = run(node, {"ingest", "t.csv", "--map", "m.toml"}, {"", true, {}});
    CHECK(ran.code == 0);
    CHECK(has(ran.err, "\r6 readings, 100 %"));
    CHECK(has(ran.err, "line 7: no time"));
    CHECK(has(ran.err, "line 20: no signal 'pm26'"));
    CHECK_FALSE(has(run(node, {"ingest", "t.csv", "--map", "m.toml"}).err, "\r"));
    CHECK(run(node, {"ingest", "t.csv", "--map", "other.toml"}).code == 2);
  }

  TEST_CASE("a CSV file goes in by its mapping, and what cannot be read keeps its line") {
    FakeNode node;
    node.reply("POST /api/v1/readings", R"j({"accepted":3,"rejected":[],"duplicates":0})j");
    const std::string map =
        node.folder.write("m.toml",
                          "layout = \"wide\"\nsignal = \"pm25\"\n[time]\ncolumn = \"when\"\n"
                          "[twin]\nprefix = \"aqs-\"\n");
    const std::string table =
        "when,a,b\n2015-08-23T00:00Z,1.5,\n2015-08-23T01:00Z,x,2\n2015-08-23T02:00Z,nan,-3e2\n";
    const std::string file = node.folder.write("t.csv", table);
    for (const std::string& from : {file, std::string("-")}) {
      const Ran ran = run(node, {"ingest", from, "--map", map, "-o", "json"}, {table, false, {}});
      CHECK(ran.code == 0);
      CHECK(node.seen().back().body ==
            R"j({"twin":"aqs-a","signal":"pm25","time":1440288000000000000,"value":1.5})j"
            "\n"
            R"j({"twin":"aqs-b","signal":"pm25","time":1440291600000000000,"value":2})j"
            "\n"
            R"j({"twin":"aqs-b","signal":"pm25","time":1440295200000000000,"value":-300})j"
            "\n");
      const auto rejected = json::parse(ran.out).at("rejected").as_array();
      REQUIRE(rejected.size() == 2);
      CHECK(rejected[0].at("line").to_number<int>() == 3);
      CHECK(rejected[1].at("line").to_number<int>() == 4);
    }
    CHECK(run(node, {"ingest", "/nowhere.csv", "--map", map}).code == 1);
    CHECK(run(node, {"ingest", file, "--map", "/nowhere.toml"}).code == 1);
    node.folder.write("m.toml", "[nonsense]\n");
    CHECK(run(node, {"ingest", file, "--map", map}).code == 2);
  }

  TEST_CASE("an overloaded node is asked again, a refusal says how far it went") {
    FakeNode node;
    int pauses = 0;
    node.local.sleep = [&](Duration) {
      if (++pauses == 3) node.reply("POST /api/v1/readings", R"j({"accepted":1})j");
    };
    node.refuse("POST /api/v1/readings", make_error(ErrorCode::overloaded, "busy"));
    CHECK(run(node, {"ingest", "-"}, {"{}\n", false, {}}).code == 0);
    CHECK(pauses == 3);
    node.local.sleep = [&](Duration) { ++pauses; };
    node.refuse("POST /api/v1/readings", make_error(ErrorCode::overloaded, "busy"));
    CHECK(run(node, {"ingest", "-"}, {"{}\n", false, {}}).code == 1);
    CHECK(pauses == 3 + 8);
  }
}

}  // namespace entente::node::test
