// Health of a twin's sensors, its quarantine, judging again, rules learned.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string path_of(Session& session, const char* what) {
  return "/api/v1/twins/" + url_encoded(session.value("ID")) + "/" + what;
}

// Appends "?name=value" or "&name=value" of the options that were given.
std::string with_options(std::string target, Session& session,
                         std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const std::string value = session.value(name);
    if (value.empty()) continue;
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += std::string(name) + "=" + url_encoded(value);
  }
  return target;
}

// "stuck 3, spike 1": all but the good ones.
std::string faults_text(const json::value& verdicts) {
  std::string out;
  if (const auto* counts = verdicts.if_object()) {
    for (const auto& member : *counts) {
      if (member.key() == "good") continue;
      out += (out.empty() ? "" : ", ") + std::string(member.key()) + " " +
             json::serialize(member.value());
    }
  }
  return out;
}

json::value percent(const json::value& share) {
  const auto number = number_of(share);
  return number ? json::value(*number * 100) : json::value();
}

Result<int> show_health(Session& session) {
  auto got = session.get(with_options(path_of(session, "health"), session, {"over", "step"}));
  if (!got) return std::move(got).error();
  Table table{{{"signal", "signal"},
               {"good_percent", "good %", Kind::number, 2},
               {"readings", "readings", Kind::integer},
               {"age_s", "age", Kind::age},
               {"faults", "faults"},
               {"gaps", "gaps", Kind::integer},
               {"gap_longest_s", "longest", Kind::age},
               {"duplicates", "duplicates", Kind::integer},
               {"out_of_order", "out of order", Kind::integer},
               {"irregular_percent", "irregular %", Kind::number, 1},
               {"last_good", "last good"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    const json::value& window = field(item, "window");
    const json::value& since = field(item, "since_start");
    const json::value& gaps = field(since, "gaps");
    table.rows.push_back({field(item, "signal"), percent(field(window, "good_share")),
                          field(window, "readings"), field(item, "age_s"),
                          json::value(faults_text(field(window, "verdicts"))), field(gaps, "count"),
                          field(gaps, "longest_s"), field(since, "duplicates"),
                          field(since, "out_of_order"), percent(field(since, "irregular_share")),
                          field(since, "last_good")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No readings yet.");
  return 0;
}

Result<int> show_history(Session& session) {
  auto got = session.get(path_of(session, "history"));
  if (!got) return std::move(got).error();
  Table table{{{"signal", "signal"},
               {"readings", "readings", Kind::integer},
               {"from", "from"},
               {"to", "to"},
               {"summarised", "summarised", Kind::integer},
               {"minutes_from", "minutes from"},
               {"hours_from", "hours from"},
               {"days_from", "days from"},
               {"keep", "kept: readings, minutes, hours"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    std::string keep;
    for (const char* name : {"keep_readings", "keep_minutes", "keep_hours"}) {
      keep += (keep.empty() ? "" : ", ") + text_of_field(item, name);
    }
    table.rows.push_back({field(item, "signal"), field(item, "readings"), field(item, "from"),
                          field(item, "to"), field(item, "summarised"), field(item, "minutes_from"),
                          field(item, "hours_from"), field(item, "days_from"), json::value(keep)});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No readings yet.");
  return 0;
}

Result<int> show_quarantine(Session& session) {
  std::string target = path_of(session, "quarantine");
  if (session.flag("uncertain")) target += "?least=uncertain";
  auto limit = session.number("limit", 100, 1'000);
  if (!limit) return std::move(limit).error();
  target = with_options(target, session, {"signal", "from", "to", "limit", "cursor"});
  auto got = session.get(target);
  if (!got) return std::move(got).error();
  Table table{{{"time", "time"},
               {"signal", "signal"},
               {"value", "value", Kind::number},
               {"unit", "unit"},
               {"verdict", "verdict"},
               {"reason", "reason"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back({field(item, "time"), field(item, "signal"), field(item, "value"),
                          field(item, "unit"), field(item, "verdict"), field(item, "reason")});
  }
  const std::string next = text_of_field(*got, "next");
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("Nothing is in quarantine.");
  if (!next.empty()) session.say("There are more: add --cursor " + next);
  return 0;
}

Result<int> rejudge_twin(Session& session) {
  json::object body;
  for (const char* name : {"signal", "from", "to"}) {
    if (!session.value(name).empty()) body[name] = session.value(name);
  }
  auto got = session.post(path_of(session, "rejudge"), json::value(std::move(body)));
  if (!got) return std::move(got).error();
  Table table{{{"signal", "signal"},
               {"from", "was"},
               {"to", "is now"},
               {"readings", "readings", Kind::integer}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back(
        {field(item, "signal"), field(item, "from"), field(item, "to"), field(item, "readings")});
  }
  const std::string words = json::serialize(field(*got, "changed")) + " of " +
                            json::serialize(field(*got, "judged")) + " verdicts changed.";
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  session.say(words);
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

Result<int> learn_rules(Session& session) {
  std::string target = "/api/v1/quality/learned";
  const std::string twin = session.value("ID");
  if (twin.empty() == session.value("type").empty()) {
    return make_error(ErrorCode::invalid_argument, "name a twin, or a type with --type");
  }
  if (!twin.empty()) target += "?twin=" + url_encoded(twin);
  auto got = session.get(with_options(target, session, {"type", "signal", "from", "to"}));
  if (!got) return std::move(got).error();
  if (session.for_people()) {
    // The rules themselves, so that they can be sent into a file.
    session.streams().out << text_of_field(*got, "toml");
    for (const json::value& item : array_of_field(*got, "skipped")) {
      session.say(text_of_field(item, "signal") + ": " + text_of_field(item, "reason"));
    }
    return 0;
  }
  Table table{{{"signal", "signal"},
               {"readings", "readings", Kind::integer},
               {"good", "good", Kind::integer},
               {"toml", "rules"}},
              {}};
  for (const json::value& item : array_of_field(*got, "items")) {
    table.rows.push_back(
        {field(item, "signal"), field(item, "readings"), field(item, "good"), field(item, "toml")});
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  return 0;
}

std::string lengths_text(const json::value& kept) {
  return text_of_field(kept, "readings") + ", " + text_of_field(kept, "minutes") + ", " +
         text_of_field(kept, "hours");
}

Table changes_table(const json::value& answer) {
  Table table{{{"of", "of"},
               {"owner", "type or twin"},
               {"signal", "signal"},
               {"change", "change"},
               {"before", "kept before: readings, minutes, hours"},
               {"now", "kept now"}},
              {}};
  for (const json::value& item : array_of_field(answer, "items")) {
    table.rows.push_back({field(item, "of"), field(item, "owner"), field(item, "signal"),
                          field(item, "change"), json::value(), json::value()});
  }
  for (const json::value& item : array_of_field(answer, "retention")) {
    table.rows.push_back({json::value("retention"), field(item, "type"), field(item, "signal"),
                          json::value("changed"), json::value(lengths_text(field(item, "before"))),
                          json::value(lengths_text(field(item, "now")))});
  }
  return table;
}

bool flag_of(const json::value& answer, std::string_view name) {
  const auto* found = field(answer, name).if_bool();
  return found != nullptr && *found;
}

// Asks only where something would be kept for a shorter time: that cannot be taken back.
Result<bool> sure_of_reload(Session& session) {
  if (session.dry_run()) return true;
  auto planned = session.post("/api/v1/quality/reload?dryRun=1", json::object{});
  if (!planned) return std::move(planned).error();
  if (!flag_of(*planned, "loses")) return true;
  if (session.for_people()) session.say_table(changes_table(*planned));
  return session.confirm("Readings or summaries are kept for a shorter time. Go on?");
}

Result<int> reload_rules(Session& session) {
  auto sure = sure_of_reload(session);
  if (!sure) return std::move(sure).error();
  if (!*sure) {
    session.say("Nothing was changed.");
    return 0;
  }
  auto got = session.post("/api/v1/quality/reload", json::object{});
  if (!got) return std::move(got).error();
  Table table = changes_table(*got);
  const bool empty = table.rows.empty();
  const bool restart = flag_of(*got, "needs_restart");
  std::vector<std::string> idle;
  for (const json::value& one : array_of_field(*got, "idle")) {
    idle.push_back(text_of_field(one, "type") + "." + text_of_field(one, "signal"));
  }
  std::vector<std::string> systems;
  for (const json::value& one : array_of_field(*got, "systems")) {
    if (one.is_string()) systems.emplace_back(one.get_string());
  }
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty) session.say("The rules are as they were.");
  for (const std::string& one : idle) session.say("No type has what this rule is for: " + one);
  for (const std::string& system : systems) session.say("System twin: " + system);
  if (restart) session.say("The files have other exports: these wait for a restart.");
  if (session.dry_run()) {
    session.say("Nothing was changed (--dry-run).");
  } else if (!empty) {
    session.say("In force. Kept readings have their verdicts still: see 'entente twin rejudge'.");
  }
  return 0;
}

}  // namespace

void add_quality_commands(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "", "the twin's id"};
  const OptionSpec signal{"signal", Form::value, "NAME", "only this signal"};
  const OptionSpec from{"from", Form::value, "TIME", "from this time, such as 2015-08-20"};
  const OptionSpec to{"to", Form::value, "TIME", "before this time"};
  table.push_back({"twin health",
                   Effect::ro,
                   "How well a twin's sensors do",
                   {id,
                    {"over", Form::value, "24h", "how much of each signal's newest readings"},
                    {"step", Form::value, "1h", "in JSON also in parts of this length"}},
                   {"entente twin health monitor-530330030 --over 7d"},
                   show_health});
  table.push_back({"twin history",
                   Effect::ro,
                   "What is kept of a twin's readings, and for how long",
                   {id},
                   {"entente twin history monitor-530330030"},
                   show_history});
  table.push_back({"twin quarantine",
                   Effect::ro,
                   "Readings that were judged bad, with the reason",
                   {id,
                    signal,
                    from,
                    to,
                    {"uncertain", Form::flag, "", "uncertain ones as well"},
                    {"limit", Form::value, "N", "how many (100, at most 1000)"},
                    {"cursor", Form::value, "CURSOR", "go on after the page that gave it"}},
                   {"entente twin quarantine monitor-530330030 --uncertain -o json"},
                   show_quarantine});
  table.push_back({"twin rejudge",
                   Effect::rw,
                   "Judge kept readings again by the present rules",
                   {id, signal, from, to},
                   {"entente twin rejudge monitor-530330030 --dry-run"},
                   rejudge_twin});
  table.push_back({"twin learn",
                   Effect::ro,
                   "Propose quality rules from what signals usually do",
                   {{"ID", Form::optional_positional, "", "the twin's id"},
                    {"type", Form::value, "DTMI", "for all twins of a type instead"},
                    signal,
                    from,
                    to},
                   {"entente twin learn monitor-530330030",
                    "entente twin learn --type 'dtmi:org:air:Monitor;1'"},
                   learn_rules});
  table.push_back({"quality reload",
                   Effect::rw,
                   "Put the rules of quality and retention in force as their files are now",
                   {},
                   {"entente quality reload --dry-run"},
                   reload_rules});
}

}  // namespace entente::node
