// Links to other organisations.
#include <boost/json.hpp>
#include <ostream>

#include "federation/query/suggest.h"
#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string link_path(std::string_view name, std::string_view verb) {
  return "/api/v1/links/" + url_encoded(name) + "/" + std::string(verb);
}

// A text, or an array of words.
std::string words_text(const json::value& words) {
  if (words.is_string()) return std::string(words.get_string());
  std::string out;
  if (const auto* array = words.if_array()) {
    for (const json::value& word : *array) {
      if (word.is_string()) out += (out.empty() ? "" : " ") + std::string(word.get_string());
    }
  }
  return out;
}

std::string name_of(const json::value& link) {
  const json::value& organisation = field(link, "organisation");
  return organisation.is_string() ? std::string(organisation.get_string())
                                  : text_of_field(organisation, "name");
}

Result<int> invite(Session& session) {
  json::object body{{"name", session.value("NAME")}};
  if (!session.value("expires").empty()) body["expires"] = session.value("expires");
  auto got = session.post("/api/v1/links/invite", body);
  if (!got) return std::move(got).error();
  const std::string token = text_of_field(*got, "token");
  const std::string expires = text_of_field(*got, "expires");
  // Alone on standard output, so that TOKEN=$(entente link invite …) works.
  Table table{{{"token", "token"}}, {{json::value(token)}}};
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  if (session.dry_run()) {
    session.say("No invitation was made (--dry-run).");
  } else if (session.for_people()) {
    session.say("Give this to " + session.value("NAME") + " over a way you trust. It works once" +
                (expires.empty() ? "" : ", until " + expires) +
                ".\nThey run: entente link accept TOKEN; then both compare the words and confirm.");
  }
  return 0;
}

Result<int> accept(Session& session) {
  auto got = session.post("/api/v1/links/accept", json::object{{"token", session.value("TOKEN")}});
  if (!got) return std::move(got).error();
  const std::string name = name_of(*got);
  const std::string words = words_text(field(*got, "words"));
  session.show({object_of(*got),
                properties_table({{"organisation", json::value(name)},
                                  {"state", field(*got, "state")},
                                  {"words", json::value(words)}}),
                "", true});
  if (session.for_people()) {
    session.say(
        "Read the words to each other. If they are the same on both sides, both run:\n"
        "  entente link confirm " +
        name);
  }
  return 0;
}

// The link of that name. Refuses (not_found) with the nearest names.
Result<json::value> find_link(Session& session, const std::string& name) {
  auto got = session.get("/api/v1/links");
  if (!got) return std::move(got).error();
  std::vector<std::string> names;
  for (const json::value& link : array_of_field(*got, "items")) {
    if (name_of(link) == name || text_of_field(field(link, "organisation"), "id") == name)
      return link;
    names.push_back(name_of(link));
  }
  const auto near = federation::nearest(name, names);
  return make_error(ErrorCode::not_found, "there is no link to '" + name + "'",
                    near.empty() ? "see 'entente link list'" : federation::did_you_mean(near));
}

Result<int> show_state(Session& session, json::value got, const std::string& name) {
  const json::value state = field(got, "state");
  json::object payload = object_of(std::move(got));
  session.show({std::move(payload),
                properties_table({{"organisation", json::value(name)}, {"state", state}}), "",
                true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

Result<int> confirm(Session& session) {
  const std::string name = session.value("NAME");
  json::object body;
  if (!session.value("words").empty()) {
    body["words"] = session.value("words");
  } else if (!session.flag("yes")) {
    auto link = find_link(session, name);
    if (!link) return std::move(link).error();
    auto same = session.confirm("Does " + name + " read the same words?\n  " +
                                words_text(field(*link, "words")) + "\nTheir words are the same:");
    if (!same) return std::move(same).error();
    if (!*same) {
      return make_error(ErrorCode::enrolment_refused, "the words were not confirmed",
                        "if they differ, somebody stands between you: revoke and invite anew");
    }
  }
  auto got = session.post(link_path(name, "confirm"), body);
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), name);
}

Result<int> list_links(Session& session) {
  auto got = session.get("/api/v1/links");
  if (!got) return std::move(got).error();
  Table table{{{"organisation", "organisation"},
               {"state", "state", Kind::state},
               {"turn", "whose turn"},
               {"since", "since"},
               {"connected", "connected"},
               {"round_trip_ms", "rtt ms", Kind::number},
               {"certificate_days_left", "certificate days", Kind::number},
               {"protocol", "protocol"},
               {"status", "partner may", Kind::state},
               {"last_error", "last error"}},
              {}};
  for (const json::value& link : array_of_field(*got, "items")) {
    table.rows.push_back({json::value(name_of(link)), field(link, "state"), field(link, "turn"),
                          field(link, "since"), field(link, "connected"),
                          field(link, "round_trip_ms"), field(link, "certificate_days_left"),
                          field(link, "protocol"), field(link, "status"),
                          field(link, "last_error")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No links yet: entente link invite NAME");
  return 0;
}

Result<int> show_link(Session& session) {
  auto link = find_link(session, session.value("NAME"));
  if (!link) return std::move(link).error();
  json::object object = object_of(std::move(*link));
  std::vector<std::pair<std::string, json::value>> lines;
  for (const auto& member : object) {
    if (member.key() == "organisation" && member.value().is_object()) {
      lines.emplace_back("organisation", field(member.value(), "name"));
      lines.emplace_back("title", field(member.value(), "title"));
      lines.emplace_back("id", field(member.value(), "id"));
    } else if (member.key() == "words") {
      lines.emplace_back("words", words_text(member.value()));
    } else {
      lines.emplace_back(member.key(), member.value());
    }
  }
  session.show({std::move(object), properties_table(std::move(lines)), "", true});
  return 0;
}

Result<int> cancel(Session& session) {
  const std::string name = session.value("NAME");
  auto got = session.post(link_path(name, "cancel"), json::object{});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), name);
}

Result<int> change(Session& session, const char* verb) {
  const std::string name = session.value("NAME");
  auto got = session.post(link_path(name, verb), json::object{});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), name);
}

Result<int> revoke(Session& session) {
  const std::string name = session.value("NAME");
  auto sure = session.confirm_by_name(
      "Revoking ends the link and its agreements for ever; spent budget stays spent.", name);
  if (!sure) return std::move(sure).error();
  if (!*sure)
    return make_error(ErrorCode::invalid_argument, "the name typed was another; nothing was done");
  return change(session, "revoke");
}

}  // namespace

void add_link_commands(CommandTable& table) {
  const OptionSpec name{"NAME", Form::positional, "", "the partner's short name"};
  table.push_back({"link invite",
                   Effect::rw,
                   "Make a one-time invitation for a partner",
                   {name, {"expires", Form::value, "TIME", "like 2h (24h)"}},
                   {"entente link invite oregon --expires 24h"},
                   invite});
  table.push_back({"link accept",
                   Effect::rw,
                   "Answer a partner's invitation",
                   {{"TOKEN", Form::positional, "", "what the partner gave you"}},
                   {"entente link accept ENTL1..."},
                   accept});
  table.push_back({"link cancel",
                   Effect::rw,
                   "Withdraw an invitation that nobody has used",
                   {name},
                   {"entente link cancel oregon"},
                   cancel});
  table.push_back({"link confirm",
                   Effect::rw,
                   "Say that both sides read the same words",
                   {name, {"words", Form::value, "WORDS", "what the partner read to you"}},
                   {"entente link confirm oregon"},
                   confirm});
  table.push_back({"link list",
                   Effect::ro,
                   "Links: state, whose turn, last error",
                   {},
                   {"entente link list"},
                   list_links});
  table.push_back(
      {"link show", Effect::ro, "One link", {name}, {"entente link show oregon"}, show_link});
  table.push_back({"link suspend",
                   Effect::rw,
                   "Stop a link until it is resumed",
                   {name},
                   {"entente link suspend oregon"},
                   [](Session& session) { return change(session, "suspend"); }});
  table.push_back({"link resume",
                   Effect::rw,
                   "Go on with a suspended link",
                   {name},
                   {"entente link resume oregon"},
                   [](Session& session) { return change(session, "resume"); }});
  table.push_back({"link revoke",
                   Effect::rw,
                   "End a link for ever",
                   {name},
                   {"entente link revoke oregon"},
                   revoke});
}

}  // namespace entente::node
