#include "node/daemon/local_vault.h"

#include "node/daemon/home_lock.h"
#include "node/daemon/keyring.h"
#include "security/vault/key_wrap.h"

namespace entente::node {
namespace {

using security::Secret;
using security::Vault;

Secret secret_from(std::string text) {
  return Secret::take({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

Result<VaultWay> way_of(const std::string& text) {
  for (const VaultWay way : {VaultWay::key_file, VaultWay::passphrase, VaultWay::credential}) {
    if (text == to_text(way)) return way;
  }
  return make_error(ErrorCode::invalid_argument, "there is no way '" + text + "' to open a vault",
                    "--with key-file, passphrase or credential");
}

}  // namespace

Outcome change_protection(const VaultChange& change, Random& random) {
  auto way = way_of(change.way);
  if (!way) return std::move(way).error();
  if (auto now = vault_way(change.home); !now && now.error().code == ErrorCode::not_found) {
    return std::move(now).error();
  }
  auto lock = HomeLock::take(change.home);
  if (!lock) return std::move(lock).error();
  std::optional<Secret> old;
  if (change.passphrase) old.emplace(secret_from(*change.passphrase));
  auto vault = open_vault_to_protect(change.home, old ? &*old : nullptr);
  if (!vault) return std::move(vault).error();
  // A key file that is not this node's would take the place of the one that is.
  if (auto keys = load_keyring(change.home, *vault); !keys) return std::move(keys).error();
  if (change.dry_run) return {};
  std::optional<Secret> secret;
  if (change.secret) secret.emplace(secret_from(*change.secret));
  if (*way == VaultWay::credential && !secret) {
    auto credential = read_credential();
    if (!credential) return std::move(credential).error();
    secret.emplace(std::move(*credential));
  }
  if (*way != VaultWay::key_file && !secret) {
    return make_error(ErrorCode::invalid_argument, "no pass phrase was given");
  }
  return protect_vault(change.home, *vault, *way, secret ? &*secret : nullptr, random);
}

Result<VaultWay> backup_way(const std::string& file) {
  auto description = describe_backup(file);
  if (!description) return std::move(description).error();
  if (description->wrapped.empty()) return VaultWay::key_file;
  const auto way = security::unlock_way(description->wrapped);
  if (!way) return way.error();
  return *way == security::UnlockWay::passphrase ? VaultWay::passphrase : VaultWay::credential;
}

Result<Vault> open_backup_vault(const BackupUse& use, const BackupDescription& description) {
  if (!use.key_file.empty()) return Vault::open_file(use.key_file);
  if (description.wrapped.empty()) {
    auto vault = Vault::open_file(use.home + "/vault.key");
    if (vault || vault.error().code != ErrorCode::not_found) return vault;
    return make_error(ErrorCode::not_found, "the backup is sealed under a key file",
                      "name the copy of it that was kept: --vault-key FILE");
  }
  const auto way = security::unlock_way(description.wrapped);
  if (!way) return way.error();
  auto secret =
      use.secret ? Result<Secret>(secret_from(*use.secret))
      : *way == security::UnlockWay::credential
          ? read_credential()
          : Result<Secret>(make_error(ErrorCode::invalid_argument, "no pass phrase was given"));
  if (!secret) return std::move(secret).error();
  auto master = security::unwrap_key(description.wrapped, *secret);
  if (!master) return std::move(master).error();
  return Vault::from_key(std::move(*master));
}

}  // namespace entente::node
