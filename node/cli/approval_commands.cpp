// Steps that wait for a second person, former policies, and break-glass.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Table rows_of(const json::value& listing, std::vector<Column> columns) {
  Table table{std::move(columns), {}};
  for (const json::value& one : array_of_field(listing, "items")) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<int> list_approvals(Session& session) {
  auto got = session.get("/api/v1/approvals");
  if (!got) return std::move(got).error();
  Table table = rows_of(*got, {{"id", "id"},
                               {"step", "step"},
                               {"operation", "operation"},
                               {"requester", "requested by"},
                               {"expires", "until"},
                               {"state", "state", Kind::state}});
  const bool none = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (none) session.say("Nothing waits for a second person.");
  return 0;
}

// What stands under a name, as one line.
json::value shown(const json::value& object, const char* name) {
  const json::value& value = field(object, name);
  return value.is_object() ? json::value(json_text(value)) : value;
}

Result<int> show_properties(Session& session, json::value got,
                            const std::vector<const char*>& names) {
  std::vector<std::pair<std::string, json::value>> rows;
  for (const char* name : names) rows.emplace_back(name, shown(got, name));
  Table table = properties_table(std::move(rows));
  session.show({object_of(std::move(got)), std::move(table), "", true});
  return 0;
}

std::string path_of(Session& session) {
  return "/api/v1/approvals/" + url_encoded(session.value("ID"));
}

const std::vector<const char*> kShown = {"id",         "step",      "operation", "path",    "query",
                                         "body",       "requester", "requested", "expires", "state",
                                         "decided_by", "outcome",   "hash"};

Result<int> show_approval(Session& session) {
  auto got = session.get(path_of(session));
  if (!got) return std::move(got).error();
  return show_properties(session, std::move(*got), kShown);
}

// Shows what is approved, then approves that and nothing else: its hash goes along.
Result<int> approve(Session& session) {
  auto request = session.get(path_of(session));
  if (!request) return std::move(request).error();
  std::vector<std::pair<std::string, json::value>> rows;
  for (const char* name : kShown) rows.emplace_back(name, shown(*request, name));
  session.say_table(properties_table(std::move(rows)));
  auto sure = session.confirm("Run this?");
  if (!sure) return std::move(sure).error();
  if (!*sure) return 1;
  auto got = session.post(path_of(session) + "/approve",
                          json::object{{"hash", text_of_field(*request, "hash")}});
  if (!got) return std::move(got).error();
  json::object out{{"id", session.value("ID")}, {"reply", std::move(*got)}};
  Table table = properties_table({{"id", json::value(session.value("ID"))}});
  session.show({std::move(out), std::move(table), "", true});
  session.say(session.dry_run() ? "Nothing was changed." : "Approved, and done.");
  return 0;
}

Result<int> reject(Session& session) {
  auto got = session.post(path_of(session) + "/reject", json::object{});
  if (!got) return std::move(got).error();
  return show_properties(session, std::move(*got), {"id", "state"});
}

Result<int> change_step(Session& session, const char* what) {
  auto got = session.post("/api/v1/approvals/steps/" + url_encoded(session.value("STEP")) + what,
                          json::object{});
  if (!got) return std::move(got).error();
  Table table = properties_table({{"step", json::value(session.value("STEP"))}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  if (session.dry_run()) session.say("Nothing was changed.");
  return 0;
}
Result<int> require_two(Session& session) {
  return change_step(session, "/require");
}
Result<int> waive_two(Session& session) {
  return change_step(session, "/waive");
}

Result<int> list_policies(Session& session) {
  auto got = session.get("/api/v1/access/policies");
  if (!got) return std::move(got).error();
  Table table = rows_of(*got, {{"number", "number"},
                               {"time", "time"},
                               {"by", "by"},
                               {"action", "action"},
                               {"what", "what"}});
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  return 0;
}

std::string policy_path(Session& session) {
  return "/api/v1/access/policies/" + url_encoded(session.value("NUMBER"));
}

Result<int> show_policy(Session& session) {
  auto got = session.get(policy_path(session));
  if (!got) return std::move(got).error();
  return show_properties(session, std::move(*got),
                         {"number", "time", "by", "action", "what", "text"});
}

Result<int> restore_policy(Session& session) {
  auto sure = session.confirm("Put policy " + session.value("NUMBER") +
                              " in force in place of the present one?");
  if (!sure) return std::move(sure).error();
  if (!*sure) return 1;
  auto got = session.post(policy_path(session) + "/restore", json::object{});
  if (!got) return std::move(got).error();
  Table table = properties_table({{"number", json::value(session.value("NUMBER"))}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  session.say(session.dry_run() ? "Nothing was changed." : "It is in force again.");
  return 0;
}

Result<int> acknowledge(Session& session) {
  auto got = session.post("/api/v1/access/break-glass/acknowledge", json::object{});
  if (!got) return std::move(got).error();
  Table table = properties_table({{"break-glass", json::value("acknowledged")}});
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  return 0;
}

const OptionSpec kId{"ID", Form::positional, "ID", "the request's id, like ap-3f9a01b2c3d4"};
const OptionSpec kStep{"STEP", Form::positional, "STEP",
                       "activate_link, raise_budget, sign_agreement, rotate_charter, "
                       "restore_policy or change_roles"};
const OptionSpec kNumber{"NUMBER", Form::positional, "NUMBER", "see 'entente policy list'"};

void add_policy_commands(CommandTable& table) {
  table.push_back({"policy list",
                   Effect::ro,
                   "List former policies, newest first",
                   {},
                   {"entente policy list"},
                   list_policies});
  table.push_back({"policy show",
                   Effect::ro,
                   "Show a former policy's text",
                   {kNumber},
                   {"entente policy show 12"},
                   show_policy});
  table.push_back({"policy restore",
                   Effect::rw,
                   "Put a former policy in force again",
                   {kNumber},
                   {"entente policy restore 12"},
                   restore_policy});
  table.push_back({"access acknowledge",
                   Effect::rw,
                   "Say that a use of break-glass was looked into",
                   {},
                   {"entente access acknowledge"},
                   acknowledge});
}

}  // namespace

void add_approval_commands(CommandTable& table) {
  table.push_back({"approval list",
                   Effect::ro,
                   "List the requests for a second person",
                   {},
                   {"entente approval list"},
                   list_approvals});
  table.push_back({"approval show",
                   Effect::ro,
                   "Show all that a request asks for",
                   {kId},
                   {"entente approval show ap-3f9a01b2c3d4"},
                   show_approval});
  table.push_back({"approval approve",
                   Effect::rw,
                   "Run somebody else's request",
                   {kId},
                   {"entente approval approve ap-3f9a01b2c3d4"},
                   approve});
  table.push_back({"approval reject",
                   Effect::rw,
                   "End a request unrun, or withdraw one's own",
                   {kId},
                   {"entente approval reject ap-3f9a01b2c3d4"},
                   reject});
  table.push_back({"approval require",
                   Effect::rw,
                   "From now on a step needs two persons",
                   {kStep},
                   {"entente approval require sign_agreement"},
                   require_two});
  table.push_back({"approval waive",
                   Effect::rw,
                   "From now on a step needs one person; this itself needs two",
                   {kStep},
                   {"entente approval waive sign_agreement"},
                   waive_two});
  add_policy_commands(table);
}

}  // namespace entente::node
