// Models of twins, what they forecast, what they found unusual, what-if.
#include "node/cli/model_commands.h"

#include <boost/json.hpp>
#include <charconv>
#include <fstream>
#include <tuple>

#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/modelling/definition.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string twin_path(Session& session, const std::string& rest) {
  return "/api/v1/twins/" + url_encoded(session.value("ID")) + "/" + rest;
}

// "24h,7d" as a list; empty when the option was not given.
json::array listed(const std::string& text) {
  json::array all;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    if (end > at) all.emplace_back(text.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

json::value percent(const json::value& share) {
  const auto number = number_of(share);
  return number ? json::value(*number * 100) : json::value();
}

// To four digits, for people; what is no number stays as it is.
json::value rounded(const json::value& value) {
  const auto number = number_of(value);
  if (!number) return value;
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", *number);
  return json::value(text);
}

Result<double> real_of(Session& session, const char* name) {
  const std::string text = session.value(name);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return value;
  return make_error(ErrorCode::invalid_argument,
                    std::string("--") + name + " '" + text + "' is no number");
}

// "TWIN/NAME": a twin's id may have slashes, a model's name has none.
Result<std::string> model_path(Session& session) {
  const std::string text = session.value("MODEL");
  const auto slash = text.rfind('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size()) {
    return make_error(ErrorCode::invalid_argument, "'" + text + "' is no model",
                      "write TWIN/NAME, as 'entente model list' shows it");
  }
  return "/api/v1/twins/" + url_encoded(text.substr(0, slash)) + "/models/" +
         url_encoded(text.substr(slash + 1));
}

Outcome write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.flush();
  if (out) return {};
  return make_error(ErrorCode::invalid_argument, "cannot write " + path);
}

// Of physical and subspace models: orders by their error one step ahead.
Table dynamics_table(const json::value& got) {
  Table table{{{"chosen", "chosen"},
               {"method", "method"},
               {"step_error", "RMS one step ahead", Kind::number},
               {"naive_step_error", "of as before", Kind::number},
               {"whiteness_p", "Ljung-Box p", Kind::number, 3},
               {"points", "points", Kind::integer}},
              {}};
  for (const json::value& item : array_of_field(got, "items")) {
    table.rows.push_back({json::value(is_true(item, "chosen") ? "*" : ""),
                          is_true(item, "fitted")
                              ? field(item, "method")
                              : json::value(text_of_field(item, "method") + ", not fitted"),
                          field(item, "step_error"), field(item, "naive_step_error"),
                          field(item, "whiteness_p"), field(item, "points")});
  }
  return table;
}

// "area_m2 = 5.01 (4.9 to 5.1)", a line each.
std::string parameter_words(const json::value& got) {
  std::string words;
  const auto digits = [](const json::value& value) {
    const json::value shown = rounded(value);
    return shown.is_string() ? std::string(shown.get_string()) : std::string("not known");
  };
  for (const json::value& one : array_of_field(got, "parameters")) {
    words += (words.empty() ? "" : "\n") + text_of_field(one, "name") + " = " +
             digits(field(one, "value"));
    if (number_of_field(one, "low")) {
      words += " (95 %: " + digits(field(one, "low")) + " to " + digits(field(one, "high")) + ")";
    }
  }
  return words;
}

Result<int> identify_model(Session& session) {
  json::object body{{"for", session.flag("anomalies") ? "anomalies" : "forecast"}};
  for (const char* name : {"signal", "name", "step", "horizon", "kind"}) {
    if (!session.value(name).empty()) body[name] = session.value(name);
  }
  body["inputs"] = listed(session.value("input"));
  body["periods"] = listed(session.value("period"));
  auto got = session.post(twin_path(session, "models/identify"), body);
  if (!got) return std::move(got).error();
  Table table{{{"chosen", "chosen"},
               {"method", "method"},
               {"kind", "kind"},
               {"mean_absolute_error", "MAE", Kind::number},
               {"mase", "MASE", Kind::number, 3},
               {"coverage_half_percent", "in 50 % band", Kind::percent},
               {"coverage_ninety_percent", "in 90 % band", Kind::percent},
               {"points", "points", Kind::integer}},
              {}};
  if (!session.value("kind").empty()) table = dynamics_table(*got);
  for (const json::value& item : array_of_field(*got, "items")) {
    if (!session.value("kind").empty()) break;
    const bool fitted = is_true(item, "fitted");
    table.rows.push_back({json::value(is_true(item, "chosen") ? "*" : ""), field(item, "method"),
                          fitted ? field(item, "kind") : json::value("could not be fitted"),
                          field(item, "mean_absolute_error"), field(item, "mase"),
                          percent(field(item, "coverage_half")),
                          percent(field(item, "coverage_ninety")), field(item, "points")});
  }
  const std::string toml = text_of_field(*got, "toml"), out = session.value("out");
  const std::string parameters = parameter_words(*got);
  const bool naive_wins = field(*got, "beats_naive").is_bool() && !is_true(*got, "beats_naive");
  const auto alarms = number_of_field(*got, "alarms");
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (!parameters.empty() && session.for_people()) session.say(parameters);
  if (naive_wins) session.say("Nothing beats the naive here.");
  if (alarms) session.say("It would have told " + shortest(*alarms) + " anomalies so far.");
  if (out.empty()) {
    if (session.for_people()) session.say("\n" + toml + "\nKeep it with --out FILE.");
    return 0;
  }
  if (auto written = write_file(out, toml); !written) return std::move(written).error();
  session.say("Review " + out + ", then: entente model apply " + out);
  return 0;
}

std::string name_of(const json::value& model) {
  return text_of_field(model, "twin") + "/" + text_of_field(model, "name");
}

std::vector<std::pair<std::string, json::value>> model_lines(const json::value& model) {
  const json::value& validation = field(model, "validation");
  std::vector<std::pair<std::string, json::value>> lines{{"model", json::value(name_of(model))},
                                                         {"kind", field(model, "kind")},
                                                         {"version", field(model, "version")},
                                                         {"life", field(model, "life")}};
  if (const auto why = text_of_field(model, "reason"); !why.empty()) lines.emplace_back("why", why);
  lines.emplace_back("since", field(model, "since"));
  if (number_of_field(validation, "points").value_or(0) > 0) {
    lines.emplace_back("validated on", json::value(text_of_field(validation, "from") + " .. " +
                                                   text_of_field(validation, "to")));
    lines.emplace_back("MAE", rounded(field(validation, "mean_absolute_error")));
    lines.emplace_back("MAE of the naive", rounded(field(validation, "naive_error")));
    lines.emplace_back("MASE", rounded(field(validation, "mase")));
    lines.emplace_back("in 50 % band, %", rounded(percent(field(validation, "coverage_half"))));
    lines.emplace_back("in 90 % band, %", rounded(percent(field(validation, "coverage_ninety"))));
  } else {
    lines.emplace_back("observations", field(validation, "observations"));
    lines.emplace_back("anomalies at validation", field(validation, "alarms"));
  }
  return lines;
}

Result<int> apply_model(Session& session) {
  const std::string path = session.value("FILE");
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  // Read here as well, so that an error names the file.
  auto definition = read_definition(*text, path, ModelKinds());
  if (!definition) return std::move(definition).error();
  std::string target = "/api/v1/twins/" + url_encoded(definition->twin) + "/models";
  if (session.flag("hold")) target += "?hold=1";
  auto got = session.post_text(target, std::move(*text), "text/toml");
  if (!got) return std::move(got).error();
  auto lines = model_lines(*got);
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

Result<int> retire_model(Session& session) {
  auto path = model_path(session);
  if (!path) return std::move(path).error();
  auto got = session.post(*path + "/retire", json::object{});
  if (!got) return std::move(got).error();
  auto lines = model_lines(*got);
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

Result<int> list_models(Session& session) {
  const std::string twin = session.value("ID");
  auto got = session.get(twin.empty() ? "/api/v1/models"
                                      : "/api/v1/twins/" + url_encoded(twin) + "/models");
  if (!got) return std::move(got).error();
  Table table{{{"model", "model"},
               {"kind", "kind"},
               {"version", "version", Kind::integer},
               {"life", "life", Kind::state},
               {"mase", "MASE", Kind::number, 3},
               {"behind_s", "behind", Kind::age},
               {"reason", "why"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    const std::string failed = text_of_field(item, "last_error");
    table.rows.push_back({json::value(name_of(item)), field(item, "kind"), field(item, "version"),
                          field(item, "life"), field(field(item, "validation"), "mase"),
                          field(item, "behind_s"),
                          failed.empty() ? field(item, "reason") : json::value(failed)});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say("No models yet: entente model identify TWIN --out FILE");
  }
  return 0;
}

Result<int> show_model(Session& session) {
  auto path = model_path(session);
  if (!path) return std::move(path).error();
  auto got = session.get(*path);
  if (!got) return std::move(got).error();
  auto lines = model_lines(*got);
  if (is_true(*got, "running")) {
    lines.emplace_back("told up to", field(*got, "fed_to"));
    const auto behind = number_of_field(*got, "behind_s");
    lines.emplace_back("behind", json::value(behind && *behind > 0 ? age_text(*behind) : "no"));
    lines.emplace_back("drift, of 1", rounded(field(*got, "drift")));
  }
  const json::value& score = field(*got, "score");
  if (number_of_field(score, "points").value_or(0) > 0) {
    lines.emplace_back("forecasts kept", field(score, "forecasts"));
    lines.emplace_back("their values that came", field(score, "points"));
    lines.emplace_back("their MASE", rounded(field(score, "mase")));
    lines.emplace_back("of these in 50 % band, %", rounded(percent(field(score, "coverage_half"))));
    lines.emplace_back("of these in 90 % band, %",
                       rounded(percent(field(score, "coverage_ninety"))));
  }
  for (const json::value& one : array_of_field(*got, "residual")) {
    lines.emplace_back("residual of " + text_of_field(one, "signal"),
                       rounded(field(one, "difference")));
  }
  if (const auto failed = text_of_field(*got, "last_error"); !failed.empty()) {
    lines.emplace_back("last error", failed);
  }
  const std::string toml = text_of_field(*got, "toml");
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  if (session.for_people()) session.say("\n" + toml);
  return 0;
}

Table path_table(const std::string& first) {
  return {{{"signal", first},
           {"time", "time"},
           {"mean", "mean", Kind::number},
           {"low50", "50 % from", Kind::number},
           {"high50", "to", Kind::number},
           {"low90", "90 % from", Kind::number},
           {"high90", "to", Kind::number}},
          {}};
}

void add_path(Table& table, const json::value& signal, const json::array& path) {
  for (const json::value& point : path) {
    table.rows.push_back({signal, field(point, "time"), field(point, "mean"), field(point, "low50"),
                          field(point, "high50"), field(point, "low90"), field(point, "high90")});
  }
}

// "?name=value&name=value" of the options that were given.
std::string query_of(Session& session, std::initializer_list<const char*> names) {
  std::string query;
  for (const char* name : names) {
    if (session.value(name).empty()) continue;
    query +=
        (query.empty() ? "?" : "&") + std::string(name) + "=" + url_encoded(session.value(name));
  }
  return query;
}

// `system/NAME.PROPERTY` is a kept property of a system twin; anything else is a twin's id.
std::string forecast_target(Session& session) {
  const std::string id = session.value("ID");
  constexpr std::string_view kSystem = "system/";
  const auto dot = id.rfind('.');
  if (!id.starts_with(kSystem) || dot == std::string::npos) {
    return twin_path(session, "forecast" + query_of(session, {"signal", "for", "model", "set"}));
  }
  const std::string name = id.substr(kSystem.size(), dot - kSystem.size());
  const std::string ahead = query_of(session, {"for"});
  return "/api/v1/systems/" + url_encoded(name) + "/forecast" +
         (ahead.empty() ? "?" : ahead + "&") + "property=" + url_encoded(id.substr(dot + 1));
}

Result<int> show_forecast(Session& session) {
  auto got = session.get(forecast_target(session));
  if (!got) return std::move(got).error();
  Table table = path_table("signal");
  for (const json::value& item : array_of_field(*got, "items")) {
    add_path(table, field(item, "signal"), array_of_field(item, "path"));
  }
  const std::string words = "By " + text_of_field(*got, "model") + " (" +
                            text_of_field(*got, "kind") + ", version " +
                            json::serialize(field(*got, "version")) + "), issued at " +
                            text_of_field(*got, "issued") + ".";
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (session.for_people()) session.say(words);
  return 0;
}

Result<int> show_anomalies(Session& session) {
  auto got = session.get(twin_path(session, "anomalies" + query_of(session, {"since", "limit"})));
  if (!got) return std::move(got).error();
  Table table{{{"time", "time"},
               {"signal", "signal"},
               {"value", "value", Kind::number},
               {"expected", "expected", Kind::number},
               {"evidence", "evidence", Kind::number, 1},
               {"model", "model"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "time"), field(item, "signal"), field(item, "value"),
                          field(item, "expected"), field(item, "evidence"), field(item, "model")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say("No anomalies. A detector is made by: entente model identify TWIN --anomalies");
  }
  return 0;
}

Result<int> simulate_twin(Session& session) {
  json::object body{{"set", listed(session.value("set"))}};
  for (const char* name : {"model", "for"}) {
    if (!session.value(name).empty()) body[name] = session.value(name);
  }
  for (const auto& [name, otherwise, most] :
       {std::tuple{"runs", 200, 10'000}, std::tuple{"seed", 1, 2'000'000'000}}) {
    auto count = session.number(name, static_cast<std::uint64_t>(otherwise),
                                static_cast<std::uint64_t>(most));
    if (!count) return std::move(count).error();
    body[name] = *count;
  }
  if (!session.value("limit").empty()) {
    auto limit = real_of(session, "limit");
    if (!limit) return std::move(limit).error();
    body["limit"] = *limit;
  }
  auto got = session.post(twin_path(session, "simulate"), body);
  if (!got) return std::move(got).error();
  Table table = path_table("signal");
  add_path(table, field(*got, "signal"), array_of_field(*got, "path"));
  std::string words = json::serialize(field(*got, "runs")) + " runs, seed " +
                      json::serialize(field(*got, "seed")) + ", errors of " +
                      json::serialize(field(*got, "past_errors")) + " past forecasts.";
  const auto above = number_of_field(*got, "above"), below = number_of_field(*got, "below");
  if (above && below) {
    words += " Above the limit at some time: " + fixed(*above * 100, 1) +
             " % of them; below: " + fixed(*below * 100, 1) + " %.";
  }
  session.show({object_of(std::move(*got)), std::move(table), "path", false});
  if (session.for_people()) session.say(words);
  return 0;
}

void add_twin_verbs(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "", "the twin's id"};
  const OptionSpec model{"model", Form::value, "NAME", "by this model"};
  table.push_back({"twin forecast",
                   Effect::ro,
                   "What comes next, with bands of 50 and 90 %",
                   {{"ID", Form::positional, "", "the twin's id; or system/NAME.PROPERTY"},
                    {"signal", Form::value, "NAME", "of this signal"},
                    {"for", Form::value, "TIME", "how far, like 24h (the model's own horizon)"},
                    {"set", Form::value, "INPUT=VALUE,…", "inputs held at other values than now"},
                    model},
                   {"entente twin forecast monitor-530330030 --for 24h",
                    "entente twin forecast room-1 --set heat=2000 --for 6h",
                    "entente twin forecast system/smoke.pm25 --for 7d"},
                   show_forecast});
  table.push_back({"twin anomalies",
                   Effect::ro,
                   "What a twin's detectors found unusual, the newest first",
                   {id,
                    {"since", Form::value, "TIME", "from this time"},
                    {"limit", Form::value, "N", "how many (100, at most 1000)"}},
                   {"entente twin anomalies monitor-530330030 --since 2015-08-20"},
                   show_anomalies});
  table.push_back(
      {"twin simulate",
       Effect::ro,
       "Possible futures under a plan of inputs",
       {id,
        {"set", Form::value, "INPUT=VALUE,…", "held inputs; INPUT=VALUE~DEVIATION: uncertain"},
        {"for", Form::value, "TIME", "how far, like 24h (the model's own horizon)"},
        {"runs", Form::value, "N", "how many futures (200, at most 10000)"},
        {"seed", Form::value, "N", "equal seeds give equal futures (1)"},
        {"limit", Form::value, "VALUE", "how probable it is to be above, or below"},
        model},
       {"entente twin simulate tank-1 --set inlet=5~0.5 --for 24h --limit 80"},
       simulate_twin});
}

}  // namespace

void add_model_commands(CommandTable& table) {
  const OptionSpec model{"MODEL", Form::positional, "", "TWIN/NAME"};
  table.push_back(
      {"model identify",
       Effect::ro,
       "Propose a model of a signal by its error on values that it has not seen",
       {{"ID", Form::positional, "", "the twin's id"},
        {"signal", Form::value, "NAME", "of this signal (the only one with readings)"},
        {"anomalies", Form::flag, "", "a detector of the unusual instead of a forecast"},
        {"kind", Form::value, "KIND", "thermal, thermal_1 to thermal_3, tank, or subspace"},
        {"input", Form::value, "NAME,…", "other signals of the twin that lead it"},
        {"period", Form::value, "TIME,…", "its rhythms, like 24h,7d"},
        {"step", Form::value, "TIME", "of the grid (as the readings come)"},
        {"horizon", Form::value, "TIME", "how far it is to forecast (24h)"},
        {"name", Form::value, "NAME", "of the model (the signal's)"},
        {"out", Form::value, "FILE", "write the definition there, to be reviewed"}},
       {"entente model identify monitor-530330030 --out pm25.toml",
        "entente model identify monitor-530330030 --anomalies --out anomalies.toml",
        "entente model identify room-1 --kind thermal --signal indoor --input outdoor,heat"},
       identify_model});
  table.push_back({"model apply",
                   Effect::rw,
                   "Validate a model's definition and let it live",
                   {{"FILE", Form::positional, "", "TOML; - for standard input"},
                    {"hold", Form::flag, "", "validate only"}},
                   {"entente model apply pm25.toml", "entente model apply pm25.toml --dry-run"},
                   apply_model});
  table.push_back({"model list",
                   Effect::ro,
                   "Models of twins, their life and backlog",
                   {{"ID", Form::optional_positional, "", "only of this twin"}},
                   {"entente model list"},
                   list_models});
  table.push_back({"model show",
                   Effect::ro,
                   "A model: definition, validation, score of its forecasts",
                   {model},
                   {"entente model show monitor-530330030/pm25"},
                   show_model});
  table.push_back({"model retire",
                   Effect::rw,
                   "End a model; what it told stays",
                   {model},
                   {"entente model retire monitor-530330030/pm25"},
                   retire_model});
  add_twin_verbs(table);
}

}  // namespace entente::node
