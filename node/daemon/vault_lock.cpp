#include "node/daemon/vault_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "node/daemon/keyring.h"
#include "security/vault/key_wrap.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;
using security::Secret;
using security::UnlockWay;
using security::Vault;

std::string key_file(const std::string& home) {
  return home + "/vault.key";
}
std::string sealed_file(const std::string& home) {
  return home + "/vault.sealed";
}

// A new name and a removed one are durable only once their folder is.
Outcome sync_home(const std::string& home) {
  const int folder = ::open(home.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = folder >= 0 && ::fsync(folder) == 0;
  if (folder >= 0) ::close(folder);
  if (synced) return {};
  return make_error(ErrorCode::store_failed, "cannot sync " + home);
}

Outcome write_protection(const std::string& home, const Vault& vault, VaultWay way,
                         const Secret* secret, Random& random) {
  const Secret master = vault.master();
  if (way == VaultWay::key_file) {
    if (auto written = write_private(key_file(home), master.view()); !written) return written;
    return sync_home(home);
  }
  ENTENTE_CHECK(secret != nullptr);
  const auto unlock = way == VaultWay::passphrase ? UnlockWay::passphrase : UnlockWay::credential;
  const auto wrapped = security::wrap_key(master, unlock, *secret, random);
  if (!wrapped) return wrapped.error();
  if (auto written = write_private(sealed_file(home), *wrapped); !written) return written;
  return sync_home(home);
}

Result<Vault> reopened(const std::string& home, VaultWay way, const Secret* secret) {
  if (way == VaultWay::key_file) return Vault::open_file(key_file(home));
  auto wrapped = read_file(sealed_file(home), security::kWrappedKeyBytes);
  if (!wrapped) return std::move(wrapped).error();
  auto master = security::unwrap_key(*wrapped, *secret);
  if (!master) return std::move(master).error();
  return Vault::from_key(std::move(*master));
}

}  // namespace

std::string_view to_text(VaultWay way) {
  switch (way) {
    case VaultWay::key_file:
      return "key-file";
    case VaultWay::passphrase:
      return "passphrase";
    case VaultWay::credential:
      return "credential";
  }
  return "key-file";
}

Result<VaultWay> vault_way(const std::string& home) {
  const bool plain = fs::exists(key_file(home));
  const bool sealed = fs::exists(sealed_file(home));
  if (plain && sealed) {
    return make_error(ErrorCode::config_invalid,
                      home +
                          " has both vault.key and vault.sealed: a change of the vault's "
                          "protection did not finish",
                      "run 'entente vault protect' again");
  }
  if (plain) return VaultWay::key_file;
  if (!sealed) {
    return make_error(ErrorCode::not_found, "there is no key file '" + key_file(home) + "'",
                      "run 'entente init', or restore the key file");
  }
  auto wrapped = wrapped_key(home);
  if (!wrapped) return std::move(wrapped).error();
  const auto way = security::unlock_way(*wrapped);
  if (!way) return way.error();
  return *way == UnlockWay::passphrase ? VaultWay::passphrase : VaultWay::credential;
}

Result<Bytes> wrapped_key(const std::string& home) {
  if (!fs::exists(sealed_file(home))) return Bytes{};
  return read_file(sealed_file(home), security::kWrappedKeyBytes);
}

Result<Secret> read_secret_file(const std::string& path) {
  auto content = read_file(path, security::kCredentialMost);
  if (!content) return std::move(content).error();
  std::size_t size = content->size();
  if (size > 0 && (*content)[size - 1] == '\n') --size;
  Secret secret = Secret::take(std::span(*content).first(size));
  security::wipe(*content);
  return secret;
}

Result<Secret> read_credential() {
  std::string path;
  if (const char* folder = std::getenv("CREDENTIALS_DIRECTORY")) {
    path = std::string(folder) + "/entente-vault";
  }
  if (const char* file = std::getenv("ENTENTE_VAULT_CREDENTIAL")) path = file;
  if (path.empty() || !fs::exists(path)) {
    return make_error(ErrorCode::not_found,
                      "the vault is protected by a credential, and this process has none",
                      "LoadCredential=entente-vault:FILE in the unit, or ENTENTE_VAULT_CREDENTIAL");
  }
  return read_secret_file(path);
}

Result<Vault> open_vault(const std::string& home, const Secret* passphrase) {
  auto way = vault_way(home);
  if (!way) return std::move(way).error();
  if (*way == VaultWay::key_file) return Vault::open_file(key_file(home));
  auto wrapped = wrapped_key(home);
  if (!wrapped) return std::move(wrapped).error();
  if (*way == VaultWay::passphrase && passphrase == nullptr) {
    return make_error(ErrorCode::node_not_running,
                      "the vault is sealed, and no pass phrase was given",
                      "give it with 'entente vault unseal', or --passphrase-file");
  }
  auto credential = *way == VaultWay::credential ? read_credential() : Result<Secret>(Secret(0));
  if (!credential) return std::move(credential).error();
  auto master =
      security::unwrap_key(*wrapped, *way == VaultWay::credential ? *credential : *passphrase);
  if (!master) return std::move(master).error();
  return Vault::from_key(std::move(*master));
}

Result<Vault> open_vault_to_protect(const std::string& home, const Secret* passphrase) {
  return fs::exists(key_file(home)) ? Vault::open_file(key_file(home))
                                    : open_vault(home, passphrase);
}

void sweep_vault_files(const std::string& home) {
  std::error_code ignored;
  fs::remove(key_file(home) + ".new", ignored);
  fs::remove(sealed_file(home) + ".new", ignored);
}

Outcome protect_vault(const std::string& home, const Vault& vault, VaultWay way,
                      const Secret* secret, Random& random) {
  auto written = write_protection(home, vault, way, secret, random);
  sweep_vault_files(home);  // nothing of a failed write may stay behind
  if (!written) return written;
  // What was written opens before what opened until now goes.
  auto again = reopened(home, way, secret);
  if (!again) return std::move(again).error();
  if (again->fingerprint() != vault.fingerprint()) {
    return make_error(ErrorCode::store_failed, "the new key file does not hold the vault's key");
  }
  std::error_code failed;
  fs::remove(way == VaultWay::key_file ? sealed_file(home) : key_file(home), failed);
  if (failed) return make_error(ErrorCode::store_failed, "the old key file cannot be removed");
  return sync_home(home);
}

}  // namespace entente::node
