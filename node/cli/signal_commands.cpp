// Derived signals: applied, listed, shown with their values, removed.
#include "node/cli/signal_commands.h"

#include <boost/json.hpp>

#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/derived/derived_signal.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Result<int> apply_signals(Session& session) {
  const std::string path = session.value("FILE");
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  // Read here as well, so that an error names the file.
  auto read = read_derived(*text, path);
  if (!read) return std::move(read).error();
  auto got = session.post_text("/api/v1/signals", std::move(*text), "text/toml");
  if (!got) return std::move(got).error();
  Table table{{{"name", "signal"}, {"owner", "of"}, {"value", "value"}, {"unit", "unit"}}, {}};
  for (const DerivedSignal& one : *read) {
    table.rows.push_back({json::value(one.name), json::value(one.owner()), json::value(one.value),
                          json::value(one.unit)});
  }
  session.show({object_of(std::move(*got)), std::move(table), "", false});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

Result<int> list_signals(Session& session) {
  auto got = session.get("/api/v1/signals");
  if (!got) return std::move(got).error();
  Table table{
      {{"name", "signal"}, {"owner", "of"}, {"value", "value"}, {"unit", "unit"}, {"hold", "hold"}},
      {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "name"), field(item, "owner"), field(item, "value"),
                          field(item, "unit"), field(item, "hold")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) {
    session.say("No derived signals yet: entente signal apply FILE");
  }
  return 0;
}

Result<int> show_signals(Session& session) {
  auto got = session.get("/api/v1/twins/" + url_encoded(session.value("ID")) + "/signals");
  if (!got) return std::move(got).error();
  Table table{{{"name", "signal"},
               {"value", "value", Kind::number},
               {"unit", "unit"},
               {"age_s", "age", Kind::age},
               {"expression", "computed as"},
               {"reason", "why no value now"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "name"), field(item, "value"), field(item, "unit"),
                          field(item, "age_s"), field(item, "expression"), field(item, "reason")});
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  return 0;
}

Result<int> remove_signal(Session& session) {
  const std::string of = session.value("OWNER");
  json::object body{{"owner", (of.rfind("dtmi:", 0) == 0 ? "type " : "twin ") + of},
                    {"name", session.value("NAME")}};
  auto got = session.post("/api/v1/signals/remove", body);
  if (!got) return std::move(got).error();
  std::vector<std::pair<std::string, json::value>> lines{{"removed", field(*got, "removed")},
                                                         {"of", field(*got, "owner")}};
  session.show({object_of(std::move(*got)), properties_table(std::move(lines)), "", true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

}  // namespace

void add_signal_commands(CommandTable& table) {
  table.push_back({"signal apply",
                   Effect::rw,
                   "Define signals that are computed from others",
                   {{"FILE", Form::positional, "", "TOML; - for standard input"}},
                   {"entente signal apply derived.toml --dry-run"},
                   apply_signals});
  table.push_back({"signal list",
                   Effect::ro,
                   "The definitions of derived signals",
                   {},
                   {"entente signal list"},
                   list_signals});
  table.push_back({"signal show",
                   Effect::ro,
                   "A twin's derived signals, or why they have no value",
                   {{"ID", Form::positional, "", "the twin's id"}},
                   {"entente signal show tank-1",
                    "entente twin export tank-1 --signal net_flow --out net_flow.csv"},
                   show_signals});
  table.push_back({"signal remove",
                   Effect::rw,
                   "Remove a derived signal",
                   {{"OWNER", Form::positional, "", "the twin's id, or the type"},
                    {"NAME", Form::positional, "", "the signal"}},
                   {"entente signal remove 'dtmi:plant:Tank;1' net_flow"},
                   remove_signal});
}

}  // namespace entente::node
