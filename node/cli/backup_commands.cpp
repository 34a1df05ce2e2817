// Backups: making them of a running node, listing, verifying and restoring them.
#include <boost/json.hpp>
#include <chrono>
#include <ostream>
#include <thread>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/secret_prompt.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

std::string mebibytes(double bytes) {
  return fixed(bytes / 1'048'576, 1) + " MiB";
}

void show_progress(Session& session, double bytes, double total) {
  if (!session.streams().err_is_terminal || session.flag("quiet")) return;
  session.streams().err << '\r' << mebibytes(bytes);
  if (total > 0) session.streams().err << " of about " << mebibytes(total);
  session.streams().err << "\x1b[K" << std::flush;
}
void end_progress(Session& session) {
  if (!session.streams().err_is_terminal || session.flag("quiet")) return;
  session.streams().err << "\r\x1b[K" << std::flush;
}

void wait_a_little(Session& session) {
  const Duration pause = milliseconds(200);
  if (session.local().sleep) return session.local().sleep(pause);
  std::this_thread::sleep_for(std::chrono::nanoseconds(pause.ns));
}

Result<int> create(Session& session) {
  auto begun = session.post("/api/v1/backups", json::object{});
  if (!begun) return std::move(begun).error();
  if (session.dry_run()) {
    session.show(
        {object_of(*begun), properties_table({{"folder", field(*begun, "folder")}}), "", true});
    session.say("A backup would take in about " +
                mebibytes(number_of_field(*begun, "total").value_or(0)) + ".");
    return 0;
  }
  json::value run = std::move(*begun);
  const std::string name = text_of_field(run, "name");
  while (text_of_field(run, "state") == "running" && text_of_field(run, "name") == name) {
    show_progress(session, number_of_field(run, "bytes").value_or(0),
                  number_of_field(run, "total").value_or(0));
    wait_a_little(session);
    auto got = session.get("/api/v1/backups");
    if (!got) return std::move(got).error();
    run = field(*got, "latest");
  }
  end_progress(session);
  if (text_of_field(run, "state") != "done" || text_of_field(run, "name") != name) {
    return make_error(ErrorCode::store_failed, "the backup failed: " + text_of_field(run, "error"),
                      text_of_field(run, "remedy"));
  }
  session.show({object_of(run),
                properties_table({{"file", field(run, "file")},
                                  {"files", field(run, "files")},
                                  {"bytes taken in", field(run, "bytes")}}),
                "", true});
  session.say(
      "Keep it on another machine, and the vault's key apart from it. 'entente backup "
      "verify' reads it through.");
  return 0;
}

Result<int> list(Session& session) {
  auto got = session.get("/api/v1/backups");
  if (!got) return std::move(got).error();
  Table table{{{"name", "backup"},
               {"created", "made"},
               {"bytes", "bytes", Kind::integer},
               {"version", "by version"}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    std::vector<json::value> row;
    for (const Column& column : table.columns) row.push_back(field(one, column.key));
    table.rows.push_back(std::move(row));
  }
  const bool none = table.rows.empty();
  const std::string folder = text_of_field(*got, "folder");
  const json::value latest = field(*got, "latest");
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  session.say(none ? "There is no backup in " + folder + " yet." : "They lie in " + folder + ".");
  if (text_of_field(latest, "state") == "failed") {
    session.say("The last one, " + text_of_field(latest, "name") +
                ", failed: " + text_of_field(latest, "error"));
  }
  return 0;
}

// What opens the backup, asked for where it must be.
Result<BackupOptions> options_of(Session& session) {
  BackupOptions options;
  options.file = session.value("FILE");
  options.home = session.home();
  options.key_file = session.value("vault-key");
  options.progress = [&session](std::uint64_t bytes) {
    show_progress(session, static_cast<double>(bytes), 0);
  };
  if (!options.key_file.empty()) return options;
  auto way = session.local().backup_way(options.file);
  if (!way) return std::move(way).error();
  if (*way == "passphrase") {
    auto phrase = secret_of(session, "passphrase-file", "Pass phrase of the backup's vault:");
    if (!phrase) return std::move(phrase).error();
    options.secret = std::move(*phrase);
  }
  if (*way == "credential" && !session.value("credential-file").empty()) {
    auto credential = secret_of(session, "credential-file", "");
    if (!credential) return std::move(credential).error();
    options.secret = std::move(*credential);
  }
  return options;
}

Result<int> run_local(Session& session,
                      const std::function<Result<LocalReport>(const BackupOptions&)>& run) {
  if (!run || !session.local().backup_way) {
    return make_error(ErrorCode::unsupported, "this program was built without backups");
  }
  auto options = options_of(session);
  if (!options) return std::move(options).error();
  options->dry_run = session.dry_run();
  auto report = run(*options);
  end_progress(session);
  if (!report) return std::move(report).error();
  session.show(*report);
  return 0;
}

Result<int> verify(Session& session) {
  return run_local(session, session.local().backup_verify);
}
Result<int> restore(Session& session) {
  return run_local(session, session.local().restore);
}

}  // namespace

void add_backup_commands(CommandTable& table) {
  const std::vector<OptionSpec> unlock{
      {"FILE", Form::positional, "FILE", "the backup"},
      {"vault-key", Form::value, "FILE", "the key file of its vault (else this home's)"},
      {"passphrase-file", Form::value, "FILE", "that holds the pass phrase of its vault"},
      {"credential-file", Form::value, "FILE", "that holds the credential of its vault"}};
  table.push_back({"backup create",
                   Effect::rw,
                   "Make a sealed backup of the running node",
                   {},
                   {"entente backup create"},
                   create});
  table.push_back({"backup list",
                   Effect::ro,
                   "List the backups that lie in the node's folder",
                   {},
                   {"entente backup list -o json"},
                   list});
  table.push_back({"backup verify",
                   Effect::ro,
                   "Read a backup through and say whether everything in it holds",
                   unlock,
                   {"entente backup verify washington-main-20261121T203000Z.backup",
                    "entente backup verify FILE --vault-key /safe/vault.key"},
                   verify});
  table.push_back({"restore",
                   Effect::rw,
                   "Make a node out of a backup, in an empty folder; budget never comes back",
                   unlock,
                   {"entente --home /var/lib/entente restore FILE --vault-key /safe/vault.key"},
                   restore});
}

}  // namespace entente::node
