#include "node/cli/cli.h"

#include <array>
#include <cstdio>

#include "node/cli/command.h"
#include "security/identity/charter_draft.h"
#include "tests/unit/node/cli/fake_node.h"
#include "tests/unit/security/identity/organisations.h"

namespace entente::node::test {
namespace {

namespace json = boost::json;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// Arguments that make every command succeed against the fake node, by command path.
std::vector<std::string> words_of(const std::string& path, const FakeNode& node) {
  const std::string toml = node.folder.path + "/x.toml";
  const std::map<std::string, std::vector<std::string>> positionals{
      {"init", {"--org", "washington"}},
      {"agreement check", {"FILE"}},
      {"explain", {"ENT-5001"}},
      {"budget reconcile", {"--yes"}},
      {"system show", {"smoke"}},
      {"system new", {"FILE"}},
      {"system check", {"smoke"}},
      {"system tree", {"smoke"}},
      {"system watch", {"smoke", "--once"}},
      {"system history", {"smoke"}},
      {"system remove", {"smoke", "--yes"}},
      {"export show", {"air"}},
      {"ask", {"SELECT x"}},
      {"ask preview", {"SELECT x"}},
      {"ingest", {"LINES"}},
      {"replay", {"LINES", "--speed", "max"}},
      {"type show", {"dtmi:org:air:Monitor;1"}},
      {"type apply", {"TYPE"}},
      {"twin show", {"monitor-53"}},
      {"twin apply", {"FILE"}},
      {"twin history", {"monitor-53"}},
      {"twin export", {"monitor-53", "--out", node.folder.path + "/export.csv"}},
      {"role grant", {"ann", "analyst"}},
      {"role revoke", {"ann", "analyst"}},
      {"role define", {"analyst", "ask,read_twins"}},
      {"role remove", {"gate-keeper"}},
      {"user add", {"ann", "analyst", "--password-file", "FILE"}},
      {"user password", {"ann", "--password-file", "FILE"}},
      {"user disable", {"ann"}},
      {"user enable", {"ann"}},
      {"login", {"ann", "--password-file", "FILE"}},
      {"password", {"--old-file", "FILE", "--password-file", "FILE"}},
      {"approval show", {"ap-3f9a"}},
      {"approval approve", {"ap-3f9a", "--yes"}},
      {"approval reject", {"ap-3f9a"}},
      {"approval require", {"sign_agreement"}},
      {"approval waive", {"sign_agreement"}},
      {"policy show", {"12"}},
      {"policy restore", {"12", "--yes"}},
      {"access grant", {"user:ann", "write_twins", "twin:press-7"}},
      {"access revoke", {"user:ann", "write_twins", "twin:press-7"}},
      {"access why", {"ann", "read_twins"}},
      {"access who-can", {"read_twins"}},
      {"access token add", {"gate"}},
      {"access token revoke", {"gate"}},
      {"audit export", {node.folder.path + "/log.audit"}},
      {"twin delete", {"monitor-53", "--yes"}},
      {"twin health", {"monitor-53"}},
      {"twin quarantine", {"monitor-53"}},
      {"twin rejudge", {"monitor-53"}},
      {"twin learn", {"monitor-53"}},
      {"twin forecast", {"monitor-53"}},
      {"twin anomalies", {"monitor-53"}},
      {"twin simulate", {"monitor-53", "--set", "inlet=5", "--limit", "80"}},
      {"model identify", {"monitor-53"}},
      {"model apply", {"MODEL"}},
      {"model optimise", {"monitor-53", "--minimise", "heat", "--set", "heat=[0,5]"}},
      {"model refit", {"monitor-53/pm25"}},
      {"model proposal", {"monitor-53", "7"}},
      {"model accept", {"monitor-53", "7"}},
      {"model dismiss", {"monitor-53", "7"}},
      {"signal apply", {"SIGNALS"}},
      {"signal show", {"monitor-53"}},
      {"signal remove", {"monitor-53", "net_flow"}},
      {"model show", {"monitor-53/pm25"}},
      {"model retire", {"monitor-53/pm25"}},
      {"vault unseal", {"--passphrase-file", "SECRET"}},
      {"vault protect", {"--with", "key-file"}},
      {"backup verify", {"FILE"}},
      {"restore", {"FILE"}},
      {"collector add", {"gate-3"}},
      {"collector revoke", {"gate-3", "--yes"}},
      {"link invite", {"oregon"}},
      {"link accept", {"ENTL1"}},
      {"key rotate", {"ca"}},
      {"key switch", {"ca", "--yes"}},
      {"key revoke", {"5f0c"}},
      {"key retire", {"5f0c"}},
      {"charter show", {"CHARTER"}},
      {"charter sign", {"CHARTER", "--key", node.folder.path + "/x.root"}},
      {"charter apply", {"CHARTER"}},
      {"link cancel", {"oregon"}},
      {"link confirm", {"oregon", "--yes"}},
      {"link show", {"oregon"}},
      {"link suspend", {"oregon"}},
      {"link resume", {"oregon"}},
      {"link revoke", {"oregon", "--yes"}},
      {"feed start", {"SELECT x", "--for", "30d"}},
      {"feed show", {"3f9a"}},
      {"feed pull", {"3f9a"}},
      {"feed cancel", {"3f9a", "--yes"}},
      {"agreement propose", {"FILE"}},
      {"agreement new", {"airshed"}},
      {"agreement diff", {"3f9a", "FILE"}},
      {"agreement counter", {"3f9a", "FILE"}},
      {"agreement suspend", {"3f9a"}},
      {"agreement resume", {"3f9a"}},
      {"agreement withdraw", {"3f9a"}},
      {"agreement sign", {"3f9a"}},
      {"agreement show", {"3f9a"}},
      {"agreement terminate", {"3f9a", "--yes"}}};
  std::vector<std::string> words;
  std::istringstream parts(path);
  for (std::string part; parts >> part;) words.push_back(part);
  if (const auto found = positionals.find(path); found != positionals.end()) {
    for (std::string word : found->second) {
      if (word == "FILE") word = toml;
      if (word == "LINES") word = node.folder.path + "/x.jsonl";
      if (word == "CHARTER") word = node.folder.path + "/x.charter";
      if (word == "SECRET") word = toml;
      if (word == "SIGNALS") word = node.folder.path + "/signals.toml";
      if (word == "MODEL") word = node.folder.path + "/model.toml";
      if (word == "TYPE") word = node.folder.path + "/x.json";
      words.push_back(word);
    }
  }
  return words;
}

// The vault's and backups' commands that call no node.
bool works_on_files(const std::string& path) {
  return path == "vault status" || path == "vault protect" || path == "backup verify" ||
         path == "restore";
}

void write_inputs(const FakeNode& node) {
  node.folder.write("x.toml", "[agreement]\n");
  node.folder.write("model.toml",
                    "[model]\ntwin = \"monitor-53\"\nname = \"pm25\"\nkind = \"theta\"\n"
                    "signals = [\"pm25\"]\nstep = \"1h\"\n");
  node.folder.write("signals.toml",
                    "[[signal]]\nname = \"net_flow\"\ntwin = \"tank-1\"\n"
                    "value = \"flow_in - flow_out\"\nunit = \"litrePerSecond\"\n");
  node.folder.write("x.jsonl", R"j({"twin":"a","signal":"x","time":"2020-01-01","value":1})j"
                               "\n");
  node.folder.write("x.json", "{\"@type\":\"Interface\"}");
  SeededRandom random(1);
  const auto org = security::test::make_organisation(random);
  const Bytes next = canonical_bytes(security::test::next_charter(org.pinned));
  node.folder.write("x.charter", security::to_text(security::CharterFile{org.pinned, {next, {}}}));
  node.folder.write("x.root", security::root_key_to_text(org.keys.roots[0]), 0600);
}

// Fields of each record (RFC 4180: quoted fields may hold commas and line ends).
std::vector<std::size_t> csv_widths(const std::string& text) {
  std::vector<std::size_t> widths;
  std::size_t fields = 1;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted) continue;
    if (text[i] == ',') ++fields;
    if (text[i] == '\n') widths.push_back(std::exchange(fields, 1));
  }
  return widths;
}

json::value parsed(const std::string& text) {
  boost::system::error_code fault;
  auto value = json::parse(text, fault);
  CAPTURE(text);
  REQUIRE_FALSE(fault);
  return value;
}

}  // namespace

TEST_SUITE("node/cli") {
  TEST_CASE("an export is shown with unit and caps and every signal's bounds") {
    FakeNode node;
    const Ran ran = run(node, {"export", "show", "air"});
    CHECK(ran.code == 0);
    CHECK(node.seen().back().line == "GET /api/v1/exports/{name} name=air");
    for (const char* part :
         {"all twins with one owner", "groups a unit", "epsilon a block", "declared units",
          "signal pm25", "ug/m3: mean 0 to 200, max 0 to 500; folded by mean"}) {
      CAPTURE(part);
      CHECK(has(ran.out, part));
    }
  }

  TEST_CASE("every command: -o json is one versioned object, jsonl parses, csv is rectangular") {
    FakeNode node;
    write_inputs(node);
    for (const CommandSpec& spec : all_commands()) {
      CAPTURE(spec.path);
      // The one has no data; the other speaks to no HTTP (tests/integration/collectors_test.cpp).
      if (spec.path == "serve" || spec.path == "collector send") continue;
      if (spec.path == "key export-root") continue;  // needs a real key (tests/integration)
      auto words = words_of(spec.path, node);
      words.insert(words.end(), {"-o", "json"});
      const Ran ran = run(node, words);
      CHECK(ran.code == (spec.path == "ask" ? 6 : 0));
      CHECK_FALSE(has(ran.err, "error["));
      const auto whole = parsed(ran.out);
      CHECK(whole.at("apiVersion").as_string() == "entente/v1");
      CHECK(whole.as_object().size() > 1);
      CHECK(count_of(ran.out, "\n") == 1);

      words.back() = "jsonl";
      std::istringstream lines(run(node, words).out);
      for (std::string line; std::getline(lines, line);) CHECK(parsed(line).is_object());

      words.back() = "csv";
      const auto widths = csv_widths(run(node, words).out);
      REQUIRE(widths.size() > (spec.path == "node check" ? 0 : 1));  // no finding, no row
      for (const std::size_t width : widths) CHECK(width == widths.front());
    }
  }

  TEST_CASE("every command has help with its tag, and every writing one --dry-run") {
    FakeNode node;
    for (const CommandSpec& spec : all_commands()) {
      CAPTURE(spec.path);
      std::vector<std::string> words;
      std::istringstream parts(spec.path);
      for (std::string part; parts >> part;) words.push_back(part);
      words.push_back("--help");
      const Ran ran = run(node, words);
      CHECK(ran.code == 0);
      CHECK(has(ran.out, spec.effect == Effect::ro ? "[ro] " : "[rw] "));
      CHECK(has(ran.out, spec.summary));
      CHECK(has(ran.out, "Usage: entente " + spec.path));
      CHECK(has(ran.out, "--dry-run") == (spec.effect == Effect::rw));
      CHECK(ran.err.empty());
    }
  }

  TEST_CASE("every writing command passes --dry-run on to the node") {
    FakeNode node;
    write_inputs(node);
    for (const CommandSpec& spec : all_commands()) {
      if (spec.effect != Effect::rw || spec.path == "init" || spec.path == "node check") {
        continue;
      }
      if (spec.path == "collector send" || works_on_files(spec.path)) continue;
      if (spec.path == "key export-root") continue;
      CAPTURE(spec.path);
      auto words = words_of(spec.path, node);
      words.push_back("--dry-run");
      const std::size_t before = node.seen().size();
      CHECK(run(node, words).code == 0);
      const auto seen = node.seen();
      REQUIRE(seen.size() > before);
      for (std::size_t i = before; i < seen.size(); ++i) {
        if (seen[i].line.starts_with("POST")) CHECK(has(seen[i].line, " dryRun=1"));
      }
    }
  }

  TEST_CASE(
      "no node: each command that needs one says how to start it, and doctor says it as a check") {
    FakeNode node;
    write_inputs(node);
    node.folder.write("run/http.port", "1\n");
    const Ran ran = run(node, {"twin", "list"});
    CHECK(ran.code == 6);
    CHECK(ran.out.empty());
    CHECK(ran.err ==
          "error[ENT-1010]: node not running\n"
          "  why: nobody listens on 127.0.0.1:1\n"
          "  fix: start it with 'entente serve'\n");
    const Ran doctor = run(node, {"doctor", "-o", "json"});
    CHECK(doctor.code == 6);
    CHECK(parsed(doctor.out).at("healthy").as_bool() == false);
    CHECK(has(doctor.out, "entente serve"));
    for (const CommandSpec& spec : all_commands()) {
      auto words = words_of(spec.path, node);
      CAPTURE(spec.path);
      const bool here = spec.path == "init" || spec.path == "serve" || spec.path == "version" ||
                        spec.path == "agreement check" || spec.path == "explain" ||
                        spec.path == "node check" || spec.path == "audit privacy" ||
                        spec.path == "completion bash" || works_on_files(spec.path) ||
                        spec.path == "key new-root" || spec.path == "charter show" ||
                        spec.path == "charter sign";
      if (spec.path == "collector send" || spec.path == "key export-root") continue;
      CHECK(run(node, words).code == (here ? 0 : 6));
    }
  }

  TEST_CASE("a reload that keeps less asks first and one that does not goes ahead") {
    FakeNode node;
    const auto posts = [&] {
      std::vector<std::string> lines;
      for (const Seen& one : node.seen()) lines.push_back(one.line);
      return lines;
    };
    const std::string route = "POST /api/v1/quality/reload";
    const Ran plain = run(node, {"quality", "reload"});
    CHECK(plain.code == 0);
    CHECK(has(plain.err, "dtmi:org:air:Valve;1.flow"));
    CHECK(has(plain.err, "wait for a restart"));
    CHECK(posts() == std::vector<std::string>{route + " dryRun=1", route});
    node.reply(route,
               R"j({"items":[],"retention":[{"type":"","signal":"","before":{"readings":"90d",)j"
               R"j("minutes":"forever","hours":"forever"},"now":{"readings":"30d",)j"
               R"j("minutes":"forever","hours":"forever"}}],"loses":true,"idle":[],"series":0,)j"
               R"j("needs_restart":false,"dry_run":false})j");
    CHECK(run(node, {"quality", "reload"}).code == 2);  // nobody can be asked
    const Ran no = run(node, {"quality", "reload"}, {"n\n", true, {}});
    CHECK(no.code == 0);
    CHECK(has(no.err, "90d, forever, forever"));
    CHECK(posts().back() == route + " dryRun=1");
    CHECK(run(node, {"quality", "reload"}, {"y\n", true, {}}).code == 0);
    CHECK(posts().back() == route);
    CHECK(run(node, {"quality", "reload", "--yes"}).code == 0);
    CHECK(posts().back() == route);
  }

  TEST_CASE("an error is three lines, and with -o json also one object on standard output") {
    FakeNode node;
    node.refuse("GET /api/v1/budget", make_error(ErrorCode::denied, "ana may not read_budget"));
    const std::string lines =
        "error[ENT-3001]: denied\n"
        "  why: ana may not read_budget\n"
        "  fix: ask an administrator for a grant\n";
    Ran ran = run(node, {"budget", "show"});
    CHECK(ran.code == 4);
    CHECK(ran.out.empty());
    CHECK(ran.err == lines);
    ran = run(node, {"budget", "show", "-o", "json"});
    CHECK(ran.code == 4);
    CHECK(ran.err == lines);
    CHECK(ran.out ==
          R"j({"apiVersion":"entente/v1","error":{"code":"ENT-3001","name":"denied",)j"
          R"j("what":"ana may not read_budget","remedy":"ask an administrator for a grant",)j"
          R"j("exit":4}})j"
          "\n");
    CHECK(has(run(node, {"budget", "show"}, {"", true, {}}).err, "\x1b[1;31merror[ENT-3001]"));
    CHECK(run(node, {"budget", "show"}, {"", true, {{"NO_COLOR", "1"}}}).err == lines);
    CHECK(run(node, {"budget", "show", "--no-color"}, {"", true, {}}).err == lines);
  }

  TEST_CASE("the exit code is the error's own, for every code") {
    FakeNode node;
#define X(name, number, exit, http, reaction) ErrorCode::name,
    for (const ErrorCode code : {ENTENTE_ERROR_CODES(X)}) {
#undef X
      CAPTURE(code_text(code));
      node.refuse("GET /api/v1/exports", make_error(code, "x"));
      CHECK(run(node, {"export", "list"}).code == exit_code(code));
      const Ran explained = run(node, {"explain", code_text(code), "-o", "json"});
      CHECK(parsed(explained.out).at("exit").to_number<int>() == exit_code(code));
    }
  }

  TEST_CASE("wrong words are named, with what may have been meant, and exit 2") {
    FakeNode node;
    const auto fix_of = [&](std::vector<std::string> words) {
      const Ran ran = run(node, std::move(words));
      CHECK(ran.code == 2);
      CHECK(ran.out.empty());
      return ran.err.substr(ran.err.find("  why:"));
    };
    CHECK(fix_of({"twni", "list"}) ==
          "  why: 'twni' is no word of 'entente'\n  fix: did you mean 'twin'?\n");
    CHECK(fix_of({"twin", "lsit"}) ==
          "  why: 'lsit' is no word of 'entente twin'\n  fix: did you mean 'list'?\n");
    CHECK(fix_of({"twin", "list", "--tpye", "x"}) ==
          "  why: '--tpye' is no option of 'entente twin list'\n  fix: did you mean '--type'?\n");
    CHECK(has(fix_of({"system", "zzzz"}), "it has 'list', 'show', 'new'"));
    CHECK(has(fix_of({"twin", "show"}), "ID is required"));
    CHECK(has(fix_of({"twin", "list", "-o", "yaml"}), "yaml"));
    CHECK(has(fix_of({"status", "--timeout", "5"}), "--timeout '5' is no length of time"));
    CHECK(has(fix_of({"twin", "list", "--limit", "many"}), "--limit 'many'"));
    CHECK(has(fix_of({"serve", "--log-level", "loud"}), "none of debug"));
    CHECK(has(fix_of({"ask"}), "no question was given"));
    CHECK(run(node, {"link"}).code == 2);
    CHECK(run(node, {}).code == 0);
    CHECK(run(node, {"--version"}).out == "entente " ENTENTE_VERSION "\n");
    CHECK(run(node, {"explain", "budget_exausted"}).code == 3);
    const Ran names = run(node, {"link", "show", "orgeon"});
    CHECK(names.code == 3);
    CHECK(has(names.err, "did you mean 'oregon'?"));
    CHECK(parsed(run(node, {"twni", "-o", "json"}).out).at("error").at("exit").to_number<int>() ==
          2);
  }

  TEST_CASE("the home: option before environment before default, broken ones are refused") {
    FakeNode node;
    Ran ran = run(node, {"status", "--home", "/nowhere"});
    CHECK(ran.code == 3);
    CHECK(has(ran.err, "entente init"));
    ran = run_bare(node.local, {"status"}, {"", false, {{"HOME", "/nowhere"}}});
    CHECK(has(ran.err, "/nowhere/.entente"));
    node.folder.write("admin.token", kToken, 0644);
    ran = run(node, {"status"});
    CHECK(ran.code == 2);
    CHECK(has(ran.err, "can be read by other users"));
    node.folder.write("admin.token", "not the token");
    CHECK(run(node, {"status"}).code == 4);
    node.folder.write("admin.token", kToken);
    CHECK(run(node, {"status"}).code == 0);
    node.folder.write("entente.toml", "[http\nport = 1\n");
    ran = run(node, {"status"});
    CHECK(ran.code == 2);
    CHECK(has(ran.err, "entente.toml: line "));
    node.folder.write("entente.toml", "[http]\nport = 70000\n");
    CHECK(run(node, {"status"}).code == 2);
    node.folder.write("entente.toml", "");
    node.folder.write("run/http.port", "x");
    CHECK(run(node, {"status"}).code == 2);
  }

  TEST_CASE("what partners wrote cannot steer the terminal, and stays whole in JSON") {
    FakeNode node;
    const Ran table = run(node, {"link", "list"});
    CHECK_FALSE(has(table.out, "\x1b"));
    CHECK(has(table.out, "refused \xEF\xBF\xBD[2Jred"));
    CHECK(has(run(node, {"link", "list", "-o", "json"}).out, "\\u001b[2Jred"));
    node.refuse("GET /api/v1/links", make_error(ErrorCode::denied, "a\x1b[31mb"));
    CHECK_FALSE(has(run(node, {"link", "list"}).err, "\x1b"));
  }

  TEST_CASE("confirmations: yes, no, nobody there, and the name typed") {
    FakeNode node;
    const auto posts = [&] {
      std::size_t count = 0;
      for (const Seen& seen : node.seen()) count += seen.line.starts_with("POST");
      return count;
    };
    CHECK(run(node, {"link", "confirm", "oregon"}).code == 2);
    CHECK(run(node, {"link", "revoke", "oregon"}).code == 2);
    CHECK(run(node, {"link", "revoke", "oregon", "--no-input"}, {"oregon\n", true, {}}).code == 2);
    CHECK(run(node, {"link", "revoke", "oregon"}, {"yes\n", true, {}}).code == 2);
    CHECK(run(node, {"link", "confirm", "oregon"}, {"n\n", true, {}}).code == 4);
    CHECK(run(node, {"agreement", "terminate", "3f9a"}, {"", true, {}}).code == 2);
    CHECK(posts() == 0);
    const Ran confirmed = run(node, {"link", "confirm", "oregon"}, {"y\n", true, {}});
    CHECK(confirmed.code == 0);
    CHECK(has(confirmed.err, "amber otter canal"));
    CHECK(run(node, {"link", "revoke", "oregon"}, {"oregon\n", true, {}}).code == 0);
    CHECK(run(node, {"link", "confirm", "oregon", "--words", "amber otter canal"}).code == 0);
    CHECK(posts() == 3);
    CHECK(node.seen().back().body == R"j({"words":"amber otter canal"})j");
  }

  TEST_CASE("an invitation's token stands alone on standard output") {
    FakeNode node;
    const Ran ran = run(node, {"link", "invite", "oregon", "--expires", "2h"});
    CHECK(ran.out == "ENTL1abc\n");
    CHECK(has(ran.err, "works once"));
    CHECK(node.seen().back().body == R"j({"name":"oregon","expires":"2h"})j");
    CHECK(run(node, {"link", "invite", "oregon", "-q"}).err.empty());
  }

  TEST_CASE("reconciling says what it spends for ever and nobody does it unasked") {
    FakeNode node;
    const Ran unasked = run(node, {"budget", "reconcile"});
    CHECK(unasked.code == 2);
    CHECK(node.seen().empty());
    const Ran ran = run(node, {"budget", "reconcile", "--without", "idaho", "--yes"});
    CHECK(ran.code == 0);
    CHECK(node.seen().back().body == R"j({"without":["idaho"],"restored":false})j");
    CHECK(has(ran.err, "all blocks that began before 2026-01-02T03:04:05Z"));
    CHECK(has(ran.err, "lifetime block of each domain is spent wholly"));
    CHECK(has(ran.err, "Receipts not compared: idaho"));
  }

  TEST_CASE("tables line up by width on the screen, numbers to the right") {
    FakeNode node;
    CHECK(run(node, {"twin", "list"}).out ==
          "twin        name       type                    latest reading   age\n"
          "monitor-53  Seattle    dtmi:org:air:Monitor;1  pm25 12.4 ug/m3  2 h\n"
          "m-1         Łódź 東京  dtmi:org:air:Monitor;1  -                  -\n");
    CHECK(run(node, {"budget", "show"}).out ==
          "domain  block                 cap  spent  of it for feeds  left  left of cap  "
          "7 days to it  365 days to it\n"
          "air     2015-08-23T00:00:00Z    8   4.25                1   3.7         46 %  "
          "         9.5           20.25\n");
    CHECK(run(node, {"budget", "show", "--partners"}).out ==
          "domain  block                 organisation  spent  left for it  quota  guaranteed\n"
          "air     2015-08-23T00:00:00Z  airshed        4.25          1.5      6           2\n");
    CHECK(has(run(node, {"link", "list"}, {"", true, {}}).out, "\x1b[32mactive\x1b[0m"));
    CHECK_FALSE(has(run(node, {"link", "list"}).out, "\x1b"));
  }

  TEST_CASE("listings that are empty say so and what to do, and stay empty as data") {
    FakeNode node;
    for (const char* noun : {"twin", "link", "agreement", "system", "export", "type"}) {
      CAPTURE(noun);
      node.reply(std::string("GET /api/v1/") + noun + "s", R"j({"items":[]})j");
      const Ran ran = run(node, {noun, "list"});
      CHECK(ran.code == 0);
      CHECK(ran.out.empty());
      CHECK_FALSE(ran.err.empty());
      CHECK(run(node, {noun, "list", "-o", "jsonl"}).out.empty());
      CHECK(parsed(run(node, {noun, "list", "-o", "json"}).out).at("items").as_array().empty());
    }
  }

  TEST_CASE("pages: --all follows the cursor, otherwise it is told") {
    FakeNode node;
    node.reply("GET /api/v1/twins", R"j({"items":[{"id":"a"}],"next":"CUR"})j");
    const Ran one = run(node, {"twin", "list", "--limit", "1"});
    CHECK(has(one.err, "--cursor CUR"));
    CHECK(has(node.seen().back().line, "limit=1"));
    run(node, {"twin", "list", "--cursor", "CUR", "--type", "dtmi:x;1"});
    CHECK(has(node.seen().back().line, "cursor=CUR"));
    CHECK(has(node.seen().back().line, "type=dtmi:x;1"));
  }

  TEST_CASE("a node's odd or missing fields never break the program") {
    FakeNode node;
    write_inputs(node);
    for (const char* odd : {"{}", "[]", "null", "3",
                            R"j({"items":[1,null,{}],"rows":[7],"coverage":[null],)j"
                            R"j("domains":[{"blocks":[{}]}],"checks":[[]]})j"}) {
      for (const CommandSpec& spec : all_commands()) {
        if (spec.path == "key export-root") continue;  // its file may not be there twice
        CAPTURE(spec.path);
        CAPTURE(odd);
        if (spec.path == "collector send") continue;
        node.reply_everything(odd);
        const int code = run(node, words_of(spec.path, node)).code;
        const bool denied = code == 4 && spec.path == "access why";
        CHECK((code == 0 || code == 1 || code == 3 || code == 6 || code == 8 || denied));
      }
    }
  }

  TEST_CASE("an audit tells each export by name and one that leaks exits 8") {
    FakeNode node;
    const Ran held = run(node, {"audit", "privacy", "--quick", "-o", "json"});
    CHECK(held.code == 0);
    const auto data = parsed(held.out);
    CHECK(data.at("ok").as_bool());
    CHECK(data.at("runs").to_number<int>() == 20'000);
    CHECK(data.at("items").as_array().size() == 4);
    CHECK(data.at("items").at(2).at("about").as_string() == "air");
    CHECK(data.at("items").at(2).at("runs").to_number<int>() == 20'000);
    CHECK(parsed(run(node, {"audit", "privacy", "--full", "-o", "json"}).out)
              .at("runs")
              .to_number<int>() == 1'000'000);
    CHECK(run(node, {"audit", "privacy", "--full", "--quick"}).code != 0);
    node.folder.write("exports.toml", "leaks");
    const Ran leaks =
        run(node, {"audit", "privacy", "--exports", node.folder.path + "/exports.toml"});
    CHECK(leaks.code == 8);
    CHECK(has(leaks.out, "REFUTED"));
    CHECK(has(leaks.err, "Suspend the agreements"));
  }

  TEST_CASE("a broken audit chain exits 8, an unhealthy node makes doctor exit 1") {
    FakeNode node;
    node.reply("GET /api/v1/audit/verify",
               R"j({"records":9,"head":"x","ok":false,"first_bad":4})j");
    const Ran audit = run(node, {"audit", "verify"});
    CHECK(audit.code == 8);
    CHECK(has(audit.err, "broken at entry 4"));
    CHECK(run(node, {"doctor"}).code == 0);  // a warning is none
    node.reply("GET /api/v1/status",
               R"j({"checks":[{"name":"disk","state":"fail","detail":"full"}]})j");
    CHECK(run(node, {"doctor"}).code == 1);
  }

  TEST_CASE("commands that the program was built without are refused") {
    const LocalCommands none;
    const Ran ran = run_bare(none, {"init", "--org", "x"});
    CHECK(ran.code == exit_code(ErrorCode::unsupported));
    CHECK(run_bare(none, {"serve"}).code == exit_code(ErrorCode::unsupported));
  }

  TEST_CASE("node check lists what is wrong and where and exits 8, and 0 when all is well") {
    FakeNode node;
    const Ran well = run(node, {"node", "check"});
    CHECK(well.code == 0);
    CHECK(has(well.err, "Everything holds"));
    CHECK(run(node, {"node", "check", "--repair", "--dry-run"}).code == 0);  // not handed over
    const Ran ill = run(node, {"node", "check", "--repair"});
    CHECK(ill.code == 8);
    CHECK(has(ill.out, "segment 7"));
    const Ran json = run(node, {"node", "check", "--repair", "-o", "json"});
    CHECK(json.code == 8);
    CHECK(parsed(json.out).at("findings").at(0).at("table").as_string() == "segment");
  }

  TEST_CASE("init and serve hand over what was said") {
    FakeNode node;
    InitOptions init;
    ServeOptions serve;
    node.local.init = [&](const InitOptions& options) -> Result<LocalReport> {
      init = options;
      return LocalReport{{{"x", 1}}, {}};
    };
    node.local.serve = [&](const ServeOptions& options) -> Result<int> {
      serve = options;
      return make_error(ErrorCode::port_in_use, "taken");
    };
    CHECK(run(node, {"init", "--org", "wa", "--title", "W A", "--address", "h:1", "--http-port",
                     "0", "--dry-run"})
              .code == 0);
    CHECK(init.organisation == "wa");
    CHECK(init.title == "W A");
    CHECK(init.site == "main");
    CHECK(init.federation_address == "h:1");
    CHECK(init.http_port == 0);
    CHECK_FALSE(init.federation_port.has_value());
    CHECK(init.dry_run);
    CHECK(init.home == node.folder.path);
    CHECK(run(node, {"serve", "--federation-port", "9", "--log-format", "json"}).code == 7);
    CHECK(serve.federation_port == 9);
    CHECK(serve.log_format == "json");
    CHECK(run(node, {"serve", "--http-port", "65536"}).code == 2);
    CHECK(run(node, {"init", "--org", "Not Good"}).code == 2);
  }

  TEST_CASE("bash accepts the completion script and completes nouns, verbs and options") {
    FakeNode node;
    const std::string script =
        node.folder.write("completion", run(node, {"completion", "bash"}).out);
    const auto complete = [&](const std::string& words, int at) {
      const std::string command = "bash -c 'source " + script + "; COMP_WORDS=(" + words +
                                  "); COMP_CWORD=" + std::to_string(at) +
                                  "; _entente; echo ${COMPREPLY[*]}' 2>&1";
      FILE* pipe = ::popen(command.c_str(), "r");
      REQUIRE(pipe != nullptr);
      std::array<char, 4'096> text{};
      const std::size_t got = std::fread(text.data(), 1, text.size(), pipe);
      ::pclose(pipe);
      return std::string(text.data(), got);
    };
    CHECK(complete("entente li", 1) == "link\n");
    CHECK(complete("entente link a", 2) == "accept\n");
    CHECK(complete("entente link invite --ex", 3) == "--expires\n");
    CHECK(complete("entente ask preview --dr", 3) == "\n");
    CHECK(complete("entente ask x --dr", 3) == "--dry-run\n");
    CHECK(complete("entente status -o j", 3) == "json jsonl\n");
  }
}

}  // namespace entente::node::test
