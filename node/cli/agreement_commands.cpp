// Agreements: written, compared, offered, answered, suspended and ended through the node ('check'
// needs none).
#include <boost/json.hpp>
#include <filesystem>
#include <ostream>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string agreement_path(const Session& session, std::string_view verb) {
  std::string path = "/api/v1/agreements/" + url_encoded(session.value("ID"));
  if (!verb.empty()) path += "/" + std::string(verb);
  return path;
}

int show_state(Session& session, json::value got, std::string_view next) {
  const std::string id =
      text_of_field(got, "id").empty() ? session.value("ID") : text_of_field(got, "id");
  Output output{object_of(got),
                properties_table({{"agreement", json::value(id)}, {"state", field(got, "state")}}),
                "", true};
  session.show(output);
  if (session.dry_run()) {
    session.say("Nothing was changed (--dry-run).");
  } else if (session.for_people() && !next.empty()) {
    session.say(next);
  }
  return 0;
}

Result<int> list_agreements(Session& session) {
  auto got = session.get("/api/v1/agreements");
  if (!got) return std::move(got).error();
  Table table{{{"id", "agreement"},
               {"name", "name"},
               {"provider", "provider"},
               {"consumer", "consumer"},
               {"state", "state", Kind::state},
               {"turn", "whose turn"},
               {"since", "since"},
               {"next", "next step"},
               {"exports", "exports"},
               {"epsilon_per_block", "epsilon a block", Kind::epsilon},
               {"epsilon_guaranteed", "guaranteed", Kind::epsilon},
               {"expires", "expires"},
               {"last_error", "last error"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    std::string exports;
    for (const json::value& name : array_of_field(item, "exports")) {
      if (name.is_string())
        exports += (exports.empty() ? "" : ", ") + std::string(name.get_string());
    }
    const std::string id = text_of_field(item, "id");
    // Sixty-four digits help nobody in a table; the other formats have them all.
    table.rows.push_back(
        {session.for_people() && id.size() > 16 ? json::value(id.substr(0, 8)) : json::value(id),
         field(item, "name"), field(item, "provider"), field(item, "consumer"),
         field(item, "state"), field(item, "turn"), field(item, "since"), field(item, "next"),
         json::value(exports), field(item, "epsilon_per_block"), field(item, "epsilon_guaranteed"),
         field(item, "expires"), field(item, "last_error")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people())
    session.say("No agreements yet: entente agreement propose FILE");
  return 0;
}

Result<int> show_agreement(Session& session) {
  auto got = session.get(agreement_path(session, ""));
  if (!got) return std::move(got).error();
  json::object object = object_of(std::move(*got));
  std::vector<std::pair<std::string, json::value>> lines;
  for (const auto& member : object) {
    if (member.key() != "text" && member.key() != "offers") {
      lines.emplace_back(member.key(), member.value());
    }
  }
  const std::string text = text_of_field(object, "text");
  session.show({std::move(object), properties_table(std::move(lines)), "", true});
  if (session.for_people() && !text.empty()) session.say("\n" + text);
  return 0;
}

Result<json::object> file_body(Session& session, const std::string& path) {
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  return json::object{{"text", std::move(*text)}, {"file", path}};
}

Result<int> new_agreement(Session& session) {
  json::object body;
  if (const std::string from = session.value("from"); !from.empty()) {
    if (!session.value("PARTNER").empty() || !session.values("EXPORT").empty()) {
      return make_error(ErrorCode::invalid_argument,
                        "--from writes that agreement's text: name neither partner nor exports");
    }
    body["from"] = from;
  } else if (session.value("PARTNER").empty()) {
    return make_error(ErrorCode::invalid_argument, "name a PARTNER, or --from an agreement");
  } else {
    body["partner"] = session.value("PARTNER");
    body["exports"] = json::value_from(session.values("EXPORT"));
  }
  auto got = session.post("/api/v1/agreements/new", body);
  if (!got) return std::move(got).error();
  if (session.for_people()) {
    session.streams().out << text_of_field(*got, "text");
  } else {
    json::value text = field(*got, "text");
    session.show(
        {object_of(std::move(*got)), properties_table({{"text", std::move(text)}}), "", true});
  }
  return 0;
}

// A file where there is one of that name, an agreement's id or name otherwise.
Result<json::object> side_of(Session& session, const std::string& word) {
  std::error_code unknown;
  const bool is_file =
      word == "-" || word.ends_with(".toml") || std::filesystem::is_regular_file(word, unknown);
  if (is_file) return file_body(session, word);
  return json::object{{"id", word}};
}

Result<int> diff(Session& session) {
  const std::string a = session.value("A"), b = session.value("B");
  json::object body;
  auto first = side_of(session, a);
  if (!first) return std::move(first).error();
  if (b.empty()) {
    if (!first->contains("id")) {
      return make_error(ErrorCode::invalid_argument,
                        "a file is compared with another or with an agreement: name it too");
    }
    body["before"] = json::object{{"id", a}, {"answered", true}};
    body["after"] = std::move(*first);
  } else {
    auto second = side_of(session, b);
    if (!second) return std::move(second).error();
    body["before"] = std::move(*first);
    body["after"] = std::move(*second);
  }
  auto got = session.post("/api/v1/agreements/diff", body);
  if (!got) return std::move(got).error();
  Table table{{{"term", "term"},
               {"before", "before"},
               {"after", "after"},
               {"gains", "who gains"},
               {"loses", "who loses"},
               {"words", "in words"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    auto& row = table.rows.emplace_back();
    for (const auto& column : table.columns) row.push_back(field(item, column.key));
  }
  const bool same = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (session.for_people() && same) session.say("The terms are the same.");
  return 0;
}

Result<int> propose(Session& session) {
  auto body = file_body(session, session.value("FILE"));
  if (!body) return std::move(body).error();
  auto got = session.post("/api/v1/agreements", *body);
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got),
                    "It is the other side's turn: they run 'entente agreement sign', 'counter' or "
                    "'terminate'.");
}

Result<int> counter(Session& session) {
  auto body = file_body(session, session.value("FILE"));
  if (!body) return std::move(body).error();
  auto got = session.post(agreement_path(session, "counter"), *body);
  if (!got) return std::move(got).error();
  return show_state(
      session, std::move(*got),
      "It is the other side's turn. What changed: entente agreement diff " + session.value("ID"));
}

Result<int> take(Session& session, const char* verb, std::string_view next) {
  auto got = session.post(agreement_path(session, verb),
                          json::object{{"reason", session.value("reason")}});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), next);
}

Result<int> sign(Session& session) {
  auto got = session.post(agreement_path(session, "sign"), json::object{});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), "");
}

Result<int> suspend(Session& session) {
  return take(
      session, "suspend",
      "Nothing is asked or answered; feeds wait. Only this side lifts it: entente agreement "
      "resume");
}

Result<int> resume(Session& session) {
  auto got = session.post(agreement_path(session, "resume"), json::object{});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), "");
}

Result<int> withdraw(Session& session) {
  return take(session, "withdraw", "The offer is taken back.");
}

Result<int> terminate(Session& session) {
  auto sure = session.confirm_by_name(
      "Terminating ends the agreement for ever and stops its feeds.", session.value("ID"));
  if (!sure) return std::move(sure).error();
  if (!*sure)
    return make_error(ErrorCode::invalid_argument, "the id typed was another; nothing was done");
  return take(session, "terminate", "");
}

}  // namespace

void add_agreement_commands(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "",
                      "the agreement's id, its first digits or its name"};
  const OptionSpec file{"FILE", Form::positional, "", "the agreement (TOML), - for standard input"};
  const OptionSpec reason{"reason", Form::value, "TEXT", "what the partner is told"};
  table.push_back({"agreement new",
                   Effect::ro,
                   "Write the text of an agreement to begin with",
                   {{"PARTNER", Form::optional_positional, "", "a link's name"},
                    {"EXPORT", Form::optional_positionals, "", "of this site's; none named: all"},
                    {"from", Form::value, "ID", "the text of an offer, to counter it"}},
                   {"entente agreement new airshed > airshed.toml",
                    "entente agreement new --from 3f9a21cc > counter.toml"},
                   new_agreement});
  table.push_back(
      {"agreement diff",
       Effect::ro,
       "What changes between two sets of terms, who gains and who loses",
       {{"A", Form::positional, "", "a file, or an agreement's id"},
        {"B", Form::optional_positional, "",
         "another; without it, A is a counter-offer and is compared with what it answers"}},
       {"entente agreement diff 3f9a21cc", "entente agreement diff 3f9a21cc new.toml"},
       diff});
  table.push_back({"agreement propose",
                   Effect::rw,
                   "Offer an agreement to a partner",
                   {file},
                   {"entente agreement propose washington.toml"},
                   propose});
  table.push_back({"agreement counter",
                   Effect::rw,
                   "Answer an offer with another",
                   {id, file},
                   {"entente agreement counter 3f9a21cc counter.toml"},
                   counter});
  table.push_back({"agreement sign",
                   Effect::rw,
                   "Sign an agreement that a partner offered",
                   {id},
                   {"entente agreement sign 3f9a21cc"},
                   sign});
  table.push_back({"agreement list",
                   Effect::ro,
                   "Agreements: state, whose turn, since when, next step, last error",
                   {},
                   {"entente agreement list"},
                   list_agreements});
  table.push_back({"agreement show",
                   Effect::ro,
                   "One agreement and its text",
                   {id},
                   {"entente agreement show 3f9a21cc"},
                   show_agreement});
  table.push_back({"agreement suspend",
                   Effect::rw,
                   "Stop the questions of an agreement until it is resumed",
                   {id, reason},
                   {"entente agreement suspend 3f9a21cc --reason 'audit'"},
                   suspend});
  table.push_back({"agreement resume",
                   Effect::rw,
                   "Lift this side's suspension",
                   {id},
                   {"entente agreement resume 3f9a21cc"},
                   resume});
  table.push_back({"agreement withdraw",
                   Effect::rw,
                   "Take back an offer that is not signed yet",
                   {id, reason},
                   {"entente agreement withdraw 3f9a21cc"},
                   withdraw});
  table.push_back({"agreement terminate",
                   Effect::rw,
                   "End an agreement for ever, or decline an offer",
                   {id, reason},
                   {"entente agreement terminate 3f9a21cc --reason 'contract ended'"},
                   terminate});
}

}  // namespace entente::node
