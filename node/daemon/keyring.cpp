#include "node/daemon/keyring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "node/daemon/vault_lock.h"
#include "schemas/base/limits.h"
#include "security/identity/limits.h"
#include "security/vault/vault.h"

namespace entente::node {
namespace {

namespace fs = std::filesystem;
using security::SigningKey;
using security::Vault;
using security::VaultUse;

Error io_error(const std::string& what, const std::string& path) {
  const ErrorCode code = errno == ENOSPC ? ErrorCode::disk_full : ErrorCode::store_failed;
  return make_error(code, "cannot " + what + " " + path + ": " + std::strerror(errno));
}

std::string key_path(const std::string& home, const std::string& name) {
  return home + "/keys/" + name + ".sealed";
}

Outcome store_key(const std::string& home, const Vault& vault, const std::string& name,
                  const SigningKey& key, Random& random) {
  const Bytes sealed =
      vault.seal(VaultUse::signing_key, "keys|" + name + "|0", key.seed().view(), random);
  return write_private(key_path(home, name), sealed);
}

Result<SigningKey> load_key(const std::string& home, const Vault& vault, const std::string& name,
                            const PublicKey* expected) {
  auto sealed = read_file(key_path(home, name), security::kVaultValueBytes);
  if (!sealed) return std::move(sealed).error();
  auto seed = vault.open(VaultUse::signing_key, "keys|" + name + "|0", *sealed);
  if (!seed) return std::move(seed).error();
  auto key = SigningKey::from_seed(seed->view());
  if (key && expected != nullptr && key->public_key() != *expected) {
    return make_error(ErrorCode::verification_failed,
                      "the key '" + name + "' is not the one that the charter names");
  }
  return key;
}

// The chain's file: each signed charter preceded by its length in four bytes, little-endian.
Bytes chain_bytes(const std::vector<SignedCharter>& chain) {
  Bytes out;
  for (const SignedCharter& charter : chain) {
    const Bytes one = to_wire_bytes(charter);
    for (int i = 0; i < 4; ++i) out.push_back(static_cast<std::uint8_t>(one.size() >> (8 * i)));
    out.insert(out.end(), one.begin(), one.end());
  }
  return out;
}

}  // namespace

Outcome write_private(const std::string& path, ByteView content) {
  const std::string temporary = path + ".new";
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return io_error("write", temporary);
  std::size_t written = 0;
  while (written < content.size()) {
    const ssize_t now = ::write(file, content.data() + written, content.size() - written);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) {
      const Error error = io_error("write", temporary);
      ::close(file);
      ::unlink(temporary.c_str());
      return error;
    }
    written += static_cast<std::size_t>(now);
  }
  const bool synced = ::fsync(file) == 0;
  ::close(file);
  if (!synced || ::rename(temporary.c_str(), path.c_str()) != 0) return io_error("write", path);
  return {};
}

Result<Bytes> read_file(const std::string& path, std::size_t at_most) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return make_error(ErrorCode::not_found, "cannot read " + path);
  Bytes content((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (content.size() > at_most) {
    return make_error(ErrorCode::payload_too_large, path + " is larger than anything this reads");
  }
  return content;
}

Outcome create_keyring(const std::string& home, const Newborn& who, Random& random) {
  std::error_code failure;
  fs::create_directories(home + "/keys", failure);
  if (failure)
    return make_error(ErrorCode::store_failed,
                      "cannot make " + home + "/keys: " + failure.message());
  fs::permissions(home, fs::perms::owner_all, failure);
  fs::permissions(home + "/keys", fs::perms::owner_all, failure);
  auto vault = Vault::create(home + "/vault.key", random);
  if (!vault) return std::move(vault).error();

  const security::OrganisationKeys keys = security::generate_keys(random);
  security::CharterTerms terms;
  terms.name = who.name;
  terms.title = who.title;
  terms.issued = who.now;
  terms.expires = who.now + security::limits::kCharterLife;
  auto charter = security::first_charter(terms, keys);
  if (!charter) return std::move(charter).error();
  const struct {
    const char* name;
    const SigningKey& key;
  } all[] = {{"root", keys.roots.front()}, {"ca", keys.ca},
             {"answer", keys.answer},      {"audit", keys.audit},
             {"envelope", keys.envelope},  {"agreement", keys.agreement}};
  for (const auto& one : all) {
    if (auto stored = store_key(home, *vault, one.name, one.key, random); !stored) return stored;
  }
  const SignedCharter first = security::sign_charter(*charter, keys.roots);
  if (auto stored = write_private(home + "/charter.bin", chain_bytes({first})); !stored)
    return stored;
  std::array<std::uint8_t, 32> token{};
  random.fill(token);
  return write_private(home + "/admin.token", bytes_of("ENTT1." + to_base64url(token)));
}

Result<Keyring> load_keyring(const std::string& home) {
  auto vault = open_vault(home);
  if (!vault) return std::move(vault).error();
  return load_keyring(home, *vault);
}

Result<Keyring> load_keyring(const std::string& home, const Vault& vault) {
  auto raw = read_file(home + "/charter.bin", 16 * limits::kCharterBytes);
  if (!raw) return std::move(raw).error();
  std::vector<SignedCharter> chain;
  for (std::size_t at = 0; at < raw->size();) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4 && at + i < raw->size(); ++i)
      size |= std::size_t{(*raw)[at + i]} << (8 * i);
    if (size > raw->size() - at - std::min<std::size_t>(4, raw->size() - at)) {
      return make_error(ErrorCode::charter_invalid, home + "/charter.bin is cut short");
    }
    auto charter = signed_charter_from_bytes(ByteView(*raw).subspan(at + 4, size));
    if (!charter) return std::move(charter).error();
    chain.push_back(std::move(*charter));
    at += 4 + size;
  }
  auto self = security::PinnedOrganisation::from_chain(std::move(chain));
  if (!self) return std::move(self).error();
  const Charter& charter = self->current();

  auto root = load_key(home, vault, "root", &charter.root_keys.front());
  auto ca = load_key(home, vault, "ca", charter.key_for(KeyPurpose::ca));
  auto answer = load_key(home, vault, "answer", charter.key_for(KeyPurpose::answer));
  auto audit = load_key(home, vault, "audit", charter.key_for(KeyPurpose::audit));
  auto envelope = load_key(home, vault, "envelope", charter.key_for(KeyPurpose::envelope));
  auto agreement = load_key(home, vault, "agreement", charter.key_for(KeyPurpose::agreement));
  for (const auto* key : {&root, &ca, &answer, &audit, &envelope, &agreement}) {
    if (!*key) return key->error();
  }
  std::vector<SigningKey> roots;
  roots.push_back(std::move(*root));
  return Keyring{{std::move(roots), std::move(*ca), std::move(*answer), std::move(*audit),
                  std::move(*envelope), std::move(*agreement)},
                 std::move(*self)};
}

}  // namespace entente::node
