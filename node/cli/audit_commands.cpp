// The audit of what is promised to the units. Of the log: audit_log_commands.cpp.
#include <boost/json.hpp>
#include <ostream>

#include "federation/audit/privacy_audit.h"
#include "node/cli/command.h"
#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

constexpr std::uint64_t kRunsMost = 10'000'000;

const char* verdict_of(bool refuted, bool control) {
  if (control) return refuted ? "caught" : "MISSED";
  return refuted ? "REFUTED" : "ok";
}

json::object finding_json(const federation::AuditFinding& finding, bool control) {
  return {{"kind", control ? "control" : "experiment"},
          {"what", finding.experiment},
          {"questions", finding.questions},
          {"allowed", finding.charged},
          {"measured", finding.reached},
          {"delta", finding.delta},
          {"verdict", verdict_of(finding.refuted, control)}};
}

json::object check_json(const federation::MechanismCheck& check, bool control) {
  const char* kind = control ? "control" : check.known_answer ? "vector" : "law";
  return {{"kind", kind},
          {"what", control ? check.what + ", half the noise" : check.what},
          {"questions", check.known_answer ? "published | ours" : "chi-squared: most | found"},
          {"allowed", check.allowed},
          {"measured", check.measured},
          {"delta", nullptr},
          {"verdict", verdict_of(check.refuted, control)}};
}

Table findings_table(const json::array& findings) {
  Table table{{{"kind", "kind"},
               {"what", "what"},
               {"questions", "asked"},
               {"allowed", "allowed", Kind::number, 4},
               {"measured", "measured", Kind::number, 4},
               {"delta", "at delta"},
               {"verdict", "verdict", Kind::state}},
              {}};
  for (const json::value& one : findings) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<int> audit_privacy_command(Session& session) {
  federation::AuditOptions options;
  auto runs = session.number("runs", options.runs, kRunsMost);
  if (!runs) return std::move(runs).error();
  options.runs = *runs;
  Streams& streams = session.streams();
  const bool shown = streams.err_is_terminal && !session.flag("quiet");
  if (shown) {
    options.progress = [&streams](std::size_t done, std::size_t all) {
      streams.err << '\r' << done << " of " << all << " experiments\x1b[K" << std::flush;
    };
  }
  SystemRandom random;
  auto audit = federation::audit_privacy(random, options);
  if (shown) streams.err << "\r\x1b[K" << std::flush;
  if (!audit) return std::move(audit).error();
  json::array items;
  for (const auto& one : audit->mechanisms) items.push_back(check_json(one, false));
  for (const auto& one : audit->findings) items.push_back(finding_json(one, false));
  for (const auto& one : audit->controls) items.push_back(finding_json(one, true));
  for (const auto& one : audit->faulty) items.push_back(check_json(one, true));
  const bool holds = audit->holds();
  Table table = findings_table(items);
  session.show({{{"ok", holds}, {"runs", options.runs}, {"items", std::move(items)}},
                std::move(table),
                "items",
                false});
  if (holds) {
    session.say(
        "No experiment reached a greater epsilon than was charged, and every fault made on purpose "
        "was caught. What is measured bounds epsilon from below: it shows leaks, not their "
        "absence.");
    return 0;
  }
  session.say(
      "The audit failed: an experiment beat its charge, or a fault made on purpose was not caught. "
      "Suspend the agreements and report it with this output.");
  return exit_code(ErrorCode::verification_failed);
}

}  // namespace

void add_audit_commands(CommandTable& table) {
  table.push_back({"audit privacy",
                   Effect::ro,
                   "Try to get more out of answers than is charged for them, on made-up twins",
                   {{"runs", Form::value, "N", "runs of each experiment (100000)"}},
                   {"entente audit privacy", "entente audit privacy --runs 1000000 -o json"},
                   audit_privacy_command});
}

}  // namespace entente::node
