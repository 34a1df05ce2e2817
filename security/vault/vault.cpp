#include "security/vault/vault.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "schemas/base/hash.h"

namespace entente::security {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kHeader = 1 + 4;
constexpr std::size_t kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES;
static_assert(kVaultOverhead == kHeader + kNonce + kTag);
static_assert(kVaultKeyBytes == crypto_kdf_KEYBYTES);

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }

 private:
  int descriptor_;
};

Error failed(const std::string& path, const char* step) {
  return make_error(ErrorCode::store_failed,
                    "the key file '" + path + "' cannot be " + step + ": " + std::strerror(errno));
}

Error wrong(const std::string& path, const std::string& why, std::string remedy) {
  return make_error(ErrorCode::config_invalid, "the key file '" + path + "' " + why,
                    std::move(remedy));
}

const char* kdf_context(VaultUse use) {
  switch (use) {  // eight characters each: crypto_kdf_CONTEXTBYTES
    case VaultUse::signing_key:
      return "ent-sign";
    case VaultUse::access_token:
      return "ent-tokn";
    case VaultUse::store_value:
      return "ent-stor";
    case VaultUse::invitation:
      return "ent-invi";
    case VaultUse::backup:
      return "ent-back";
  }
  ENTENTE_CHECK(false);
  return "";
}

std::array<std::uint8_t, kHeader> header(std::uint32_t epoch) {
  return {kVersion, static_cast<std::uint8_t>(epoch), static_cast<std::uint8_t>(epoch >> 8),
          static_cast<std::uint8_t>(epoch >> 16), static_cast<std::uint8_t>(epoch >> 24)};
}

Bytes bound_data(ByteView head, std::string_view aad) {
  Bytes out = to_bytes(head);
  out.insert(out.end(), aad.begin(), aad.end());
  return out;
}

bool write_all(int descriptor, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

bool read_all(int descriptor, std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::read(descriptor, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return true;
}

// A new name is durable only once its folder is.
bool sync_folder(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  const File folder(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.is_open() && ::fsync(folder.get()) == 0;
}

Outcome check_file(const File& file, const std::string& path) {
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return failed(path, "examined");
  if (!S_ISREG(info.st_mode)) return wrong(path, "is no regular file", "name the key file itself");
  if (info.st_uid != ::geteuid()) {
    return wrong(path, "belongs to another user", "run as its owner, or chown it");
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return wrong(path, "may be used by others", "chmod 600 it");
  }
  if (static_cast<std::size_t>(info.st_size) != kVaultKeyBytes) {
    return wrong(path, "is not 32 bytes long", "restore it from its copy");
  }
  return {};
}

}  // namespace

Result<Vault> Vault::create(const std::string& path, Random& random) {
  Secret master = Secret::random(random, kVaultKeyBytes);
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file.is_open() && errno == EEXIST) {
    return make_error(ErrorCode::conflict, "the key file '" + path + "' exists already",
                      "use it, or move it away first");
  }
  if (!file.is_open()) return failed(path, "created");
  const bool durable = ::fchmod(file.get(), 0600) == 0 && write_all(file.get(), master.view()) &&
                       ::fsync(file.get()) == 0 && sync_folder(path);
  if (!durable) {
    const Error error = failed(path, "written");
    ::unlink(path.c_str());
    return error;
  }
  return Vault(std::move(master));
}

Result<Vault> Vault::open_file(const std::string& path) {
  // Not blocking: a pipe of that name must not hang the start.
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.is_open() && errno == ENOENT) {
    return make_error(ErrorCode::not_found, "there is no key file '" + path + "'",
                      "run 'entente init', or restore the key file");
  }
  if (!file.is_open() && errno == ELOOP) {
    return wrong(path, "is a symbolic link", "name the key file itself");
  }
  if (!file.is_open()) return failed(path, "opened");
  if (auto done = check_file(file, path); !done) return std::move(done).error();
  Secret master(kVaultKeyBytes);
  if (!read_all(file.get(), master.bytes())) return failed(path, "read");
  return Vault(std::move(master));
}

Result<Vault> Vault::from_key(Secret master) {
  if (master.size() != kVaultKeyBytes) {
    return make_error(ErrorCode::config_invalid, "a vault's key must be 32 bytes");
  }
  return Vault(std::move(master));
}

Secret Vault::subkey(VaultUse use, std::uint32_t epoch) const {
  Secret out(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  crypto_kdf_derive_from_key(out.bytes().data(), out.size(), epoch, kdf_context(use),
                             master_.view().data());
  return out;
}

Secret Vault::stream_key(VaultUse use, ByteView salt) const {
  ENTENTE_CHECK(salt.size() == crypto_generichash_blake2b_SALTBYTES);
  const Secret base = subkey(use, 0);
  Secret out(crypto_secretstream_xchacha20poly1305_KEYBYTES);
  crypto_generichash_blake2b_salt_personal(
      out.bytes().data(), out.size(), nullptr, 0, base.view().data(), base.size(), salt.data(),
      reinterpret_cast<const unsigned char*>("entente-stream-1"));
  return out;
}

Hash256 Vault::fingerprint() const {
  Secret subkey(crypto_kdf_KEYBYTES);
  crypto_kdf_derive_from_key(subkey.bytes().data(), subkey.size(), 0, "ent-name",
                             master_.view().data());
  return hash("entente vault fingerprint v1", subkey.view());
}

Bytes Vault::seal(VaultUse use, std::string_view aad, ByteView secret, Random& random,
                  std::uint32_t epoch) const {
  ENTENTE_CHECK(secret.size() <= kVaultValueBytes);
  const auto head = header(epoch);
  const Bytes bound = bound_data(head, aad);
  Bytes out(kVaultOverhead + secret.size());
  std::copy(head.begin(), head.end(), out.begin());
  const std::span<std::uint8_t> nonce(out.data() + kHeader, kNonce);
  random.fill(nonce);
  const Secret key = subkey(use, epoch);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + kHeader + kNonce, nullptr, secret.data(),
                                             secret.size(), bound.data(), bound.size(), nullptr,
                                             nonce.data(), key.view().data());
  return out;
}

Result<Secret> Vault::open(VaultUse use, std::string_view aad, ByteView sealed) const {
  const auto refuse = [] {
    return make_error(ErrorCode::verification_failed,
                      "a sealed value does not open with this key file",
                      "use the key file that belongs to this data folder");
  };
  if (sealed.size() < kVaultOverhead || sealed.size() > kVaultOverhead + kVaultValueBytes ||
      sealed[0] != kVersion) {
    return refuse();
  }
  std::uint32_t epoch = 0;
  for (std::size_t i = 0; i < 4; ++i) epoch |= std::uint32_t{sealed[1 + i]} << (8 * i);
  const Bytes bound = bound_data(sealed.first(kHeader), aad);
  const ByteView body = sealed.subspan(kHeader + kNonce);
  const Secret key = subkey(use, epoch);
  Secret out(body.size() - kTag);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(out.bytes().data(), nullptr, nullptr, body.data(),
                                                 body.size(), bound.data(), bound.size(),
                                                 sealed.data() + kHeader, key.view().data()) != 0) {
    return refuse();
  }
  return out;
}

}  // namespace entente::security
