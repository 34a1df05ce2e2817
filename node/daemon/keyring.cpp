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
#include "security/identity/charter_draft.h"
#include "security/identity/limits.h"

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

std::string aad_of(const std::string& name) {
  return "keys|" + name + "|0";
}

// The key in use, or its successor when the charter names only that one.
Result<SigningKey> load_key(KeyShelf& shelf, const security::PinnedOrganisation& self,
                            KeyPurpose purpose, Random& random) {
  const std::string name(security::to_text(purpose));
  auto key = shelf.current(name);
  if (!key) return std::move(key).error();
  if (!*key) return make_error(ErrorCode::not_found, "the key '" + name + "' is not in keys/");
  if (self.has_key(purpose, (*key)->public_key())) return std::move(**key);
  auto next = shelf.next(name);
  if (!next) return std::move(next).error();
  if (!*next || !self.has_key(purpose, (*next)->public_key())) {
    return make_error(ErrorCode::verification_failed,
                      "the key '" + name + "' is not one that the charter names");
  }
  if (auto done = shelf.promote(name, random); !done) return std::move(done).error();
  return std::move(**next);
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
    const std::string name = one.name;
    const Bytes sealed =
        vault->seal(VaultUse::signing_key, aad_of(name), one.key.seed().view(), random);
    if (auto stored = write_private(key_path(home, name), sealed); !stored) return stored;
  }
  const SignedCharter first = security::sign_charter(*charter, keys.roots);
  if (auto stored = store_charters(home, {first}); !stored) return stored;
  std::array<std::uint8_t, 32> token{};
  random.fill(token);
  return write_private(home + "/admin.token", bytes_of("ENTT1." + to_base64url(token)));
}

Result<security::PinnedOrganisation> load_charters(const std::string& home) {
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
  return security::PinnedOrganisation::from_chain(std::move(chain));
}

Outcome store_charters(const std::string& home, const std::vector<SignedCharter>& chain) {
  return write_private(home + "/charter.bin", chain_bytes(chain));
}

Result<Keyring> load_keyring(const std::string& home) {
  auto vault = open_vault(home);
  if (!vault) return std::move(vault).error();
  return load_keyring(home, *vault);
}

Result<Keyring> load_keyring(const std::string& home, const Vault& vault) {
  auto self = load_charters(home);
  if (!self) return std::move(self).error();
  KeyShelf shelf(home, vault);
  SystemRandom random;
  auto ca = load_key(shelf, *self, KeyPurpose::ca, random);
  auto answer = load_key(shelf, *self, KeyPurpose::answer, random);
  auto audit = load_key(shelf, *self, KeyPurpose::audit, random);
  auto envelope = load_key(shelf, *self, KeyPurpose::envelope, random);
  auto agreement = load_key(shelf, *self, KeyPurpose::agreement, random);
  for (const auto* key : {&ca, &answer, &audit, &envelope, &agreement}) {
    if (!*key) return key->error();
  }
  return Keyring{{{},
                  std::move(*ca),
                  std::move(*answer),
                  std::move(*audit),
                  std::move(*envelope),
                  std::move(*agreement)},
                 std::move(*self)};
}

Result<std::optional<SigningKey>> KeyShelf::read(const std::string& name) const {
  const std::string path = key_path(home_, name);
  if (!fs::exists(path)) return std::optional<SigningKey>();
  auto sealed = read_file(path, security::kVaultValueBytes);
  if (!sealed) return std::move(sealed).error();
  auto seed = vault_.open(VaultUse::signing_key, aad_of(name), *sealed);
  if (!seed) return std::move(seed).error();
  auto key = SigningKey::from_seed(seed->view());
  if (!key) return std::move(key).error();
  return std::optional<SigningKey>(std::move(*key));
}

Outcome KeyShelf::write(const std::string& name, const SigningKey& key, Random& random) {
  const Bytes sealed = vault_.seal(VaultUse::signing_key, aad_of(name), key.seed().view(), random);
  return write_private(key_path(home_, name), sealed);
}

Result<std::optional<SigningKey>> KeyShelf::current(std::string_view name) const {
  return read(std::string(name));
}

Result<std::optional<SigningKey>> KeyShelf::next(std::string_view name) const {
  return read(std::string(name) + ".next");
}

Instant KeyShelf::since(std::string_view name) const {
  struct stat found {};
  if (::stat(key_path(home_, std::string(name)).c_str(), &found) != 0) return {};
  return {found.st_mtim.tv_sec * 1'000'000'000 + found.st_mtim.tv_nsec};
}

Outcome KeyShelf::keep_next(std::string_view name, const SigningKey& key, Random& random) {
  return write(std::string(name) + ".next", key, random);
}

// After a crash in between both files hold the new key; the next start sees that it is in use.
Outcome KeyShelf::promote(std::string_view name, Random& random) {
  auto key = next(name);
  if (!key) return std::move(key).error();
  if (!*key) return make_error(ErrorCode::not_found, "no next key '" + std::string(name) + "'");
  if (auto done = write(std::string(name), **key, random); !done) return done;
  return remove(std::string(name) + ".next");
}

Outcome KeyShelf::remove(const std::string& name) {
  const std::string path = key_path(home_, name);
  std::error_code failure;
  fs::remove(path, failure);
  if (failure) return make_error(ErrorCode::store_failed, "cannot remove " + path);
  return {};
}

Outcome KeyShelf::remove_root() {
  if (auto done = remove("root"); !done) return done;
  return remove("root.next");
}

}  // namespace entente::node
