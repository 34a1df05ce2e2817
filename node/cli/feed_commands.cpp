// `feed …`: standing questions to partners, what they cost, and the series that came of them.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string number_text(const json::value& object, std::string_view name) {
  const auto number = number_of_field(object, name);
  return number ? shortest(*number) : "?";
}

Result<json::object> body_of(Session& session) {
  json::object body{{"question", session.value("QUESTION")}, {"for", session.value("for")}};
  const std::string sliding = session.value("sliding");
  if (session.flag("cumulative") && !sliding.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "a feed is either --cumulative or --sliding, not both");
  }
  if (session.value("for").empty()) {
    return make_error(ErrorCode::invalid_argument, "--for is missing: how long the feed goes on",
                      "give a duration such as --for 30d");
  }
  body["kind"] = session.flag("cumulative") ? "cumulative" : sliding.empty() ? "repeat" : "sliding";
  if (!sliding.empty()) body["window"] = sliding;
  if (!session.value("purpose").empty()) body["purpose"] = session.value("purpose");
  if (!session.value("timeout").empty()) {
    auto timeout = session.timeout();
    if (!timeout) return std::move(timeout).error();
    body["timeout"] = to_text(*timeout);
  }
  return body;
}

Table expected_table(const json::value& feed) {
  Table table{
      {{"label", "item"}, {"group", "group"}, {"error95", "within, 95 times in 100", Kind::number}},
      {}};
  for (const json::value& row : array_of_field(feed, "expected")) {
    std::string group;
    for (const json::value& value : array_of_field(row, "group")) {
      if (value.is_string()) group += (group.empty() ? "" : ", ") + std::string(value.get_string());
    }
    table.rows.push_back({field(row, "label"), json::value(group), field(row, "error95")});
  }
  return table;
}

void say_terms(Session& session, const json::value& feed, bool preview) {
  const json::value& charge = field(feed, "charge");
  session.say(std::string(preview ? "Would reserve" : "Reserved") + " epsilon " +
              number_text(charge, "epsilon") + " on " +
              std::to_string(array_of_field(charge, "blocks").size()) + " blocks of " +
              text_of_field(feed, "organisation") + " for " + number_text(feed, "ticks") +
              " ticks of " + text_of_field(feed, "over") + ", " + text_of_field(feed, "from") +
              " to " + text_of_field(feed, "until"));
  for (const json::value& one : array_of_field(feed, "mechanisms")) {
    const auto error = number_of_field(one, "error95");
    session.say("  " + text_of_field(one, "mechanism") + ": " +
                (error ? "within " + shortest(*error) : text_of_field(one, "reason")) +
                (is_true(one, "chosen") ? ", chosen" : ""));
  }
  session.say("  first tick due " + text_of_field(feed, "first_due"));
}

Result<int> start(Session& session) {
  auto body = body_of(session);
  if (!body) return std::move(body).error();
  auto got = session.post("/api/v1/feeds", *body);
  if (!got) return std::move(got).error();
  session.show({object_of(*got), expected_table(*got), "expected", false});
  if (!session.for_people()) return 0;
  say_terms(session, *got, session.dry_run());
  const std::string id = text_of_field(*got, "id");
  if (!id.empty()) session.say("Started: entente feed show " + id.substr(0, 8));
  return 0;
}

Table list_table(const json::value& feeds) {
  Table table{{{"id", ""},
               {"short", "id"},
               {"role", "role"},
               {"organisation", "organisation"},
               {"export", "export"},
               {"kind", "kind"},
               {"over", "every"},
               {"released", "ticks here", Kind::integer},
               {"ticks", "of", Kind::integer},
               {"state", "state", Kind::state},
               {"code", "code"}},
              {}};
  for (const json::value& feed : array_of_field(feeds, "items")) {
    table.rows.push_back({field(feed, "id"), json::value(text_of_field(feed, "id").substr(0, 8)),
                          field(feed, "role"), field(feed, "organisation"), field(feed, "export"),
                          field(feed, "kind"), field(feed, "over"), field(feed, "released"),
                          field(feed, "ticks"), field(feed, "state"), field(feed, "code")});
  }
  return table;
}

Result<int> list(Session& session) {
  auto got = session.get("/api/v1/feeds");
  if (!got) return std::move(got).error();
  Table table = list_table(*got);
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No feeds.");
  return 0;
}

json::value group_of(const json::value& row) {
  std::string text;
  for (const json::value& value : array_of_field(row, "group")) {
    if (value.is_string()) text += (text.empty() ? "" : ", ") + std::string(value.get_string());
  }
  if (text.empty() && is_true(row, "total")) text = "total";
  return json::value(text);
}

void add_figure(Table& table, const json::value& tick, const json::value& group,
                const std::string& label, const json::value& value) {
  table.rows.push_back({field(tick, "sequence"), field(tick, "from"), field(tick, "state"), group,
                        json::value(label), field(value, "value"), field(value, "standard_error"),
                        field(value, "lower"), field(value, "upper"), field(tick, "age_s")});
}

// A line for each tick, group and item; a histogram one for each bin; a tick without figures one.
Table series_table(const json::value& feed) {
  Table table{{{"sequence", "tick", Kind::integer},
               {"from", "from"},
               {"state", "state", Kind::state},
               {"group", "group"},
               {"item", "item"},
               {"value", "value", Kind::number},
               {"standard_error", "standard error", Kind::number},
               {"lower", "95 % from", Kind::number},
               {"upper", "to", Kind::number},
               {"age_s", "age", Kind::age}},
              {}};
  const auto& items = array_of_field(feed, "items");
  for (const json::value& tick : array_of_field(feed, "series")) {
    const auto& rows = array_of_field(tick, "rows");
    if (rows.empty()) add_figure(table, tick, json::value(""), "", json::value());
    for (const json::value& row : rows) {
      const auto& values = array_of_field(row, "values");
      for (std::size_t i = 0; i < values.size() && i < items.size(); ++i) {
        const std::string label = text_of_field(items[i], "label");
        const auto& bins = array_of_field(values[i], "bins");
        if (bins.empty()) add_figure(table, tick, group_of(row), label, values[i]);
        for (const json::value& bin : bins) {
          add_figure(table, tick, group_of(row),
                     label + " " + number_text(bin, "from") + " to " + number_text(bin, "to"), bin);
        }
      }
    }
  }
  return table;
}

int show_series(Session& session, json::value feed) {
  const json::value kept = feed;
  session.show({object_of(std::move(feed)), series_table(kept), "series", false});
  if (!session.for_people()) return 0;
  const json::value& coverage = field(kept, "coverage");
  session.say(text_of_field(kept, "kind") + " feed of " + text_of_field(kept, "export") + "@" +
              text_of_field(kept, "organisation") + ", " + text_of_field(kept, "mechanism") + ": " +
              number_text(coverage, "released") + " of " + number_text(coverage, "ticks") +
              " ticks here, " + number_text(coverage, "late") + " late, " +
              number_text(coverage, "missing") + " missing; " + text_of_field(kept, "state") +
              (text_of_field(kept, "code").empty() ? "" : " " + text_of_field(kept, "code")));
  const std::string last = text_of_field(kept, "last_error");
  if (!last.empty()) session.say("Last pull: " + last);
  session.say("Ranges cover the noise alone.");
  return 0;
}

Result<int> show(Session& session) {
  auto got = session.get("/api/v1/feeds/" + url_encoded(session.value("ID")));
  if (!got) return std::move(got).error();
  return show_series(session, std::move(*got));
}

Result<int> pull(Session& session) {
  auto got =
      session.post("/api/v1/feeds/" + url_encoded(session.value("ID")) + "/pull", json::object{});
  if (!got) return std::move(got).error();
  if (session.for_people()) session.say("Pulled " + number_text(*got, "pulled") + " ticks.");
  return show_series(session, std::move(*got));
}

Result<int> cancel(Session& session) {
  if (!session.dry_run()) {
    auto sure = session.confirm("The feed ends for good. Go on?");
    if (!sure) return std::move(sure).error();
    if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  }
  auto got =
      session.post("/api/v1/feeds/" + url_encoded(session.value("ID")) + "/cancel", json::object{});
  if (!got) return std::move(got).error();
  const json::value kept = *got;
  json::value listed = json::object{{"items", json::array{kept}}};
  session.show({object_of(std::move(*got)), list_table(listed), "", false});
  if (!session.for_people()) return 0;
  if (session.dry_run()) {
    session.say("The blocks that have not begun would be given back.");
  } else {
    session.say("Ended; given back: " + number_text(kept, "returned_blocks") +
                " blocks that had not begun.");
  }
  return 0;
}

}  // namespace

void add_feed_commands(CommandTable& table) {
  const OptionSpec id{"ID", Form::positional, "", "the feed's id or its first digits"};
  table.push_back(
      {"feed start",
       Effect::rw,
       "Have a question answered every OVER, its whole budget reserved at once",
       {{"QUESTION", Form::positional, "",
         "about export@organisation; OVER is the length of a tick, epsilon what the feed costs the "
         "block that it costs most"},
        {"for", Form::value, "TIME", "how long, a multiple of OVER, like 30d"},
        {"cumulative", Form::flag, "", "running totals of sum or count since the first tick"},
        {"sliding", Form::value, "TIME", "sums over the latest TIME at every tick, like 7d"},
        {"purpose", Form::value, "TEXT", "what it is for, as the agreement names it"}},
       {"entente feed start \"SELECT mean(pm25) FROM air@washington OVER 1d\" --for 30d --dry-run",
        "entente feed start \"SELECT sum(delta(energy)) FROM meters@works OVER 1h\" --for 7d "
        "--cumulative"},
       start});
  table.push_back({"feed list",
                   Effect::ro,
                   "Feeds followed at partners and given to them",
                   {},
                   {"entente feed list"},
                   list});
  table.push_back({"feed show",
                   Effect::ro,
                   "The series of a followed feed with its errors and ages",
                   {id},
                   {"entente feed show 3f9a21cc", "entente feed show 3f9a21cc -o csv"},
                   show});
  table.push_back({"feed pull",
                   Effect::rw,
                   "Pull what is due now instead of waiting for the node to do it",
                   {id},
                   {"entente feed pull 3f9a21cc"},
                   pull});
  table.push_back({"feed cancel",
                   Effect::rw,
                   "End a feed; blocks that have not begun are given back",
                   {id},
                   {"entente feed cancel 3f9a21cc --dry-run", "entente feed cancel 3f9a21cc --yes"},
                   cancel});
}

}  // namespace entente::node
