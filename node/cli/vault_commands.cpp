// The vault: how it is opened, opening a sealed node, and changing what protects it.
#include <boost/json.hpp>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/secret_prompt.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Result<int> status(Session& session) {
  if (!session.local().vault_status) {
    return make_error(ErrorCode::unsupported, "this program was built without a vault");
  }
  auto report = session.local().vault_status(session.home());
  if (!report) return std::move(report).error();
  session.show(*report);
  return 0;
}

Result<int> unseal(Session& session) {
  auto phrase = secret_of(session, "passphrase-file", "Pass phrase of the vault:");
  if (!phrase) return std::move(phrase).error();
  auto got = session.post("/api/v1/vault/unseal", {{"passphrase", *phrase}});
  if (!got) return std::move(got).error();
  session.show({object_of(*got), properties_table({{"sealed", json::value(false)}}), "", true});
  session.say("The vault is open; the node starts.");
  return 0;
}

Result<int> protect(Session& session) {
  if (!session.local().vault_protect) {
    return make_error(ErrorCode::unsupported, "this program was built without a vault");
  }
  VaultProtectOptions options;
  options.home = session.home();
  options.way = session.value("with");
  options.dry_run = session.dry_run();
  auto now = session.local().vault_status(options.home);
  // What a broken change left is completed from its key file.
  const bool asks = now && text_of_field(now->data, "opened_by") == "passphrase";
  if (asks) {
    auto old = secret_of(session, "old-passphrase-file", "Pass phrase until now:");
    if (!old) return std::move(old).error();
    options.passphrase = std::move(*old);
  }
  if (options.way == "passphrase" && !options.dry_run) {
    auto fresh =
        secret_of(session, "passphrase-file", "New pass phrase (12 characters or more):", true);
    if (!fresh) return std::move(fresh).error();
    options.secret = std::move(*fresh);
  }
  if (options.way == "credential" && !session.value("credential-file").empty()) {
    auto credential = secret_of(session, "credential-file", "");
    if (!credential) return std::move(credential).error();
    options.secret = std::move(*credential);
  }
  auto report = session.local().vault_protect(options);
  if (!report) return std::move(report).error();
  session.show(*report);
  return 0;
}

}  // namespace

void add_vault_commands(CommandTable& table) {
  table.push_back({"vault status",
                   Effect::ro,
                   "Say what opens the vault that seals this node's keys and backups",
                   {},
                   {"entente vault status"},
                   status});
  table.push_back(
      {"vault unseal",
       Effect::rw,
       "Give a sealed node the pass phrase that it waits for",
       {{"passphrase-file", Form::value, "FILE", "that holds it; - for standard input"}},
       {"entente vault unseal", "entente vault unseal --passphrase-file /run/phrase"},
       unseal});
  table.push_back(
      {"vault protect",
       Effect::rw,
       "Change what opens the vault: a key file, a pass phrase, or a credential",
       {{"with", Form::value, "WAY", "key-file, passphrase or credential"},
        {"passphrase-file", Form::value, "FILE", "that holds the new pass phrase"},
        {"old-passphrase-file", Form::value, "FILE", "that holds the pass phrase until now"},
        {"credential-file", Form::value, "FILE", "that holds the credential (else as at start)"}},
       {"entente vault protect --with passphrase",
        "entente vault protect --with credential --credential-file /etc/credstore/entente-vault"},
       protect});
}

}  // namespace entente::node
