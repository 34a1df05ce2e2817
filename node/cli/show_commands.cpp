// status, doctor, exports.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string with_title(const json::value& organisation) {
  const std::string name = text_of_field(organisation, "name");
  const std::string title = text_of_field(organisation, "title");
  return title.empty() || title == name ? name : name + " (" + title + ")";
}

// "3 active, 1 pending" of {"active":3,"pending":1}.
std::string counts_text(const json::value& counts) {
  const auto* object = counts.if_object();
  if (object == nullptr) return {};
  std::string out;
  for (const auto& member : *object) {
    const auto number = number_of(member.value());
    if (!number || *number == 0) continue;
    out += (out.empty() ? "" : ", ") + shortest(*number) + " " + std::string(member.key());
  }
  return out.empty() ? "none" : out;
}

Table checks_table(const json::value& status) {
  Table table{{{"name", "check"},
               {"state", "state", Kind::state},
               {"detail", "found"},
               {"remedy", "what to do"}},
              {}};
  for (const json::value& check : array_of_field(status, "checks")) {
    table.rows.push_back({field(check, "name"), field(check, "state"), field(check, "detail"),
                          field(check, "remedy")});
  }
  return table;
}

std::string checks_summary(const json::value& status) {
  std::size_t warn = 0, fail = 0;
  const auto& checks = array_of_field(status, "checks");
  for (const json::value& check : checks) {
    const std::string state = text_of_field(check, "state");
    if (state == "warn") ++warn;
    if (state == "fail") ++fail;
  }
  if (warn + fail == 0) return "all " + std::to_string(checks.size()) + " ok";
  return std::to_string(fail) + " failed, " + std::to_string(warn) +
         (warn == 1 ? " warning" : " warnings") + ": see 'entente doctor'";
}

Result<int> status(Session& session) {
  auto got = session.get("/api/v1/status");
  if (!got) return std::move(got).error();
  const json::value& organisation = field(*got, "organisation");
  std::vector<std::pair<std::string, json::value>> lines{
      {"organisation", json::value(with_title(organisation))},
      {"id", field(organisation, "id")},
      {"site", field(*got, "site")},
      {"version", field(*got, "version")}};
  if (const auto uptime = number_of_field(*got, "uptime_s")) {
    lines.emplace_back("up", age_text(*uptime));
  }
  lines.emplace_back("http", field(*got, "http"));
  const json::value& federation = field(field(*got, "federation"), "listening");
  lines.emplace_back("federation", federation.is_bool() && !federation.get_bool()
                                       ? json::value("not listening")
                                       : federation);
  lines.emplace_back("twins", field(*got, "twins"));
  lines.emplace_back("readings", field(*got, "readings"));
  lines.emplace_back("links", counts_text(field(*got, "links")));
  lines.emplace_back("checks", checks_summary(*got));
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  return 0;
}

Result<int> doctor(Session& session) {
  auto got = session.get("/api/v1/status");
  int code = 0;
  json::value report;
  if (got) {
    report = std::move(*got);
  } else {
    // A node that does not answer is the first thing a doctor should say.
    const Error& error = got.error();
    code = exit_code(error.code);
    json::array checks{json::object{
        {"name", "node"}, {"state", "fail"}, {"detail", error.what}, {"remedy", error.advice()}}};
    // What the files say without it.
    if (session.local().home_checks && error.code == ErrorCode::node_not_running) {
      for (json::value& check : session.local().home_checks(session.home())) {
        checks.push_back(std::move(check));
      }
    }
    report = json::object{{"checks", std::move(checks)}};
  }
  for (const json::value& check : array_of_field(report, "checks")) {
    if (code == 0 && text_of_field(check, "state") == "fail") code = 1;
  }
  const Table table = checks_table(report);
  json::object payload{{"healthy", code == 0}, {"checks", array_of_field(report, "checks")}};
  session.show({std::move(payload), table, "checks", false});
  if (session.for_people()) session.say(checks_summary(report));
  return code;
}

Result<int> list_exports(Session& session) {
  auto got = session.get("/api/v1/exports");
  if (!got) return std::move(got).error();
  Table table{{{"name", "export"},
               {"domain", "domain"},
               {"type", "type"},
               {"keys", "keys"},
               {"measures", "measures"},
               {"tick", "tick"},
               {"protects", "protects"},
               {"groups_per_unit", "groups a unit", Kind::integer},
               {"private_keys", "private keys"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "name"), field(item, "domain"), field(item, "type"),
                          field(item, "keys"), field(item, "measures"), field(item, "tick"),
                          field(item, "protects"), field(item, "groups_per_unit"),
                          field(item, "private_keys")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people())
    session.say("No exports: partners can be offered nothing yet.");
  return 0;
}

// "ug/m3: mean 0 to 200, max 0 to 500; folded by mean"
std::string signal_text(const json::value& signal) {
  std::string bounds;
  for (const json::value& one : array_of_field(signal, "bounds")) {
    const auto lower = number_of_field(one, "lower"), upper = number_of_field(one, "upper");
    if (!lower || !upper) continue;
    bounds += (bounds.empty() ? "" : ", ") + text_of_field(one, "reducer") + " " +
              shortest(*lower) + " to " + shortest(*upper);
  }
  const std::string unit = text_of_field(signal, "unit");
  return (unit.empty() ? "" : unit + ": ") + bounds + "; folded by " +
         text_of_field(signal, "reducer");
}

Result<int> show_export(Session& session) {
  auto got = session.get("/api/v1/exports/" + url_encoded(session.value("NAME")));
  if (!got) return std::move(got).error();
  std::vector<std::pair<std::string, json::value>> lines;
  for (const auto& [member, words] : std::initializer_list<std::pair<const char*, const char*>>{
           {"name", "export"},
           {"site", "site"},
           {"type", "type"},
           {"domain", "privacy domain"},
           {"protects", "protects"},
           {"unit", "unit"},
           {"groups_per_unit", "groups a unit"},
           {"block", "block"},
           {"epsilon_per_block", "epsilon a block"},
           {"delta", "delta"},
           {"threshold_delta", "delta for private keys"},
           {"keys", "public keys"},
           {"private_keys", "private keys"},
           {"private_delta", "delta a question by them"},
           {"private_min_units", "least units of their groups"},
           {"cells", "public cells"},
           {"declared_units", "declared units"},
           {"tick", "tick"},
           {"zone", "zone"},
           {"lateness", "lateness"},
           {"revisions", "revisions after"}}) {
    lines.emplace_back(words, field(*got, member));
  }
  for (const json::value& signal : array_of_field(*got, "signals")) {
    lines.emplace_back("signal " + text_of_field(signal, "name"), json::value(signal_text(signal)));
  }
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  return 0;
}

}  // namespace

void add_show_commands(CommandTable& table) {
  table.push_back({"status",
                   Effect::ro,
                   "What this node is and how it does",
                   {},
                   {"entente status", "entente status -o json"},
                   status});
  table.push_back({"doctor",
                   Effect::ro,
                   "Check everything, with the command that repairs it",
                   {},
                   {"entente doctor"},
                   doctor});
  table.push_back({"export list",
                   Effect::ro,
                   "What partners may be offered",
                   {},
                   {"entente export list"},
                   list_exports});
  table.push_back({"export show",
                   Effect::ro,
                   "What one export offers: unit, block, caps, keys and every signal's bounds",
                   {{"NAME", Form::positional, "", "the export's name"}},
                   {"entente export show air"},
                   show_export});
}

}  // namespace entente::node
