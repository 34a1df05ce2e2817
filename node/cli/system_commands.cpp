#include "node/cli/system_commands.h"

#include <boost/json.hpp>

#include <chrono>
#include <filesystem>
#include <thread>

#include "node/cli/connection.h"
#include "node/cli/file_source.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

constexpr Duration kWatchPause = seconds(1);  // between two looks of `system watch`

std::string number_text(const json::value& object, std::string_view name) {
  const auto number = number_of_field(object, name);
  return number ? shortest(*number) : "?";
}

std::string path_of(const std::string& name) {
  return "/api/v1/systems/" + url_encoded(name);
}

// The names in a list of objects or texts, or of an object's members: "a, b".
json::value joined(const json::value& value) {
  std::string out;
  const auto add = [&](std::string_view text) {
    out += (out.empty() ? "" : ", ") + std::string(text);
  };
  if (const auto* object = value.if_object()) {
    for (const auto& member : *object) add(member.key());
    return json::value(out);
  }
  if (!value.is_array()) return value;
  for (const json::value& part : value.get_array()) {
    add(part.is_string() ? std::string(part.get_string()) : text_of_field(part, "name"));
  }
  return json::value(out);
}

Result<int> list(Session& session) {
  auto got = session.get("/api/v1/systems");
  if (!got) return std::move(got).error();
  Table table{{{"name", "system"},
               {"members", "members"},
               {"needs", "needs"},
               {"properties", "properties"},
               {"version", "version", Kind::integer},
               {"source", "declared in"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "name"), joined(field(item, "members")), field(item, "needs"),
                          joined(field(item, "properties")), field(item, "version"),
                          field(item, "source")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say("No system twins yet: declare one with 'entente system new FILE'.");
  }
  return 0;
}

// "works 0.2, depot refused": what each member did for the window and charged for it.
std::string members_text(const json::value& row) {
  std::string out;
  for (const json::value& member : array_of_field(row, "coverage")) {
    const json::value& charged = field(member, "charged");
    const double epsilon = number_of_field(charged, "epsilon").value_or(0) +
                           number_of_field(member, "charged_before").value_or(0);
    const std::string state = text_of_field(member, "state");
    out += (out.empty() ? "" : ", ") + text_of_field(member, "organisation") + " ";
    out += state == "answered" ? shortest(epsilon) : state;
  }
  return out;
}

json::value answered_of(const json::value& row) {
  if (!number_of_field(row, "members")) return json::value("");
  return json::value(number_text(row, "answered") + " of " + number_text(row, "members"));
}

Table page_table(const json::value& page) {
  Table table{{{"name", "property"},
               {"item", "item"},
               {"to", "until"},
               {"value", "value", Kind::number},
               {"lower", "95 % from", Kind::number},
               {"upper", "to", Kind::number},
               {"unit", "unit"},
               {"answered", "answered"},
               {"age_s", "age", Kind::age},
               {"charged", "charged"},
               {"version", "version", Kind::integer},
               {"revision", "revision", Kind::integer},
               {"state", "state", Kind::state}},
              {}};
  for (const json::value& property : array_of_field(page, "properties")) {
    table.rows.push_back({field(property, "name"), field(property, "item"), field(property, "to"),
                          field(property, "value"), field(property, "lower"),
                          field(property, "upper"), field(property, "unit"), answered_of(property),
                          field(property, "age_s"), json::value(members_text(property)),
                          field(property, "version"), field(property, "revision"),
                          field(property, "state")});
  }
  return table;
}

void say_property(Session& session, const std::string& system, const json::value& property) {
  const std::string name = text_of_field(property, "name");
  if (text_of_field(property, "state") == "not kept") {
    session.say(name + " is not kept: ask it with 'entente ask \"SELECT " +
                text_of_field(property, "item") + " FROM " + system + " OVER " +
                text_of_field(property, "over") + "\"'.");
    return;
  }
  const std::string due = text_of_field(property, "next_due");
  const std::string problem = text_of_field(property, "problem");
  const std::string reason = text_of_field(property, "reason");
  if (!reason.empty()) session.say(name + " has no value: " + reason + ".");
  if (array_of_field(property, "cells").size() > 1) {
    session.say(name + " has a value for each cell: see 'entente system history " + system + " " +
                name + "'.");
  }
  if (!problem.empty()) session.say(name + " waits: " + problem + ".");
  if (!due.empty()) session.say(name + " is asked next at " + due + ".");
}

Result<int> show(Session& session) {
  auto got = session.get(path_of(session.value("NAME")));
  if (!got) return std::move(got).error();
  const json::value page = *got;
  session.show({object_of(std::move(*got)), page_table(page), "properties", false});
  if (!session.for_people()) return 0;
  const std::string name = text_of_field(page, "name");
  session.say(text_of_field(page, "title") + ": version " + number_text(page, "version") +
              ", declared " + text_of_field(page, "declared") + "; needs " +
              text_of_field(page, "needs") + " of its " +
              std::to_string(array_of_field(page, "members").size()) + " members.");
  for (const json::value& member : array_of_field(page, "members")) {
    const std::string reason = text_of_field(member, "reason");
    if (!reason.empty()) session.say(text_of_field(member, "name") + ": " + reason + ".");
  }
  for (const json::value& property : array_of_field(page, "properties")) {
    say_property(session, name, property);
  }
  session.say("Ranges cover the noise alone; charges are epsilon of each member, for the window.");
  return 0;
}

Result<int> tree(Session& session) {
  auto got = session.get(path_of(session.value("NAME")) + "/tree");
  if (!got) return std::move(got).error();
  Table table{{{"name", "member"},
               {"kind", ""},
               {"organisation", "organisation"},
               {"site", "site"},
               {"domain", "privacy domain"},
               {"agreement", "agreement"},
               {"state", "state", Kind::state},
               {"last", "last outcome"},
               {"at", "at"}},
              {}};
  for (const json::value& node : array_of_field(*got, "items")) {
    const auto depth = static_cast<std::size_t>(number_of_field(node, "depth").value_or(0));
    const json::value& last = field(node, "last");
    const std::string reason = text_of_field(last, "reason");
    table.rows.push_back(
        {json::value(std::string(2 * std::min<std::size_t>(depth, 16), ' ') +
                     text_of_field(node, "name")),
         field(node, "kind"), field(node, "organisation"), field(node, "site"),
         field(node, "domain"), field(node, "agreement"), field(node, "state"),
         json::value(text_of_field(last, "state") + (reason.empty() ? "" : ": " + reason)),
         field(last, "at")});
  }
  std::vector<std::string> words;
  for (const json::value& node : array_of_field(*got, "items")) {
    const std::string reason = text_of_field(node, "reason");
    if (!reason.empty()) words.push_back(text_of_field(node, "name") + ": " + reason + ".");
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (!session.for_people()) return 0;
  for (const std::string& line : words) session.say(line);
  return 0;
}

Table findings_table(const json::value& checked) {
  Table table{{{"member", "member"},
               {"property", "property"},
               {"code", "code"},
               {"what", "what"},
               {"remedy", "what to do"}},
              {}};
  for (const json::value& one : array_of_field(checked, "findings")) {
    table.rows.push_back({field(one, "member"), field(one, "property"), field(one, "code"),
                          field(one, "what"), field(one, "remedy")});
  }
  return table;
}

// What each window of the kept properties costs, member by member.
void say_charge(Session& session, const json::value& answer) {
  for (const json::value& member : array_of_field(field(answer, "window_charge"), "charge")) {
    session.say("Each window is charged epsilon " + number_text(member, "epsilon") + " by " +
                text_of_field(member, "organisation") + " (" + text_of_field(member, "domain") +
                "), of which " + number_text(member, "quota_epsilon") + " a block is agreed.");
  }
}

// A name unless there is such a file.
Result<json::value> checked(Session& session, const std::string& what) {
  std::error_code none;
  if (what != "-" && !std::filesystem::exists(what, none)) {
    return session.get(path_of(what) + "/check");
  }
  auto text = read_whole(what, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  return session.post_text("/api/v1/systems/check", std::move(*text), "text/toml");
}

Result<int> check(Session& session) {
  auto got = checked(session, session.value("NAME-OR-FILE"));
  if (!got) return std::move(got).error();
  const json::value answer = *got;
  session.show({object_of(std::move(*got)), findings_table(answer), "findings", false});
  const bool good = is_true(answer, "ok");
  if (session.for_people() && good) {
    session.say("All members of " + text_of_field(answer, "name") +
                " can answer all its properties.");
    say_charge(session, answer);
  }
  return good ? 0 : 1;
}

Result<int> declare(Session& session) {
  const std::string path = session.value("FILE");
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  std::string target = "/api/v1/systems";
  char joint = '?';
  for (const char* option : {"replace", "unready"}) {
    if (!session.flag(option)) continue;
    target += joint + std::string(option) + "=1";
    joint = '&';
  }
  auto got = session.post_text(target, std::move(*text), "text/toml");
  if (!got) return std::move(got).error();
  const json::value made = *got;
  session.show({object_of(std::move(*got)),
                properties_table({{"system", field(made, "name")},
                                  {"version", field(made, "version")},
                                  {"members", joined(field(made, "members"))},
                                  {"needs", field(made, "needs")},
                                  {"properties", joined(field(made, "properties"))}}),
                "", true});
  if (!session.for_people()) return 0;
  for (const json::value& one : array_of_field(made, "findings")) {
    session.say("Not ready: " + text_of_field(one, "member") + " " +
                text_of_field(one, "property") + ": " + text_of_field(one, "what"));
  }
  say_charge(session, made);
  session.say(session.dry_run() ? "Nothing was declared (--dry-run)."
                                : "In force: entente system show " + text_of_field(made, "name"));
  return 0;
}

Result<int> remove(Session& session) {
  const std::string name = session.value("NAME");
  if (!session.dry_run()) {
    auto sure = session.confirm("'" + name + "' is asked no more; its history stays. Go on?");
    if (!sure) return std::move(sure).error();
    if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  }
  auto got = session.post(path_of(name) + "/remove", json::object{});
  if (!got) return std::move(got).error();
  const json::value gone = *got;
  session.show(
      {object_of(std::move(*got)),
       properties_table({{"system", field(gone, "name")}, {"version", field(gone, "version")}}), "",
       true});
  if (session.for_people()) {
    session.say(session.dry_run() ? "It would be removed; its history stays."
                                  : "Removed; its history stays: entente system history " + name);
  }
  return 0;
}

Table history_columns() {
  return {{{"property", "property"},
           {"from", "from"},
           {"to", "until"},
           {"value", "value", Kind::number},
           {"standard_error", "standard error", Kind::number},
           {"lower", "95 % from", Kind::number},
           {"upper", "to", Kind::number},
           {"unit", "unit"},
           {"answered", "answered"},
           {"charged", "charged"},
           {"revision", "revision", Kind::integer},
           {"version", "version", Kind::integer},
           {"released", "released"},
           {"reason", "reason"}},
          {}};
}

// A line for each cell and bin of a window; a window without figures one.
void add_rows(Table& table, const json::value& row) {
  const auto add = [&](const json::value& cell, const json::value& figures) {
    const bool whole = cell.is_null();
    table.rows.push_back({field(row, "property"), field(whole ? row : cell, "from"),
                          field(whole ? row : cell, "to"), field(figures, "value"),
                          field(figures, "standard_error"), field(figures, "lower"),
                          field(figures, "upper"), field(row, "unit"), answered_of(row),
                          json::value(members_text(row)), field(row, "revision"),
                          field(row, "version"), field(row, "released"), field(row, "reason")});
  };
  const auto& cells = array_of_field(row, "cells");
  if (cells.empty()) add(json::value(), json::value());
  for (const json::value& cell : cells) {
    const auto& bins = array_of_field(cell, "bins");
    if (bins.empty()) add(cell, cell);
    for (const json::value& bin : bins) add(cell, bin);
  }
}

Result<int> show_versions(Session& session, const std::string& name) {
  auto got = session.get(path_of(name) + "/versions");
  if (!got) return std::move(got).error();
  Table table{{{"version", "version", Kind::integer},
               {"declared", "declared"},
               {"source", "in"},
               {"actor", "by"},
               {"state", "state", Kind::state},
               {"text", ""}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    table.rows.push_back({field(one, "version"), field(one, "declared"), field(one, "source"),
                          field(one, "actor"), field(one, "state"), field(one, "text")});
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  return 0;
}

Result<int> history(Session& session) {
  const std::string name = session.value("NAME");
  const std::string property = session.value("PROPERTY");
  if (session.flag("definition")) return show_versions(session, name);
  auto limit = session.number("limit", 100, 1'000);
  if (!limit) return std::move(limit).error();
  auto got = session.get(path_of(name) + "/history?limit=" + std::to_string(*limit) +
                         (property.empty() ? "" : "&property=" + url_encoded(property)));
  if (!got) return std::move(got).error();
  Table table = history_columns();
  for (const json::value& row : array_of_field(*got, "items")) add_rows(table, row);
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say("Nothing was kept yet: only properties with keep = true have a history.");
  }
  return 0;
}

void wait_a_little(Session& session) {
  if (session.local().sleep) return session.local().sleep(kWatchPause);
  std::this_thread::sleep_for(std::chrono::nanoseconds(kWatchPause.ns));
}

// Rows as they are kept; the newest of each property first. Ends with the process, or at once.
Result<int> watch(Session& session) {
  const std::string name = session.value("NAME");
  auto page = session.get(path_of(name));
  if (!page) return std::move(page).error();
  std::int64_t last = 0;
  Table newest = history_columns();
  json::array items;
  for (const json::value& property : array_of_field(*page, "properties")) {
    const auto id = number_of_field(property, "id");
    if (!id) continue;
    last = std::max(last, static_cast<std::int64_t>(*id));
    json::object row = property.as_object();
    row["property"] = field(property, "name");
    items.push_back(std::move(row));
    add_rows(newest, items.back());
  }
  session.show({{{"name", name}, {"items", std::move(items)}}, std::move(newest), "items", false});
  while (!session.flag("once")) {
    wait_a_little(session);
    auto got = session.get(path_of(name) + "/history?after=" + std::to_string(last));
    if (!got) return std::move(got).error();
    Table table = history_columns();
    for (const json::value& row : array_of_field(*got, "items")) {
      add_rows(table, row);
      last = static_cast<std::int64_t>(number_of_field(row, "id").value_or(0));
    }
    if (table.rows.empty()) continue;
    session.show({object_of(std::move(*got)), std::move(table), "items", true});
    session.streams().out.flush();
  }
  return 0;
}

}  // namespace

void add_system_commands(CommandTable& table) {
  const OptionSpec name{"NAME", Form::positional, "", "the system twin's name"};
  table.push_back({"system list",
                   Effect::ro,
                   "System twins and their members",
                   {},
                   {"entente system list"},
                   list});
  table.push_back({"system show",
                   Effect::ro,
                   "A system twin's page: each property's value, range, coverage, age and charges",
                   {name},
                   {"entente system show smoke", "entente system show smoke -o json"},
                   show});
  table.push_back(
      {"system new",
       Effect::rw,
       "Declare a system twin; properties with keep = true are asked by the node itself, window "
       "by window, which each member charges",
       {{"FILE", Form::positional, "", "one [system.NAME] table in TOML; - is standard input"},
        {"replace", Form::flag, "", "as the next version of one that was declared like this"},
        {"unready", Form::flag, "", "also when 'system check' finds what stops it now"}},
       {"entente system new smoke.toml --dry-run", "entente system new smoke.toml"},
       declare});
  table.push_back(
      {"system check",
       Effect::ro,
       "What stops a system twin from being answered, by member and reason, and what keeping costs",
       {{"NAME-OR-FILE", Form::positional, "", "a system twin, or a file that declares one"}},
       {"entente system check smoke", "entente system check smoke.toml"},
       check});
  table.push_back({"system tree",
                   Effect::ro,
                   "Members with site, privacy domain, agreement and last outcome",
                   {name},
                   {"entente system tree smoke"},
                   tree});
  table.push_back({"system watch",
                   Effect::ro,
                   "Values as they are kept, until Ctrl-C",
                   {name, {"once", Form::flag, "", "print the newest values and end"}},
                   {"entente system watch smoke", "entente system watch smoke --once -o jsonl"},
                   watch});
  table.push_back(
      {"system history",
       Effect::ro,
       "What was kept, corrections beside what they correct",
       {name,
        {"PROPERTY", Form::optional_positional, "", "only this property"},
        {"limit", Form::value, "N", "windows, the newest; 100 unless told"},
        {"definition", Form::flag, "", "the versions of the definition instead"}},
       {"entente system history smoke pm25", "entente system history smoke --definition"},
       history});
  table.push_back({"system remove",
                   Effect::rw,
                   "End a system twin that was declared with 'system new'; its history stays",
                   {name},
                   {"entente system remove smoke --dry-run", "entente system remove smoke --yes"},
                   remove});
}

}  // namespace entente::node
