// The audit of what is promised to the units. Of the log: audit_log_commands.cpp.
#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <ostream>

#include "federation/audit/privacy_audit.h"
#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

constexpr std::uint64_t kRunsQuick = 20'000, kRunsUsual = 100'000, kRunsFull = 1'000'000;
constexpr std::uint64_t kRunsMost = 10'000'000;

const char* verdict_of(bool refuted, bool control) {
  if (control) return refuted ? "caught" : "MISSED";
  return refuted ? "REFUTED" : "ok";
}

json::object finding_json(const std::string& about, const federation::AuditFinding& finding,
                          bool control) {
  return {{"about", about},
          {"kind", control ? "control" : "experiment"},
          {"what", finding.experiment},
          {"questions", finding.questions},
          {"runs", finding.runs},
          {"allowed", finding.charged},
          {"gaussian", finding.gaussian},
          {"measured", finding.reached},
          {"any_noise", finding.any_noise},
          {"delta", finding.delta},
          {"verdict", verdict_of(finding.refuted, control)}};
}

json::object check_json(const federation::MechanismCheck& check, bool control, std::size_t runs) {
  const char* kind = control ? "control" : check.known_answer ? "vector" : "law";
  return {{"about", "the noise"},
          {"kind", kind},
          {"what", control ? check.what + ", half the noise" : check.what},
          {"questions", check.known_answer ? "published | ours" : "chi-squared: most | found"},
          {"runs", check.known_answer ? json::value() : json::value(runs)},
          {"allowed", check.allowed},
          {"gaussian", nullptr},
          {"measured", check.measured},
          {"any_noise", nullptr},
          {"delta", nullptr},
          {"verdict", verdict_of(check.refuted, control)}};
}

json::array items_of(const std::vector<federation::PrivacyAudit>& audits, std::size_t runs) {
  json::array items;
  for (const auto& audit : audits) {
    const std::string about = audit.subject.empty() ? "made up" : audit.subject;
    for (const auto& one : audit.mechanisms) items.push_back(check_json(one, false, runs));
    for (const auto& one : audit.findings) items.push_back(finding_json(about, one, false));
    for (const auto& one : audit.controls) items.push_back(finding_json(about, one, true));
    for (const auto& one : audit.faulty) items.push_back(check_json(one, true, runs));
  }
  return items;
}

Table findings_table(const json::array& findings) {
  Table table{{{"about", "about"},
               {"kind", "kind"},
               {"what", "what"},
               {"questions", "asked"},
               {"runs", "runs", Kind::integer},
               {"allowed", "claimed", Kind::number, 4},
               {"measured", "shown", Kind::number, 4},
               {"verdict", "verdict", Kind::state}},
              {}};
  for (const json::value& one : findings) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Result<std::optional<NamedFile>> file_option(Session& session, std::string_view name) {
  const std::string path = session.value(name);
  if (path.empty()) return std::optional<NamedFile>();
  auto text = read_whole(path, session.streams(), limits::kCliFileBytes);
  if (!text) return std::move(text).error();
  return std::optional(NamedFile{path, std::move(*text)});
}

Result<PrivacyAuditOptions> audit_options(Session& session) {
  PrivacyAuditOptions options;
  options.home = session.home();
  if (session.flag("quick") && session.flag("full")) {
    return make_error(ErrorCode::invalid_argument, "--quick and --full exclude each other");
  }
  options.every_run = session.flag("full");
  const std::uint64_t usual = session.flag("full")    ? kRunsFull
                              : session.flag("quick") ? kRunsQuick
                                                      : kRunsUsual;
  auto runs = session.number("runs", usual, kRunsMost);
  if (!runs) return std::move(runs).error();
  options.runs = *runs;
  auto exports = file_option(session, "exports");
  if (!exports) return std::move(exports).error();
  options.exports = std::move(*exports);
  auto agreement = file_option(session, "agreement");
  if (!agreement) return std::move(agreement).error();
  options.agreement = std::move(*agreement);
  return options;
}

Result<int> audit_privacy_command(Session& session) {
  if (!session.local().privacy_audit) {
    return make_error(ErrorCode::unsupported, "this program was built without 'audit privacy'");
  }
  auto options = audit_options(session);
  if (!options) return std::move(options).error();
  Streams& streams = session.streams();
  const bool shown = streams.err_is_terminal && !session.flag("quiet");
  if (shown) {
    options->progress = [&streams](std::string_view about, std::size_t done, std::size_t all) {
      streams.err << '\r' << (about.empty() ? "" : std::string(about) + ": ") << done << " of "
                  << all << " experiments\x1b[K" << std::flush;
    };
  }
  auto audits = session.local().privacy_audit(*options);
  if (shown) streams.err << "\r\x1b[K" << std::flush;
  if (!audits) return std::move(audits).error();
  const bool holds =
      std::all_of(audits->begin(), audits->end(), [](const auto& one) { return one.holds(); });
  json::array items = items_of(*audits, options->runs);
  Table table = findings_table(items);
  session.show({{{"ok", holds}, {"runs", options->runs}, {"items", std::move(items)}},
                std::move(table),
                "items",
                false});
  if (audits->size() == 1) {
    session.say("Only a made-up export was audited: name a site's own by --home or --exports.");
  }
  if (holds) {
    session.say(
        "No experiment showed a greater epsilon than is claimed, and every fault made on purpose "
        "was caught. What is shown bounds epsilon from below: it proves leaks, not their absence.");
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
                   "Try to get more out of answers than is charged, on a scratch site with made-up "
                   "readings",
                   {{"exports", Form::value, "FILE", "declared exports, instead of the home's"},
                    {"agreement", Form::value, "FILE", "an agreement over them: what it sells"},
                    {"quick", Form::flag, "", "20000 runs of each experiment"},
                    {"full", Form::flag, "", "1000000 runs, trees of ranks too: an hour or so"},
                    {"runs", Form::value, "N", "so many (100000)"}},
                   {"entente audit privacy", "entente audit privacy --quick -o json",
                    "entente audit privacy --exports exports.toml --agreement agreement.toml"},
                   audit_privacy_command});
}

}  // namespace entente::node
