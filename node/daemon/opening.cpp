#include "node/daemon/opening.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "node/daemon/sealed_start.h"
#include "node/daemon/vault_lock.h"
#include "node/store/ledger_standing.h"
#include "schemas/base/log.h"

namespace entente::node {

void forbid_core_dumps() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

Result<std::optional<security::Vault>> open_for_daemon(
    Settings& settings, const std::optional<std::string>& passphrase_file, std::ostream& out) {
  sweep_vault_files(settings.home);
  auto way = vault_way(settings.home);
  if (!way) return std::move(way).error();
  std::optional<security::Secret> phrase;
  if (passphrase_file && *way == VaultWay::passphrase) {
    auto read = read_secret_file(*passphrase_file);
    if (!read) return std::move(read).error();
    phrase.emplace(std::move(*read));
  }
  if (*way == VaultWay::passphrase && !phrase) {
    auto unsealed = wait_unsealed(settings, out);
    if (!unsealed) return std::move(unsealed).error();
    settings.http_port = unsealed->http_port;
    return std::move(unsealed->vault);
  }
  auto vault = open_vault(settings.home, phrase ? &*phrase : nullptr);
  if (!vault) return std::move(vault).error();
  return std::optional(std::move(*vault));
}

Result<std::optional<RestoreMark>> finished_restore(const std::string& home) {
  auto mark = restore_mark(home);
  if (!mark || !*mark || (*mark)->complete) return mark;
  return make_error(ErrorCode::config_invalid, home + " is a restore that did not finish",
                    "empty the folder and restore again: " + (*mark)->source);
}

Outcome close_restored(Store& store, const Clock& clock, const std::string& home,
                       const std::optional<RestoreMark>& mark) {
  if (!mark) return {};
  const Instant now = clock.now();
  if (now < mark->created) {
    // What was charged after the backup would be taken for the future, and stay unspent.
    return make_error(
        ErrorCode::config_invalid,
        "the clock shows a time before this node's backup was made, " + to_text(mark->created),
        "set the clock, then start again");
  }
  const std::string evidence = "this node was restored from a backup of " + to_text(mark->created);
  auto closed = store.run<int>([&](Database& database) -> Result<int> {
    close_ledger(database, evidence, now);
    return 0;
  });
  if (!closed) return std::move(closed).error();
  log::error("ledger", "restored from a backup: no partner is answered before a reconciliation",
             {{"backup", mark->source}, {"remedy", "entente budget reconcile"}});
  return clear_restore_mark(home);
}

}  // namespace entente::node
