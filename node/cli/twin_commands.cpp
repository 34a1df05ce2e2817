// Types and twins.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

constexpr std::size_t kSignalsShown = 3;

// "pm25 12.4 ug/m3, no2 8" of the latest readings.
std::string latest_text(const json::value& twin) {
  const auto* signals = field(twin, "signals").if_object();
  if (signals == nullptr) return {};
  std::string out;
  std::size_t shown = 0;
  for (const auto& member : *signals) {
    if (shown == kSignalsShown) return out + ", +" + std::to_string(signals->size() - shown);
    const auto value = number_of_field(member.value(), "value");
    const std::string unit = text_of_field(member.value(), "unit");
    out += (out.empty() ? "" : ", ") + std::string(member.key()) + " " +
           (value ? shortest(*value) : "-") + (unit.empty() ? "" : " " + unit);
    ++shown;
  }
  return out;
}

// Of the youngest reading; null when there is none.
json::value age_of(const json::value& twin) {
  json::value youngest;
  if (const auto* signals = field(twin, "signals").if_object()) {
    for (const auto& member : *signals) {
      const auto age = number_of_field(member.value(), "age_s");
      if (age && (youngest.is_null() || *age < youngest.get_double())) youngest = *age;
    }
  }
  return youngest;
}

Result<int> list_twins(Session& session) {
  const bool all = session.flag("all");
  auto limit = session.number("limit", 100, 1'000);
  if (!limit) return std::move(limit).error();
  json::array items;
  std::string cursor = session.value("cursor");
  for (std::size_t page = 0; page < limits::kCliPages; ++page) {
    std::string target = "/api/v1/twins?limit=" + std::to_string(all ? 1'000 : *limit);
    if (!session.value("type").empty()) target += "&type=" + url_encoded(session.value("type"));
    if (!cursor.empty()) target += "&cursor=" + url_encoded(cursor);
    auto got = session.get(target);
    if (!got) return std::move(got).error();
    for (const json::value& item : array_of_field(*got, "items")) items.push_back(item);
    cursor = text_of_field(*got, "next");
    if (cursor.empty() || !all) break;
  }
  Table table{{{"id", "twin"},
               {"name", "name"},
               {"type", "type"},
               {"latest", "latest reading"},
               {"age_s", "age", Kind::age}},
              {}};
  for (const json::value& item : items) {
    table.rows.push_back({field(item, "id"), field(item, "name"), field(item, "type"),
                          json::value(latest_text(item)), age_of(item)});
  }
  const bool empty = items.empty();
  json::object payload{{"items", std::move(items)}};
  payload["next"] = cursor.empty() ? json::value() : json::value(cursor);
  session.show({std::move(payload), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say(
        "No twins yet. Add them: entente type apply TYPE.json, entente twin apply TWINS.toml");
  }
  if (!cursor.empty()) session.say("There are more: add --all, or --cursor " + cursor);
  return 0;
}

// Its derived signals and models, which have answers of their own; without them where there are
// none, or who asks may not see them.
void add_derived(Session& session, std::vector<std::pair<std::string, json::value>>& lines) {
  const std::string path = "/api/v1/twins/" + url_encoded(session.value("ID"));
  if (auto signals = session.get(path + "/signals")) {
    for (const json::value& item : array_of_field(*signals, "items")) {
      const auto value = number_of_field(item, "value");
      const std::string reason = text_of_field(item, "reason");
      std::string text = value ? shortest(*value) + " " + text_of_field(item, "unit") : "no value";
      if (!reason.empty()) text += " (" + reason + ")";
      lines.emplace_back(text_of_field(item, "name"),
                         text + ", = " + text_of_field(item, "expression"));
    }
  }
  if (auto models = session.get(path + "/models")) {
    for (const json::value& item : array_of_field(*models, "items")) {
      std::string text = text_of_field(item, "kind") + ", version " +
                         json::serialize(field(item, "version")) + ", " +
                         text_of_field(item, "life");
      if (const auto why = text_of_field(item, "reason"); !why.empty()) text += ": " + why;
      lines.emplace_back("model " + text_of_field(item, "name"), text);
    }
  }
}

Result<int> show_twin(Session& session) {
  auto got = session.get("/api/v1/twins/" + url_encoded(session.value("ID")));
  if (!got) return std::move(got).error();
  std::vector<std::pair<std::string, json::value>> lines{
      {"twin", field(*got, "id")}, {"name", field(*got, "name")}, {"type", field(*got, "type")}};
  if (const auto* properties = field(*got, "properties").if_object()) {
    for (const auto& member : *properties) lines.emplace_back(member.key(), member.value());
  }
  if (const auto* signals = field(*got, "signals").if_object()) {
    for (const auto& member : *signals) {
      const json::value& reading = member.value();
      const auto value = number_of_field(reading, "value");
      const auto age = number_of_field(reading, "age_s");
      const std::string unit = text_of_field(reading, "unit");
      std::string text =
          (value ? shortest(*value) : "no reading") + (unit.empty() ? "" : " " + unit);
      if (value) text += " at " + text_of_field(reading, "time");
      if (age) text += ", " + age_text(*age) + " old";
      if (const auto quality = text_of_field(reading, "quality"); !quality.empty()) {
        text += ", " + quality;
      }
      lines.emplace_back(member.key(), text);
    }
  }
  add_derived(session, lines);
  for (const json::value& relation : array_of_field(*got, "relationships")) {
    const std::string name = text_of_field(relation, "name");
    lines.emplace_back(name.empty() ? "relationship" : name,
                       text_of_field(relation, "target").empty()
                           ? json::value(json::serialize(relation))
                           : json::value("-> " + text_of_field(relation, "target")));
  }
  lines.emplace_back("readings", field(*got, "readings"));
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  return 0;
}

void show_applied(Session& session, json::value got) {
  Table table{{{"added", "added", Kind::integer},
               {"changed", "changed", Kind::integer},
               {"unchanged", "unchanged", Kind::integer}},
              {{field(got, "added"), field(got, "changed"), field(got, "unchanged")}}};
  session.show({object_of(std::move(got)), std::move(table), "", false});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
}

Result<int> apply_twins(Session& session) {
  const std::string path = session.value("FILE");
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  const std::size_t first = text->find_first_not_of(" \t\r\n");
  // TOML never begins with a brace, JSON twins always do.
  const bool is_json = first != std::string::npos && (*text)[first] == '{';
  auto got = session.post_text("/api/v1/twins", std::move(*text),
                               is_json ? "application/json" : "text/toml");
  if (!got) return std::move(got).error();
  show_applied(session, std::move(*got));
  return 0;
}

Result<int> list_types(Session& session) {
  auto got = session.get("/api/v1/types");
  if (!got) return std::move(got).error();
  const json::array listed = got->is_array() ? got->get_array() : array_of_field(*got, "items");
  Table table{{{"id", "type"}, {"name", "name"}, {"twins", "twins", Kind::integer}}, {}};
  for (const json::value& item : listed) {
    if (item.is_string()) {
      table.rows.push_back({item, json::value(), json::value()});
      continue;
    }
    const json::value& id = field(item, "id").is_null() ? field(item, "@id") : field(item, "id");
    const json::value& name =
        field(item, "name").is_null() ? field(item, "displayName") : field(item, "name");
    table.rows.push_back({id, name, field(item, "twins")});
  }
  const bool empty = table.rows.empty();
  session.show({{{"items", listed}}, std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No types yet: entente type apply TYPE.json");
  return 0;
}

Result<int> show_type(Session& session) {
  auto got = session.get("/api/v1/types/" + url_encoded(session.value("DTMI")));
  if (!got) return std::move(got).error();
  json::object object = object_of(std::move(*got));
  std::vector<std::pair<std::string, json::value>> lines;
  for (const auto& member : object) {
    if (member.key() != "contents") lines.emplace_back(member.key(), member.value());
  }
  for (const json::value& content : array_of_field(object, "contents")) {
    const json::value& kind = field(content, "@type");
    const std::string unit = text_of_field(content, "unit");
    const json::value& schema = field(content, "schema");
    std::string text = kind.is_string() ? std::string(kind.get_string()) : json::serialize(kind);
    if (schema.is_string()) text += " " + std::string(schema.get_string());
    if (!unit.empty()) text += " in " + unit;
    lines.emplace_back("  " + text_of_field(content, "name"), text);
  }
  session.show({std::move(object), properties_table(std::move(lines)), "", true});
  return 0;
}

Result<int> apply_types(Session& session) {
  json::array applied;
  Table table{{{"file", "file"},
               {"added", "added", Kind::integer},
               {"changed", "changed", Kind::integer},
               {"unchanged", "unchanged", Kind::integer}},
              {}};
  for (const std::string& path : session.values("FILE")) {
    auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
    if (!text) return std::move(text).error();
    auto got = session.post_text("/api/v1/types", std::move(*text), "application/json");
    if (!got) {
      Error error = std::move(got).error();
      error.what = path + ": " + error.what;
      return error;
    }
    table.rows.push_back({json::value(path), field(*got, "added"), field(*got, "changed"),
                          field(*got, "unchanged")});
    json::object one = object_of(std::move(*got));
    one["file"] = path;
    applied.push_back(std::move(one));
  }
  session.show({{{"items", std::move(applied)}}, std::move(table), "items", false});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

}  // namespace

void add_twin_commands(CommandTable& table) {
  table.push_back(
      {"type list", Effect::ro, "Types of twins", {}, {"entente type list"}, list_types});
  table.push_back({"type show",
                   Effect::ro,
                   "One type and its contents",
                   {{"DTMI", Form::positional, "", "like 'dtmi:org:air:Monitor;1'"}},
                   {"entente type show 'dtmi:org:air:Monitor;1'"},
                   show_type});
  table.push_back({"type apply",
                   Effect::rw,
                   "Add or change types",
                   {{"FILE", Form::positionals, "", "DTDL JSON files; - for standard input"}},
                   {"entente type apply monitor.json"},
                   apply_types});
  table.push_back({"twin list",
                   Effect::ro,
                   "Twins and their latest readings",
                   {{"type", Form::value, "DTMI", "only twins of this type"},
                    {"limit", Form::value, "N", "how many (100, at most 1000)"},
                    {"cursor", Form::value, "CURSOR", "go on after the page that gave it"},
                    {"all", Form::flag, "", "all of them"}},
                   {"entente twin list", "entente twin list --all -o csv"},
                   list_twins});
  table.push_back({"twin show",
                   Effect::ro,
                   "One twin: properties, readings, relationships",
                   {{"ID", Form::positional, "", "the twin's id"}},
                   {"entente twin show monitor-530330030"},
                   show_twin});
  table.push_back({"twin apply",
                   Effect::rw,
                   "Add or change twins and relationships",
                   {{"FILE", Form::positional, "", "TOML or JSON; - for standard input"}},
                   {"entente twin apply twins.toml --dry-run"},
                   apply_twins});
}

}  // namespace entente::node
