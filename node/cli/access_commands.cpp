// Roles, grants and tokens, and why somebody may do something.
#include <boost/json.hpp>
#include <ostream>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string joined(const json::value& texts) {
  std::string out;
  if (!texts.is_array()) return out;
  for (const json::value& one : texts.get_array()) {
    if (!one.is_string()) continue;
    out += (out.empty() ? "" : ", ") + std::string(std::string_view(one.get_string()));
  }
  return out;
}

Table users_table(const json::value& policy) {
  Table table{{{"user", "user"}, {"roles", "roles"}}, {}};
  for (const json::value& one : array_of_field(policy, "users")) {
    table.rows.push_back({field(one, "user"), json::value(joined(field(one, "roles")))});
  }
  return table;
}

Table rows_of(const json::value& listing, std::string_view name, std::vector<Column> columns) {
  Table table{std::move(columns), {}};
  for (const json::value& one : array_of_field(listing, name)) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table grants_table(const json::value& policy) {
  return rows_of(policy, "grants",
                 {{"to", "to"},
                  {"verb", "may"},
                  {"resource", "on"},
                  {"expires", "until"},
                  {"state", "state", Kind::state}});
}

Result<int> show_users(Session& session, Result<json::value> got, const std::string& words) {
  if (!got) return std::move(got).error();
  Table table = users_table(*got);
  session.show({object_of(std::move(*got)), std::move(table), "users", false});
  if (!words.empty()) session.say(session.dry_run() ? "Nothing was changed." : words);
  return 0;
}

Result<int> list_roles(Session& session) {
  return show_users(session, session.get("/api/v1/access"), "");
}

Result<int> show_roles(Session& session, Result<json::value> got, const std::string& only,
                       const std::string& words) {
  if (!got) return std::move(got).error();
  Table table{{{"role", "role"}, {"built_in", "built in"}, {"verbs", "allows"}}, {}};
  for (const json::value& one : array_of_field(*got, "roles")) {
    if (!only.empty() && text_of_field(one, "role") != only) continue;
    table.rows.push_back(
        {field(one, "role"), field(one, "built_in"), json::value(joined(field(one, "verbs")))});
  }
  if (!only.empty() && table.rows.empty() && words.empty()) {
    return make_error(ErrorCode::not_found, "there is no role '" + only + "'",
                      "see all of them: 'entente role show'");
  }
  session.show({object_of(std::move(*got)), std::move(table), "roles", false});
  if (!words.empty()) session.say(session.dry_run() ? "Nothing was changed." : words);
  return 0;
}

Result<int> show_role(Session& session) {
  return show_roles(session, session.get("/api/v1/access"), session.value("ROLE"), "");
}

Result<int> define_role(Session& session) {
  const std::string role = session.value("ROLE");
  return show_roles(session,
                    session.post("/api/v1/access/roles/" + url_encoded(role),
                                 json::object{{"verbs", session.value("VERBS")}}),
                    role, "The role " + role + " is defined.");
}

Result<int> remove_role(Session& session) {
  const std::string role = session.value("ROLE");
  return show_roles(
      session,
      session.post("/api/v1/access/roles/" + url_encoded(role) + "/remove", json::object{}), "",
      "The role " + role + " is gone.");
}

Result<int> grant_role(Session& session) {
  const std::string user = session.value("USER"), role = session.value("ROLE");
  json::object body{{"role", role}};
  if (const std::string life = session.value("for"); !life.empty()) body["for"] = life;
  return show_users(session,
                    session.post("/api/v1/access/users/" + url_encoded(user) + "/roles", body),
                    user + " has the role " + role + ".");
}

Result<int> revoke_role(Session& session) {
  const std::string user = session.value("USER"), role = session.value("ROLE");
  return show_users(session,
                    session.post("/api/v1/access/users/" + url_encoded(user) + "/roles/" +
                                     url_encoded(role) + "/revoke",
                                 json::object{}),
                    user + " no longer has the role " + role + ".");
}

Result<int> show_grants(Session& session, Result<json::value> got, const std::string& words) {
  if (!got) return std::move(got).error();
  Table table = grants_table(*got);
  const bool none = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "grants", false});
  if (!words.empty()) session.say(session.dry_run() ? "Nothing was changed." : words);
  if (none && words.empty()) session.say("No grants beyond the roles: see 'entente role list'.");
  return 0;
}

Result<int> list_access(Session& session) {
  return show_grants(session, session.get("/api/v1/access"), "");
}

json::object grant_body(Session& session) {
  json::object body{{"to", session.value("TO")},
                    {"verb", session.value("VERB")},
                    {"resource", session.value("RESOURCE")}};
  if (const std::string life = session.value("for"); !life.empty()) body["for"] = life;
  return body;
}

Result<int> grant_access(Session& session) {
  return show_grants(session, session.post("/api/v1/access/grants", grant_body(session)),
                     "Granted.");
}

Result<int> revoke_access(Session& session) {
  return show_grants(session, session.post("/api/v1/access/grants/revoke", grant_body(session)),
                     "The grant is gone.");
}

std::string matter(Session& session) {
  std::string query = "?verb=" + url_encoded(session.value("VERB"));
  if (const std::string resource = session.value("RESOURCE"); !resource.empty()) {
    query += "&resource=" + url_encoded(resource);
  }
  return query;
}

Result<int> why(Session& session) {
  auto got = session.get("/api/v1/access/why" + matter(session) +
                         "&user=" + url_encoded(session.value("USER")));
  if (!got) return std::move(got).error();
  const bool allowed = is_true(*got, "allowed");
  Table table =
      properties_table({{"allowed", field(*got, "allowed")},
                        {"why", field(*got, "reason")},
                        {"could grant it", json::value(joined(field(*got, "could_grant")))}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  return allowed ? 0 : exit_code(ErrorCode::denied);
}

Result<int> who_can(Session& session) {
  auto got = session.get("/api/v1/access/who-can" + matter(session));
  if (!got) return std::move(got).error();
  Table table = rows_of(*got, "items", {{"user", "user"}, {"reason", "why"}});
  const bool none = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (none) session.say("Nobody.");
  return 0;
}

Result<int> list_tokens(Session& session) {
  auto got = session.get("/api/v1/access/tokens");
  if (!got) return std::move(got).error();
  Table table{{{"name", "name"},
               {"user", "user"},
               {"only", "only for"},
               {"expires", "until"},
               {"state", "state", Kind::state}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    const std::string only = joined(field(one, "only"));
    table.rows.push_back({field(one, "name"), field(one, "user"),
                          json::value(field(one, "only").is_array() ? only : "all of the user's"),
                          field(one, "expires"), field(one, "state")});
  }
  const bool none = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (none)
    session.say("No tokens but the administrator's own (admin.token in the node's folder).");
  return 0;
}

Result<int> add_token(Session& session) {
  json::object body{{"name", session.value("NAME")}};
  for (const char* name : {"user", "for", "only"}) {
    if (const std::string given = session.value(name); !given.empty()) body[name] = given;
  }
  auto got = session.post("/api/v1/access/tokens", body);
  if (!got) return std::move(got).error();
  Table table = properties_table({{"name", field(*got, "name")},
                                  {"user", field(*got, "user")},
                                  {"until", field(*got, "expires")},
                                  {"token", field(*got, "token")}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  session.say(session.dry_run()
                  ? "Nothing was made."
                  : "It is shown this once. Give it to the command line as ENTENTE_TOKEN.");
  return 0;
}

Result<int> revoke_token(Session& session) {
  const std::string name = session.value("NAME");
  auto got = session.post("/api/v1/access/tokens/" + url_encoded(name) + "/revoke", json::object{});
  if (!got) return std::move(got).error();
  Table table = properties_table({{"name", field(*got, "name")}, {"state", field(*got, "state")}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  return 0;
}

const OptionSpec kUser{"USER", Form::positional, "USER", "the user's name"};
const OptionSpec kRole{"ROLE", Form::positional, "ROLE",
                       "owner, admin, privacy-officer, operator, analyst, auditor, service, "
                       "or one of the policy's own"};
const OptionSpec kTo{"TO", Form::positional, "TO", "user:NAME or role:NAME"};
const OptionSpec kVerb{"VERB", Form::positional, "VERB", "what may be done, like write_twins"};
const OptionSpec kOn{"RESOURCE", Form::positional, "RESOURCE",
                     "KIND:NAME or KIND:*, like twin:press-7"};
const OptionSpec kOnOptional{"RESOURCE", Form::optional_positional, "RESOURCE",
                             "KIND:NAME or KIND:*; the node itself when left out"};
const OptionSpec kTokenName{"NAME", Form::positional, "NAME", "the token's own name"};

void add_token_commands(CommandTable& table) {
  table.push_back({"access token list",
                   Effect::ro,
                   "List access tokens, without their texts",
                   {},
                   {"entente access token list"},
                   list_tokens});
  table.push_back({"access token add",
                   Effect::rw,
                   "Make an access token, which is shown once",
                   {kTokenName,
                    {"user", Form::value, "USER", "whose it is (your own)"},
                    {"for", Form::value, "TIME", "how long it lives (90d, at most 366d)"},
                    {"only", Form::value, "VERBS", "for these verbs alone, with commas between"}},
                   {"entente access token add gate-importer --user importer --only write_readings"},
                   add_token});
  table.push_back({"access token revoke",
                   Effect::rw,
                   "End an access token at once",
                   {kTokenName},
                   {"entente access token revoke gate-importer"},
                   revoke_token});
}

}  // namespace

void add_access_commands(CommandTable& table) {
  table.push_back({"role list",
                   Effect::ro,
                   "List the users with their roles",
                   {},
                   {"entente role list"},
                   list_roles});
  table.push_back({"role show",
                   Effect::ro,
                   "Show what roles allow, or one of them",
                   {{"ROLE", Form::optional_positional, "ROLE", "the role; all when left out"}},
                   {"entente role show analyst"},
                   show_role});
  table.push_back({"role define",
                   Effect::rw,
                   "Make a role of one's own from verbs that one holds, or give it other verbs",
                   {kRole, {"VERBS", Form::positional, "VERBS", "with commas between"}},
                   {"entente role define gate-keeper read_twins,write_readings"},
                   define_role});
  table.push_back({"role remove",
                   Effect::rw,
                   "Take a role of one's own out of the policy",
                   {kRole},
                   {"entente role remove gate-keeper"},
                   remove_role});
  table.push_back({"role grant",
                   Effect::rw,
                   "Give a user a role; a name not known yet becomes a user",
                   {kUser, kRole, {"for", Form::value, "TIME", "how long, like 30d (for ever)"}},
                   {"entente role grant ann analyst --for 90d"},
                   grant_role});
  table.push_back({"role revoke",
                   Effect::rw,
                   "Take a role from a user; with the last one the user goes",
                   {kUser, kRole},
                   {"entente role revoke ann analyst"},
                   revoke_role});
  table.push_back({"access list",
                   Effect::ro,
                   "List what is granted beyond the roles",
                   {},
                   {"entente access list"},
                   list_access});
  table.push_back({"access grant",
                   Effect::rw,
                   "Let a user or a role do one thing more, for a while or for ever",
                   {kTo, kVerb, kOn, {"for", Form::value, "TIME", "how long, like 30d (for ever)"}},
                   {"entente access grant user:ann write_twins twin:press-7 --for 30d"},
                   grant_access});
  table.push_back({"access revoke",
                   Effect::rw,
                   "Take a grant away",
                   {kTo, kVerb, kOn},
                   {"entente access revoke user:ann write_twins twin:press-7"},
                   revoke_access});
  table.push_back({"access why",
                   Effect::ro,
                   "Say why a user may do something, or may not and who could grant it",
                   {kUser, kVerb, kOnOptional},
                   {"entente access why ann write_twins twin:press-7"},
                   why});
  table.push_back({"access who-can",
                   Effect::ro,
                   "List every user who may do something, and why",
                   {kVerb, kOnOptional},
                   {"entente access who-can manage_budgets"},
                   who_can});
  add_token_commands(table);
}

}  // namespace entente::node
