// The one binary: the daemon ("serve") and the command line. This file alone wires the two.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include <boost/json.hpp>

#include "federation/agree/agreement_exchange.h"
#include "federation/agree/agreement_lint.h"
#include "node/audit/declared_sites.h"
#include "node/cli/cli.h"
#include "node/config/agreement_text.h"
#include "node/config/declarations.h"
#include "node/daemon/answer_receipt.h"
#include "node/daemon/daemon.h"
#include "node/daemon/home_checks.h"
#include "node/daemon/local_vault.h"
#include "node/daemon/node_check.h"
#include "node/daemon/opening.h"
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
  daemon.passphrase_file = options.passphrase_file;
  return run_daemon(daemon, std::cout);
}

// Without the last digits of a conversion to units and back: 1e-06.
double shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

json::object meaning_json(const federation::Meaning& meaning) {
  return {{"block", meaning.block}, {"week", meaning.week}, {"year", meaning.year}};
}

json::array exports_json(const federation::AgreementLint& lint) {
  json::array exports;
  for (const auto& one : lint.exports) {
    json::array worth;
    for (const auto& item : one.worth) {
      worth.push_back({{"item", item.measure},
                       {"standard_error", item.standard_error},
                       {"unit", item.unit},
                       {"bounds_width", item.width}});
    }
    exports.push_back({{"export", one.name},
                       {"domain", one.domain},
                       {"protects", one.protects},
                       {"delta", shown(one.delta)},
                       {"partner_epsilon", meaning_json(one.partner)},
                       {"site_epsilon", meaning_json(one.site)},
                       {"least_units", one.least_units},
                       {"worth", std::move(worth)}});
  }
  return exports;
}

// Without a node in the home the text alone is checked: its exports are declared elsewhere.
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
  if (!std::filesystem::exists(options.home + "/entente.toml")) {
    report.words = {"The text is sound. There is no node in " + options.home +
                    ": where its exports are declared, this command also runs the tests and says "
                    "what the numbers mean."};
    return report;
  }
  auto settings = load_settings(options.home);
  if (!settings) return std::move(settings).error();
  auto declarations = load_declarations(settings->path("provision.d"), settings->site);
  if (!declarations) return std::move(declarations).error();
  const bool ours = std::any_of(text->exports.begin(), text->exports.end(), [&](const auto& name) {
    return declarations->exports.contains(name);
  });
  if (!ours) {
    report.words = {
        "The text is sound. None of its exports is declared here: whoever offers them learns from "
        "this command also whether the tests hold and what the numbers mean."};
    return report;
  }
  auto offer = offer_of(*text, declarations->exports);
  if (!offer) return std::move(offer).error();
  if (auto held = federation::run_agreement_tests(*offer, SystemClock().now()); held.refusal) {
    return *held.refusal;
  }
  const federation::AgreementLint lint = federation::lint(*offer);
  json::array warnings;
  for (const auto& warning : lint.warnings) {
    warnings.push_back(
        {{"subject", warning.subject}, {"what", warning.what}, {"remedy", warning.remedy}});
    report.words.push_back("warning: " + warning.subject + ": " + warning.what + " (" +
                           warning.remedy + ")");
  }
  report.data["meaning"] = exports_json(lint);
  report.data["warnings"] = std::move(warnings);
  report.words.push_back("The text is sound and its tests hold.");
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

Result<LocalReport> vault_status(const std::string& home) {
  auto way = vault_way(home);
  if (!way) return std::move(way).error();
  const bool wrapped = *way != VaultWay::key_file;
  LocalReport report;
  report.data = {{"opened_by", to_text(*way)},
                 {"file", home + (wrapped ? "/vault.sealed" : "/vault.key")}};
  if (!wrapped) {
    report.words = {
        "Whoever reads that file opens this node's keys and backups: keep it off the "
        "backups, or change it with 'entente vault protect'."};
  }
  return report;
}

Result<LocalReport> protect(const VaultProtectOptions& options) {
  SystemRandom random;
  auto changed = change_protection(
      {options.home, options.way, options.secret, options.passphrase, options.dry_run}, random);
  if (!changed) return std::move(changed).error();
  if (options.dry_run) {
    return LocalReport{{{"opened_by", options.way}}, {"Nothing was changed (--dry-run)."}};
  }
  auto report = vault_status(options.home);
  if (!report) return report;
  report->words.push_back(
      options.way == "key-file" ? "The node starts by itself."
      : options.way == "passphrase"
          ? "The node starts sealed from now on: 'entente vault unseal', or --passphrase-file. "
            "Nobody can open it without the pass phrase: keep a copy where it is safe. Backups "
            "that "
            "were made under an earlier pass phrase open with that one for ever."
          : "The node opens it with its credential 'entente-vault' from now on.");
  return report;
}

Result<std::string> way_of_backup(const std::string& file) {
  auto way = backup_way(file);
  if (!way) return std::move(way).error();
  return std::string(to_text(*way));
}

struct OpenedBackup {
  BackupDescription description;
  security::Vault vault;
  BackupProgress progress;
};

Result<OpenedBackup> opened_backup(const BackupOptions& options) {
  auto description = describe_backup(options.file);
  if (!description) return std::move(description).error();
  auto vault = open_backup_vault({options.file, options.home, options.key_file, options.secret, {}},
                                 *description);
  if (!vault) return std::move(vault).error();
  BackupProgress progress = [tell = options.progress](std::uint64_t bytes) {
    if (tell) tell(bytes);
    return true;
  };
  return OpenedBackup{std::move(*description), std::move(*vault), std::move(progress)};
}

json::object backup_json(const BackupDescription& description, const BackupContents& contents) {
  return {{"organisation", description.name},
          {"id", description.organisation.hex()},
          {"site", description.site},
          {"made", to_text(description.created)},
          {"by_version", description.version},
          {"files", contents.files},
          {"bytes", contents.bytes}};
}

Result<LocalReport> verify_backup(const BackupOptions& options) {
  auto opened = opened_backup(options);
  if (!opened) return std::move(opened).error();
  auto contents = read_backup(options.file, opened->vault, {}, opened->progress);
  if (!contents) return std::move(contents).error();
  LocalReport report;
  report.data = backup_json(opened->description, *contents);
  report.data["ok"] = true;
  report.words = {"Everything in it holds and opens with this key."};
  return report;
}

Result<LocalReport> restore(const BackupOptions& options) {
  auto opened = opened_backup(options);
  if (!opened) return std::move(opened).error();
  SystemRandom random;
  auto contents = options.dry_run ? read_backup(options.file, opened->vault, {}, opened->progress)
                                  : restore_backup(options.file, opened->vault, options.home,
                                                   random, opened->progress);
  if (!contents) return std::move(contents).error();
  LocalReport report;
  report.data = backup_json(opened->description, *contents);
  report.data["home"] = options.home;
  if (options.dry_run) {
    report.words = {"It holds; nothing was written (--dry-run)."};
    return report;
  }
  report.words = {
      "Restored into " + options.home + ". A new administrator's token is in " + options.home +
          "/admin.token.",
      "Make sure that the node it was made of never runs again.",
      "Roles, tokens, links and agreements are those of the backup: take back again what "
      "was taken back since.",
      "Next: entente --home " + options.home +
          " serve; then entente budget reconcile: what may have been charged after the "
          "backup is spent, and until then no partner is answered."};
  return report;
}

}  // namespace
}  // namespace entente::node

int main(int argc, char** argv) {
  using namespace entente;
  using namespace entente::node;
  ensure_sodium();
  forbid_core_dumps();  // commands handle keys and pass phrases as well as the daemon does
  LocalCommands local;
  local.init = init;
  local.serve = serve;
  local.agreement_check = check_agreement;
  local.node_check = check_node;
  local.privacy_audit = run_privacy_audits;
  local.home_checks = [](const std::string& home) {
    return checks_json(home_checks(home, SystemClock().now())).as_array();
  };
  local.verify_receipt = verify_receipt;
  local.vault_status = vault_status;
  local.vault_protect = protect;
  local.backup_way = way_of_backup;
  local.backup_verify = verify_backup;
  local.restore = restore;
  Streams streams = process_streams();
  return run_cli({argv + 1, argv + argc}, streams, local);
}
