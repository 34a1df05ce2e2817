// Proposals about models: refits, set-points, and decisions on them.
#include <boost/json.hpp>
#include <tuple>

#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/model_commands.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Table path_table() {
  return {{{"signal", "signal"},
           {"time", "time"},
           {"mean", "mean", Kind::number},
           {"low90", "90 % from", Kind::number},
           {"high90", "to", Kind::number}},
          {}};
}

std::string shown(const json::value& value) {
  const auto number = number_of(value);
  if (!number) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.5g", *number);
  return text;
}

// A refit: what changes, and how both did on the same values.
void show_refit(Session& session, json::value got) {
  const json::value& body = field(got, "proposal");
  Table table{{{"what", "what"}, {"before", "before"}, {"after", "after"}}, {}};
  for (const json::value& one : array_of_field(body, "changes")) {
    table.rows.push_back({field(one, "what"), field(one, "before"), field(one, "after")});
  }
  const json::value &before = field(body, "before"), &after = field(body, "after");
  for (const auto& [name, words] : {std::pair{"mean_absolute_error", "mean absolute error"},
                                    {"naive_error", "of the naive"},
                                    {"coverage_ninety", "share in the 90 % band"},
                                    {"points", "on so many values"}}) {
    table.rows.push_back({json::value(words), json::value(shown(field(before, name))),
                          json::value(shown(field(after, name)))});
  }
  const std::string toml = text_of_field(got, "toml");
  const std::string number = shown(field(got, "number"));
  const bool open = text_of_field(got, "life") == "open" && number != "0";
  const std::string twin = text_of_field(got, "twin");
  session.show({object_of(std::move(got)), std::move(table), "", false});
  if (!session.for_people()) return;
  session.say("\n" + toml);
  if (open) session.say("Take it: entente model accept " + twin + " " + number);
}

void show_optimisation(Session& session, json::value got) {
  const json::value& body = field(got, "proposal");
  std::string words = "Proposal " + shown(field(got, "number")) + ", seed " +
                      shown(field(body, "seed")) + ", by " + text_of_field(got, "model") +
                      " version " + shown(field(got, "version")) + ". Set:";
  for (const json::value& piece : array_of_field(body, "pieces")) {
    words += "\n  from " + text_of_field(piece, "from") + ":";
    if (const auto* inputs = field(piece, "inputs").if_object()) {
      for (const auto& one : *inputs) {
        words += " " + std::string(one.key()) + " = " + shown(one.value());
      }
    }
  }
  words += "\nCost " + shown(field(body, "cost")) + " a step, and " +
           shown(field(body, "cost_held")) + " if the inputs stayed as they are.";
  const double risk = number_of_field(body, "steps_at_risk").value_or(0);
  if (risk > 0) {
    words += " In " + shown(field(body, "steps_at_risk")) +
             " steps the 90 % band leaves what is to be kept.";
  }
  Table table = path_table();
  for (const json::value& item : array_of_field(body, "items")) {
    for (const json::value& point : array_of_field(item, "path")) {
      table.rows.push_back({field(item, "signal"), field(point, "time"), field(point, "mean"),
                            field(point, "low90"), field(point, "high90")});
    }
  }
  session.show({object_of(std::move(got)), std::move(table), "", false});
  if (session.for_people()) session.say(words);
}

void show_proposal(Session& session, json::value got) {
  if (text_of_field(got, "kind") == "refit") {
    show_refit(session, std::move(got));
  } else {
    show_optimisation(session, std::move(got));
  }
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
}

// "a=[0,1],b=[,2]": commas inside brackets part nothing.
json::array bounds_of(const std::string& text) {
  json::array all;
  std::string one;
  int depth = 0;
  for (const char c : text) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      all.emplace_back(one);
      one.clear();
    } else {
      one += c;
    }
  }
  if (!one.empty()) all.emplace_back(one);
  return all;
}

Result<int> optimise(Session& session) {
  json::object body{{"minimise", session.value("minimise")}};
  for (const char* name : {"model", "for"}) {
    if (!session.value(name).empty()) body[name] = session.value(name);
  }
  for (const char* name : {"set", "keep"}) body[name] = bounds_of(session.value(name));
  for (const auto& [name, otherwise, most] :
       {std::tuple{"pieces", 4, 48}, std::tuple{"seed", 1, 2'000'000'000}}) {
    auto count = session.number(name, static_cast<std::uint64_t>(otherwise),
                                static_cast<std::uint64_t>(most));
    if (!count) return std::move(count).error();
    body[name] = *count;
  }
  auto got = session.post("/api/v1/twins/" + url_encoded(session.value("ID")) + "/optimise", body);
  if (!got) return std::move(got).error();
  show_proposal(session, std::move(*got));
  return 0;
}

Result<int> refit(Session& session) {
  const std::string text = session.value("MODEL");
  const auto slash = text.rfind('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text.size()) {
    return make_error(ErrorCode::invalid_argument, "'" + text + "' is no model",
                      "write TWIN/NAME, as 'entente model list' shows it");
  }
  auto got = session.post("/api/v1/twins/" + url_encoded(text.substr(0, slash)) + "/models/" +
                              url_encoded(text.substr(slash + 1)) + "/refit",
                          json::object{});
  if (!got) return std::move(got).error();
  show_proposal(session, std::move(*got));
  return 0;
}

Result<int> list_proposals(Session& session) {
  const std::string twin = session.value("ID");
  auto got = session.get(twin.empty() ? "/api/v1/models/proposals"
                                      : "/api/v1/twins/" + url_encoded(twin) + "/proposals");
  if (!got) return std::move(got).error();
  Table table{{{"number", "number", Kind::integer},
               {"kind", "kind"},
               {"twin", "twin"},
               {"model", "model"},
               {"version", "version", Kind::integer},
               {"life", "life"},
               {"made", "made"},
               {"by", "by"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "number"), field(item, "kind"), field(item, "twin"),
                          field(item, "model"), field(item, "version"), field(item, "life"),
                          field(item, "made"), field(item, "by")});
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  return 0;
}

std::string proposal_path(Session& session) {
  return "/api/v1/twins/" + url_encoded(session.value("ID")) + "/proposals/" +
         url_encoded(session.value("NUMBER"));
}

Result<int> show_one(Session& session) {
  auto got = session.get(proposal_path(session));
  if (!got) return std::move(got).error();
  show_proposal(session, std::move(*got));
  return 0;
}

Result<int> settle(Session& session, const char* decision) {
  auto got = session.post(proposal_path(session), json::object{{"decision", decision}});
  if (!got) return std::move(got).error();
  std::vector<std::pair<std::string, json::value>> lines{{"proposal", field(*got, "number")},
                                                         {"kind", field(*got, "kind")},
                                                         {"life", field(*got, "life")}};
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}
Result<int> accept(Session& session) {
  return settle(session, "accept");
}
Result<int> dismiss(Session& session) {
  return settle(session, "dismiss");
}

}  // namespace

void add_proposal_commands(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "", "the twin's id"};
  const OptionSpec number{"NUMBER", Form::positional, "", "as 'entente model proposals' shows it"};
  table.push_back(
      {"model optimise",
       Effect::rw,
       "Propose inputs that cost least within bounds",
       {id,
        {"minimise", Form::value, "COST", "of inputs and signals, like 'heat + abs(indoor - 21)'"},
        {"set", Form::value, "INPUT=[LOW,HIGH],…", "the inputs to find, and their bounds"},
        {"keep", Form::value, "SIGNAL=[LOW,HIGH],…", "what predictions must stay within"},
        {"for", Form::value, "TIME", "how far, like 24h (the model's own horizon)"},
        {"pieces", Form::value, "N", "how often inputs may change (4, at most 48)"},
        {"seed", Form::value, "N", "equal seeds give equal proposals (1)"},
        {"model", Form::value, "NAME", "by this model"}},
       {"entente model optimise room-1 --minimise heat --set heat=[0,6000] --keep indoor=[20,24]"},
       optimise});
  table.push_back({"model refit",
                   Effect::rw,
                   "Propose a model anew from its newest history",
                   {{"MODEL", Form::positional, "", "TWIN/NAME"}},
                   {"entente model refit monitor-530330030/pm25"},
                   refit});
  table.push_back({"model proposals",
                   Effect::ro,
                   "What is proposed: refits and set-points",
                   {{"ID", Form::optional_positional, "", "only of this twin"}},
                   {"entente model proposals"},
                   list_proposals});
  table.push_back({"model proposal",
                   Effect::ro,
                   "A proposal with all that it says",
                   {id, number},
                   {"entente model proposal monitor-530330030 7"},
                   show_one});
  table.push_back({"model accept",
                   Effect::rw,
                   "Apply a refit that is proposed",
                   {id, number},
                   {"entente model accept monitor-530330030 7"},
                   accept});
  table.push_back({"model dismiss",
                   Effect::rw,
                   "Close a proposal without doing it",
                   {id, number},
                   {"entente model dismiss monitor-530330030 7"},
                   dismiss});
}

}  // namespace entente::node
