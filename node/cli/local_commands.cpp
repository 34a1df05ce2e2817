// Commands that need no running node: init, serve, agreement check, explain, version, completion.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <ostream>

#include "federation/query/suggest.h"
#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "schemas/base/ids.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Error not_built_in(std::string_view command) {
  return make_error(ErrorCode::unsupported,
                    "this program was built without '" + std::string(command) + "'");
}

Result<std::optional<std::uint16_t>> port_option(const Session& session, std::string_view name) {
  if (session.value(name).empty()) return std::optional<std::uint16_t>{};
  auto number = session.number(name, 0, 65'535);
  if (!number) return std::move(number).error();
  return std::optional<std::uint16_t>(static_cast<std::uint16_t>(*number));
}

Result<int> init(Session& session) {
  if (!session.local().init) return not_built_in("init");
  InitOptions options;
  options.home = session.home();
  auto organisation = checked_local_id(session.value("org"), "organisation");
  if (!organisation) return std::move(organisation).error();
  options.organisation = *organisation;
  options.title = session.value("title").empty() ? options.organisation : session.value("title");
  if (!session.value("site").empty()) {
    auto site = checked_local_id(session.value("site"), "site");
    if (!site) return std::move(site).error();
    options.site = *site;
  }
  options.federation_address = session.value("address");
  auto http = port_option(session, "http-port");
  if (!http) return std::move(http).error();
  auto federation = port_option(session, "federation-port");
  if (!federation) return std::move(federation).error();
  options.http_port = *http;
  options.federation_port = *federation;
  options.dry_run = session.dry_run();
  auto report = session.local().init(options);
  if (!report) return std::move(report).error();
  session.show(*report);
  return 0;
}

Result<int> serve(Session& session) {
  if (!session.local().serve) return not_built_in("serve");
  ServeOptions options;
  options.home = session.home();
  auto http = port_option(session, "http-port");
  if (!http) return std::move(http).error();
  auto federation = port_option(session, "federation-port");
  if (!federation) return std::move(federation).error();
  options.http_port = *http;
  options.federation_port = *federation;
  if (const auto level = session.value("log-level"); !level.empty()) options.log_level = level;
  const std::vector<std::string> levels{"debug", "info", "warn", "error"};
  if (std::find(levels.begin(), levels.end(), options.log_level) == levels.end()) {
    return make_error(ErrorCode::invalid_argument, "--log-level '" + options.log_level +
                                                       "' is none of debug, info, warn, error");
  }
  options.log_format = session.value("log-format");
  if (!options.log_format.empty() && options.log_format != "json" &&
      options.log_format != "plain") {
    return make_error(ErrorCode::invalid_argument, "--log-format is json or plain");
  }
  if (const auto file = session.value("passphrase-file"); !file.empty()) {
    options.passphrase_file = file;
  }
  return session.local().serve(options);
}

Result<int> check_node(Session& session) {
  if (!session.local().node_check) return not_built_in("node check");
  NodeCheckOptions options;
  options.home = session.home();
  options.repair = session.flag("repair") && !session.dry_run();
  auto report = session.local().node_check(options);
  if (!report) return std::move(report).error();
  Table table{{{"file", "FILE"},
               {"table", "TABLE"},
               {"row", "ROW"},
               {"what", "WHAT IS WRONG"},
               {"remedy", "WHAT TO DO"}},
              {}};
  const auto& findings = report->data.at("findings").as_array();
  for (const auto& finding : findings) {
    auto& row = table.rows.emplace_back();
    for (const auto& column : table.columns) row.push_back(finding.at(column.key));
  }
  const bool ok = findings.empty();
  for (const auto& done : report->data.at("repairs").as_array()) {
    session.say(std::string(done.as_string()));
  }
  session.show({std::move(report->data), std::move(table), "findings", false});
  session.say(ok ? "Everything holds."
                 : "Something is wrong; nothing that fails is answered from.");
  return ok ? 0 : exit_code(ErrorCode::verification_failed);
}

// What the caps of each export mean to one unit.
Table meaning_table(const json::array& meaning) {
  Table table{{{"export", "export"},
               {"protects", "protects"},
               {"who", "whose cap"},
               {"block", "epsilon a block", Kind::number, 2},
               {"week", "a week", Kind::number, 2},
               {"year", "a year", Kind::number, 2},
               {"delta", "at delta"}},
              {}};
  for (const json::value& one : meaning) {
    for (const auto& [key, who] :
         {std::pair{"partner_epsilon", "this partner"}, {"site_epsilon", "all together"}}) {
      const json::value& epsilon = field(one, key);
      table.rows.push_back({field(one, "export"), field(one, "protects"), who,
                            field(epsilon, "block"), field(epsilon, "week"), field(epsilon, "year"),
                            field(one, "delta")});
    }
  }
  return table;
}

// What a whole block's quota buys in the smallest group.
Table worth_table(const json::array& meaning) {
  Table table{{{"export", "export"},
               {"least_units", "smallest group", Kind::integer},
               {"item", "for a whole block's quota"},
               {"standard_error", "standard error", Kind::number},
               {"unit", "unit"},
               {"bounds_width", "width of the bounds", Kind::number}},
              {}};
  for (const json::value& one : meaning) {
    for (const json::value& item : array_of_field(one, "worth")) {
      const bool bounded = number_of_field(item, "bounds_width").value_or(0) > 0;
      table.rows.push_back({field(one, "export"), field(one, "least_units"), field(item, "item"),
                            field(item, "standard_error"), field(item, "unit"),
                            bounded ? field(item, "bounds_width") : json::value()});
    }
  }
  return table;
}

Result<int> check_agreement(Session& session) {
  if (!session.local().agreement_check) return not_built_in("agreement check");
  AgreementCheckOptions options;
  options.home = session.home();
  options.path = session.value("FILE");
  auto text = read_whole(options.path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  options.text = std::move(*text);
  auto report = session.local().agreement_check(options);
  if (!report) return std::move(report).error();
  const json::array meaning = array_of_field(report->data, "meaning");
  if (meaning.empty() || !session.for_people()) {
    session.show(*report);
    return 0;
  }
  session.show({std::move(report->data), meaning_table(meaning), "meaning", false});
  session.say_table(worth_table(meaning));
  for (const std::string& words : report->words) session.say(words);
  return 0;
}

std::optional<ErrorCode> code_of(const std::string& text) {
  std::vector<ErrorCode> all;
#define X(name, number, exit_code, http, reaction) all.push_back(ErrorCode::name);
  ENTENTE_ERROR_CODES(X)
#undef X
  for (const ErrorCode code : all) {
    const std::string full = code_text(code);
    if (text == full || "ENT-" + text == full || text == code_name(code)) return code;
  }
  return std::nullopt;
}

Result<int> explain(Session& session) {
  std::string text = session.value("CODE");
  if (text.starts_with("ent-")) text.replace(0, 4, "ENT-");
  const auto code = code_of(text);
  if (!code) {
    std::vector<std::string> known;
#define X(name, number, exit_code, http, reaction) known.push_back(#name);
    ENTENTE_ERROR_CODES(X)
#undef X
    const auto near = federation::nearest(text, known);
    return make_error(ErrorCode::not_found, "there is no error code '" + text + "'",
                      near.empty() ? "codes look like ENT-1003" : federation::did_you_mean(near));
  }
  const json::object data{{"code", code_text(*code)},
                          {"name", code_name(*code)},
                          {"remedy", reaction(*code)},
                          {"exit", exit_code(*code)},
                          {"http_status", http_status(*code)}};
  session.show(LocalReport{data, {}});
  return 0;
}

Result<int> version(Session& session) {
  session.show({{{"version", ENTENTE_VERSION}},
                properties_table({{"entente", json::value(ENTENTE_VERSION)}}),
                "",
                true});
  return 0;
}

Result<int> completion(Session& session) {
  const std::string script = bash_completion(all_commands());
  if (session.format() == Format::table) {
    session.streams().out << script;
  } else {
    session.show({{{"shell", "bash"}, {"script", script}},
                  properties_table({{"script", json::value(script)}}),
                  "",
                  true});
  }
  return 0;
}

}  // namespace

void add_local_commands(CommandTable& table) {
  table.push_back({"init",
                   Effect::rw,
                   "Make this site's node: keys, charter, configuration, token",
                   {{"org", Form::value, "NAME", "the organisation's short name: a-z 0-9 . _ -"},
                    {"title", Form::value, "TEXT", "its name for people"},
                    {"site", Form::value, "NAME", "this location's short name (main)"},
                    {"address", Form::value, "HOST:PORT", "where partners reach this site"},
                    {"http-port", Form::value, "PORT", "of the API (8470; 0 chooses a free one)"},
                    {"federation-port", Form::value, "PORT", "of links (8471; 0 likewise)"}},
                   {"entente init --org washington --title 'Department of Ecology'"},
                   init});
  table.push_back({"serve",
                   Effect::daemon,
                   "Run the node until it is told to stop",
                   {{"http-port", Form::value, "PORT", "instead of the configured one"},
                    {"federation-port", Form::value, "PORT", "instead of the configured one"},
                    {"log-level", Form::value, "LEVEL", "debug, info, warn or error (info)"},
                    {"log-format", Form::value, "FORM", "json or plain"},
                    {"passphrase-file", Form::value, "FILE",
                     "that holds the vault's pass phrase (else the node waits, sealed)"}},
                   {"entente serve", "entente serve --home /var/lib/entente --log-format json"},
                   serve});
  table.push_back({"node check",
                   Effect::rw,
                   "Verify a stopped node's databases: every page, every checksum, every summary",
                   {{"repair", Form::flag, "", "make history.db anew from what can be read"}},
                   {"entente node check", "entente node check --repair -o json"},
                   check_node});
  table.push_back({"agreement check",
                   Effect::ro,
                   "Check an agreement's text, run its tests, and say what its caps mean",
                   {{"FILE", Form::positional, "", "the agreement (TOML), - for standard input"}},
                   {"entente agreement check washington.toml"},
                   check_agreement});
  table.push_back({"explain",
                   Effect::ro,
                   "Say what an error code means and what to do",
                   {{"CODE", Form::positional, "", "like ENT-5001 or budget_exhausted"}},
                   {"entente explain ENT-5001"},
                   explain});
  table.push_back({"version", Effect::ro, "Say which version this is", {}, {}, version});
  table.push_back({"completion bash",
                   Effect::ro,
                   "Print the completion script for bash",
                   {},
                   {"source <(entente completion bash)"},
                   completion});
}

}  // namespace entente::node
