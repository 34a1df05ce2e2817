// The one binary: the daemon ("serve") and the command line. This file alone wires the two.
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include <boost/json.hpp>

#include "node/cli/cli.h"
#include "node/config/declarations.h"
#include "node/daemon/daemon.h"
#include "node/daemon/node_check.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

namespace json = boost::json;

Result<LocalReport> init(const InitOptions& options) {
  InitRequest request;
  Settings& settings = request.settings;
  settings.home = options.home;
  settings.organisation = options.organisation;
  settings.title = options.title.empty() ? options.organisation : options.title;
  settings.site = options.site;
  settings.federation_public = options.federation_address;
  if (options.http_port) settings.http_port = *options.http_port;
  if (options.federation_port) {
    settings.federation_port = *options.federation_port;
    // Beside the federation port, or free when that is.
    const bool last = *options.federation_port == 0 || *options.federation_port == 65'535;
    settings.enrolment_port = last ? 0 : static_cast<std::uint16_t>(*options.federation_port + 1);
    const bool near_last = last || *options.federation_port == 65'534;
    settings.collect_port =
        near_last ? 0 : static_cast<std::uint16_t>(*options.federation_port + 2);
  }
  request.dry_run = options.dry_run;
  auto made = init_node(request);
  if (!made) return std::move(made).error();
  LocalReport report;
  report.data = {{"organisation", options.organisation},
                 {"home", options.home},
                 {"config", made->config_path},
                 {"token_file", made->token_path},
                 {"dry_run", options.dry_run}};
  if (options.dry_run) {
    report.words = {"Nothing was made (--dry-run)."};
    return report;
  }
  report.data["id"] = made->organisation.hex();
  report.words = {"Made the node of " + options.organisation + " in " + options.home + ".",
                  "Its administrator's token is in " + made->token_path + " (keep it private).",
                  "Next: entente --home " + options.home + " serve"};
  return report;
}

std::optional<log::Level> level_of(const std::string& text) {
  static const std::map<std::string, log::Level> kLevels = {{"debug", log::Level::debug},
                                                            {"info", log::Level::info},
                                                            {"warn", log::Level::warn},
                                                            {"error", log::Level::error}};
  const auto found = kLevels.find(text);
  return found == kLevels.end() ? std::nullopt : std::optional(found->second);
}

Result<int> serve(const ServeOptions& options) {
  DaemonOptions daemon;
  daemon.home = options.home;
  daemon.http_port = options.http_port;
  daemon.federation_port = options.federation_port;
  daemon.log_level = level_of(options.log_level);
  if (options.log_format == "json") daemon.log_format = log::Format::json;
  if (options.log_format == "plain") daemon.log_format = log::Format::plain;
  return run_daemon(daemon, std::cout);
}

Result<LocalReport> check_agreement(const AgreementCheckOptions& options) {
  auto text = read_agreement(options.text, options.path);
  if (!text) return std::move(text).error();
  LocalReport report;
  report.data = {{"name", text->name},
                 {"partner", text->partner},
                 {"exports", json::value_from(text->exports)},
                 {"epsilon_per_block", text->epsilon_per_block},
                 {"epsilon_guaranteed", text->epsilon_guaranteed},
                 {"min_units", text->terms.min_units},
                 {"tests", text->terms.tests.size()},
                 {"ok", true}};
  report.words = {
      "The text is sound. Its tests run against this site's exports with 'entente agreement "
      "propose --dry-run'."};
  return report;
}

Result<LocalReport> check_node(const NodeCheckOptions& options) {
  auto checked = check_home(options.home, options.repair);
  if (!checked) return std::move(checked).error();
  json::array findings;
  for (const auto& one : checked->findings) {
    findings.push_back({{"file", one.file},
                        {"table", one.table},
                        {"row", one.row},
                        {"what", one.what},
                        {"remedy", one.remedy}});
  }
  LocalReport report;
  report.data = {{"ok", checked->findings.empty()},
                 {"pages", checked->pages},
                 {"series", checked->series},
                 {"batches", checked->batches},
                 {"segments", checked->segments},
                 {"buckets", checked->buckets},
                 {"readings", checked->readings},
                 {"corrections", checked->corrections},
                 {"audit_records", checked->audit_records},
                 {"findings", std::move(findings)},
                 {"repairs", json::value_from(checked->repairs)}};
  return report;
}

}  // namespace
}  // namespace entente::node

int main(int argc, char** argv) {
  using namespace entente;
  using namespace entente::node;
  ensure_sodium();
  LocalCommands local;
  local.init = init;
  local.serve = serve;
  local.agreement_check = check_agreement;
  local.node_check = check_node;
  Streams streams = process_streams();
  return run_cli({argv + 1, argv + argc}, streams, local);
}
