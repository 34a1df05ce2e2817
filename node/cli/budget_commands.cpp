// The privacy budget: what is spent and left, and reconciling after a restored backup.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Table blocks_table(const json::value& budget) {
  Table table{{{"domain", "domain"},
               {"block", "block"},
               {"cap_epsilon", "cap", Kind::epsilon},
               {"spent_epsilon", "spent", Kind::epsilon},
               {"left_epsilon", "left", Kind::epsilon},
               {"percent_left", "left of cap", Kind::percent},
               {"week_epsilon", "7 days to it", Kind::epsilon},
               {"year_epsilon", "365 days to it", Kind::epsilon}},
              {}};
  for (const json::value& domain : array_of_field(budget, "domains")) {
    for (const json::value& block : array_of_field(domain, "blocks")) {
      table.rows.push_back({field(domain, "domain"), field(block, "start"),
                            field(domain, "cap_epsilon"), field(block, "spent_epsilon"),
                            field(block, "left_epsilon"), field(block, "percent_left"),
                            field(block, "week_epsilon"), field(block, "year_epsilon")});
    }
  }
  return table;
}

Table partners_table(const json::value& budget) {
  Table table{{{"domain", "domain"},
               {"block", "block"},
               {"organisation", "organisation"},
               {"spent_epsilon", "spent", Kind::epsilon},
               {"left_epsilon", "left for it", Kind::epsilon},
               {"quota_epsilon", "quota", Kind::epsilon},
               {"guaranteed_epsilon", "guaranteed", Kind::epsilon}},
              {}};
  for (const json::value& domain : array_of_field(budget, "domains")) {
    for (const json::value& block : array_of_field(domain, "blocks")) {
      for (const json::value& partner : array_of_field(block, "partners")) {
        table.rows.push_back({field(domain, "domain"), field(block, "start"),
                              field(partner, "organisation"), field(partner, "spent_epsilon"),
                              field(partner, "left_epsilon"), field(partner, "quota_epsilon"),
                              field(partner, "guaranteed_epsilon")});
      }
    }
  }
  return table;
}

std::string shown(const json::value& object, std::string_view name) {
  const auto number = number_of_field(object, name);
  return number ? shortest(*number) : "?";
}

std::vector<std::string> words_of(const json::value& budget) {
  std::vector<std::string> words;
  for (const json::value& domain : array_of_field(budget, "domains")) {
    const std::string name = text_of_field(domain, "domain");
    words.push_back(name + ": protects " + text_of_field(domain, "protects") +
                    " in each block, epsilon at most " + shown(domain, "cap_epsilon") +
                    " at delta " + shown(domain, "delta"));
    if (number_of_field(domain, "cap_week_epsilon")) {
      words.push_back(name + ": used up in every block, that is epsilon " +
                      shown(domain, "cap_week_epsilon") + " over 7 days and " +
                      shown(domain, "cap_year_epsilon") + " over 365");
    }
    const std::string until = text_of_field(domain, "reconciled_until");
    if (!until.empty()) {
      words.push_back(name + ": after a restored backup every block that began before " + until +
                      " is spent, and the lifetime block");
    }
  }
  const std::string restored = text_of_field(budget, "restored");
  if (!restored.empty()) {
    words.push_back("No partner is answered: " + restored);
    words.push_back("See what reconciling would spend: entente budget reconcile --dry-run");
  }
  return words;
}

Result<int> show_budget(Session& session) {
  auto got = session.get("/api/v1/budget");
  if (!got) return std::move(got).error();
  Table table = session.flag("partners") ? partners_table(*got) : blocks_table(*got);
  const bool empty = table.rows.empty();
  const std::vector<std::string> words = words_of(*got);
  session.show({object_of(std::move(*got)), std::move(table), "", false});
  if (!session.for_people()) return 0;
  if (empty) session.say("Nothing has been spent.");
  for (const std::string& line : words) session.say(line);
  return 0;
}

std::string names_of(const json::value& report, std::string_view field_name) {
  std::string out;
  for (const json::value& name : array_of_field(report, field_name)) {
    if (name.is_string()) out += (out.empty() ? "" : ", ") + std::string(name.get_string());
  }
  return out;
}

void say_reconciliation(Session& session, const json::value& report) {
  const bool done = field(report, "done").is_bool() && field(report, "done").get_bool();
  const std::string evidence = text_of_field(report, "evidence");
  if (!evidence.empty()) session.say("Because " + evidence + ".");
  session.say(std::string(done ? "Spent" : "Would spend") +
              ", in every domain and for every partner: all blocks that began before " +
              text_of_field(report, "spent_before") + ".");
  session.say(
      "The lifetime block of each domain is spent wholly: count(*), and any question to a domain "
      "whose block is its lifetime, is never answered again.");
  const std::string compared = names_of(report, "compared");
  const std::string missing = names_of(report, "not_compared");
  if (!compared.empty()) session.say("Receipts compared: " + compared);
  if (!missing.empty()) session.say("Receipts not compared: " + missing);
  const std::string reason = text_of_field(report, "reason");
  if (!reason.empty()) session.say("Not ready: " + reason);
}

Result<int> reconcile(Session& session) {
  json::array without;
  for (const std::string& name : session.values("without")) without.push_back(json::value(name));
  const json::object body{{"without", without}, {"restored", session.flag("restored")}};
  if (!session.dry_run()) {
    auto sure = session.confirm(
        "Reconciling spends every block that has begun, and the lifetime blocks, for ever. Go on?");
    if (!sure) return std::move(sure).error();
    if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  }
  auto got = session.post("/api/v1/budget/reconcile", body);
  if (!got) return std::move(got).error();
  Table table{{{"domain", "domain"},
               {"block", "block"},
               {"cap_epsilon", "cap", Kind::epsilon},
               {"blocks_before", "spent: all before"},
               {"lifetime_block", "lifetime block"}},
              {}};
  for (const json::value& domain : array_of_field(*got, "domains")) {
    table.rows.push_back({field(domain, "domain"), field(domain, "block"),
                          field(domain, "cap_epsilon"), field(domain, "blocks_before"),
                          field(domain, "lifetime_block")});
  }
  const json::value report = *got;
  session.show({object_of(std::move(*got)), std::move(table), "domains", false});
  if (session.for_people()) say_reconciliation(session, report);
  return 0;
}

}  // namespace

void add_budget_commands(CommandTable& table) {
  table.push_back({"budget show",
                   Effect::ro,
                   "What is spent and left, by block",
                   {{"partners", Form::flag, "", "by partner instead, with quotas"}},
                   {"entente budget show", "entente budget show --partners -o csv"},
                   show_budget});
  table.push_back(
      {"budget reconcile",
       Effect::rw,
       "Spend what a restored backup has forgotten, then answer partners again",
       {{"without", Form::value, "PARTNER", "go on though its receipt could not be compared"},
        {"restored", Form::flag, "", "the database was restored, though nothing shows it"}},
       {"entente budget reconcile --dry-run", "entente budget reconcile --without oregon --yes"},
       reconcile});
}

}  // namespace entente::node
