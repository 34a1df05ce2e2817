// Agreements: proposed, signed and terminated through the node ('check' needs none).
#include <boost/json.hpp>

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
         field(item, "state"), field(item, "turn"), json::value(exports),
         field(item, "epsilon_per_block"), field(item, "epsilon_guaranteed"),
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
    if (member.key() != "text") lines.emplace_back(member.key(), member.value());
  }
  const std::string text = text_of_field(object, "text");
  session.show({std::move(object), properties_table(std::move(lines)), "", true});
  if (session.for_people() && !text.empty()) session.say("\n" + text);
  return 0;
}

Result<int> propose(Session& session) {
  auto text = read_whole(session.value("FILE"), session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  auto got = session.post("/api/v1/agreements", json::object{{"text", std::move(*text)}});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got),
                    "It is the other side's turn: they run 'entente agreement sign'.");
}

Result<int> sign(Session& session) {
  auto got = session.post(agreement_path(session, "sign"), json::object{});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), "");
}

Result<int> terminate(Session& session) {
  auto sure = session.confirm_by_name(
      "Terminating ends the agreement for ever and stops its feeds.", session.value("ID"));
  if (!sure) return std::move(sure).error();
  if (!*sure)
    return make_error(ErrorCode::invalid_argument, "the id typed was another; nothing was done");
  auto got = session.post(agreement_path(session, "terminate"),
                          json::object{{"reason", session.value("reason")}});
  if (!got) return std::move(got).error();
  return show_state(session, std::move(*got), "");
}

}  // namespace

void add_agreement_commands(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "", "the agreement's id or its first digits"};
  table.push_back({"agreement propose",
                   Effect::rw,
                   "Offer an agreement to a partner",
                   {{"FILE", Form::positional, "", "the agreement (TOML), - for standard input"}},
                   {"entente agreement propose washington.toml"},
                   propose});
  table.push_back({"agreement sign",
                   Effect::rw,
                   "Sign an agreement that a partner offered",
                   {id},
                   {"entente agreement sign 3f9a21cc"},
                   sign});
  table.push_back({"agreement list",
                   Effect::ro,
                   "Agreements: state, whose turn, last error",
                   {},
                   {"entente agreement list"},
                   list_agreements});
  table.push_back({"agreement show",
                   Effect::ro,
                   "One agreement and its text",
                   {id},
                   {"entente agreement show 3f9a21cc"},
                   show_agreement});
  table.push_back({"agreement terminate",
                   Effect::rw,
                   "End an agreement for ever",
                   {id, {"reason", Form::value, "TEXT", "what the partner is told"}},
                   {"entente agreement terminate 3f9a21cc --reason 'contract ended'"},
                   terminate});
}

}  // namespace entente::node
