// `twin delete`: twins with everything that is kept of them.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Result<json::object> selection_of(const Session& session) {
  const auto& ids = session.values("ID");
  const std::string where = session.value("where");
  if (ids.empty() == where.empty()) {
    return make_error(ErrorCode::invalid_argument, "name twins, or --where KEY=VALUE");
  }
  if (where.empty()) return json::object{{"ids", json::value_from(ids)}};
  const std::size_t at = where.find('=');
  if (at == std::string::npos || at == 0) {
    return make_error(ErrorCode::invalid_argument, "--where '" + where + "' is not KEY=VALUE",
                      "name a property and its value, such as owner=flat-12");
  }
  return json::object{
      {"where", json::object{{"key", where.substr(0, at)}, {"value", where.substr(at + 1)}}}};
}

std::string count_of(std::uint64_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::uint64_t readings_of(const json::value& answer) {
  return static_cast<std::uint64_t>(std::max(0.0, number_of_field(answer, "readings").value_or(0)));
}

// Asks with what would go before it goes.
Result<bool> confirmed(Session& session, const json::object& selection) {
  if (session.flag("yes") || session.dry_run() || !session.can_ask()) {
    return session.confirm_by_name("", "");  // yes, or the refusal of whoever cannot be asked
  }
  auto got = session.post("/api/v1/twins/delete?dryRun=1", selection);
  if (!got) return std::move(got).error();
  const json::array& twins = array_of_field(*got, "twins");
  const bool one = twins.size() == 1 && twins.front().is_string();
  const std::string name =
      one ? std::string(twins.front().get_string()) : std::to_string(twins.size());
  return session.confirm_by_name("This deletes " + count_of(twins.size(), "twin") + " with " +
                                     count_of(readings_of(*got), "reading") + " for ever.",
                                 name);
}

// Repeats the request until the node says that nothing is left; adds up what it erased.
Result<json::object> delete_all(Session& session, const json::object& selection) {
  json::array items;
  std::uint64_t readings = 0;
  for (std::size_t round = 0; round < limits::kDeletionRounds; ++round) {
    auto got = session.post("/api/v1/twins/delete", selection);
    if (!got) {
      Error error = std::move(got).error();
      if (readings > 0) {
        error.what += " (after " + count_of(readings, "reading") + " were deleted)";
        error.remedy = std::string(error.advice()) + "; the same command finishes the job";
      }
      return error;
    }
    for (const json::value& item : array_of_field(*got, "items")) items.push_back(item);
    readings += readings_of(*got);
    const auto* complete = field(*got, "complete").if_bool();
    if (complete != nullptr && !*complete) continue;
    json::object out = object_of(std::move(*got));
    out["items"] = std::move(items);
    out["readings"] = readings;
    return out;
  }
  return make_error(ErrorCode::deadline_exceeded, "the deletion is not yet complete",
                    "the same command goes on with it");
}

Result<int> delete_twins(Session& session) {
  auto selection = selection_of(session);
  if (!selection) return std::move(selection).error();
  auto sure = confirmed(session, *selection);
  if (!sure) return std::move(sure).error();
  if (!*sure) {
    session.say("Nothing was deleted.");
    return 0;
  }
  auto deleted = delete_all(session, *selection);
  if (!deleted) return std::move(deleted).error();
  Table table{{{"twin", "twin"}, {"signal", "signal"}, {"readings", "readings", Kind::integer}},
              {}};
  for (const json::value& item : array_of_field(*deleted, "items")) {
    table.rows.push_back({field(item, "twin"), field(item, "signal"), field(item, "readings")});
  }
  const json::array twins = array_of_field(*deleted, "twins");
  const json::array remains = array_of_field(*deleted, "remains");
  session.show({std::move(*deleted), std::move(table), "items", false});
  if (!session.for_people()) return 0;
  if (session.dry_run()) {
    session.say("Nothing was changed (--dry-run); " + count_of(twins.size(), "twin") +
                " would be deleted.");
  } else {
    session.say(count_of(twins.size(), "twin") + " deleted.");
  }
  session.say("What remains:");
  for (const json::value& one : remains) {
    if (one.is_string()) session.say("  " + std::string(one.get_string()));
  }
  return 0;
}

}  // namespace

void add_delete_command(CommandTable& table) {
  table.push_back({"twin delete",
                   Effect::rw,
                   "Delete twins with all their readings, summaries and corrections",
                   {{"ID", Form::optional_positionals, "", "twins' ids"},
                    {"where", Form::value, "KEY=VALUE", "all twins with this property"}},
                   {"entente twin delete monitor-530330030",
                    "entente twin delete --where owner=flat-12 --dry-run"},
                   delete_twins});
}

}  // namespace entente::node
