#include "security/vault/key_wrap.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace entente::security {
namespace {

constexpr std::array<std::uint8_t, 8> kMagic{'E', 'N', 'T', 'V', 'L', 'T', '1', 0};
constexpr std::size_t kSaltAt = 8 + 1 + 4 + 8;
constexpr std::size_t kNonceAt = kSaltAt + crypto_pwhash_SALTBYTES;
constexpr std::size_t kSealedAt = kNonceAt + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr std::size_t kMasterBytes = 32;
constexpr std::uint64_t kMemoryMost = std::uint64_t{1} << 30;
constexpr std::uint32_t kOperationsMost = 16;
static_assert(kWrappedKeyBytes ==
              kSealedAt + kMasterBytes + crypto_aead_xchacha20poly1305_ietf_ABYTES);

Error no_key(const char* why) {
  return make_error(ErrorCode::config_invalid, std::string("the wrapped vault key ") + why,
                    "restore it from its copy");
}

std::uint64_t read_number(ByteView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

void write_number(std::span<std::uint8_t> into, std::uint64_t value) {
  for (std::uint8_t& byte : into) {
    byte = static_cast<std::uint8_t>(value);
    value >>= 8;
  }
}

Outcome check_secret(UnlockWay way, std::size_t size) {
  const bool phrase = way == UnlockWay::passphrase;
  const std::size_t least = phrase ? kPassphraseLeast : kCredentialLeast;
  const std::size_t most = phrase ? kPassphraseMost : kCredentialMost;
  if (size >= least && size <= most) return {};
  return make_error(ErrorCode::invalid_argument, "the " + std::string(to_text(way)) +
                                                     " must have " + std::to_string(least) +
                                                     " to " + std::to_string(most) + " bytes");
}

// The key that the master is sealed under.
Result<Secret> wrapping_key(UnlockWay way, const Secret& secret, ByteView salt,
                            PassphraseCost cost) {
  Secret key(crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
  if (way == UnlockWay::credential) {
    // Whoever made the credential is asked for entropy, not for strength against guessing.
    static constexpr std::string_view kContext = "entente vault credential v1";
    crypto_generichash_state state;
    crypto_generichash_init(&state, salt.data(), salt.size(), key.size());
    crypto_generichash_update(&state, reinterpret_cast<const unsigned char*>(kContext.data()),
                              kContext.size());
    crypto_generichash_update(&state, secret.view().data(), secret.size());
    crypto_generichash_final(&state, key.bytes().data(), key.size());
    return key;
  }
  const int failed = crypto_pwhash(
      key.bytes().data(), key.size(), reinterpret_cast<const char*>(secret.view().data()),
      secret.size(), salt.data(), cost.operations, cost.memory, crypto_pwhash_ALG_ARGON2ID13);
  if (failed == 0) return key;
  return make_error(ErrorCode::overloaded,
                    "there is no memory to hash the pass phrase: " +
                        std::to_string(cost.memory >> 20) + " MiB are needed",
                    "free memory, then try again");
}

}  // namespace

std::string_view to_text(UnlockWay way) {
  return way == UnlockWay::passphrase ? "passphrase" : "credential";
}

Result<Bytes> wrap_key(const Secret& master, UnlockWay way, const Secret& secret, Random& random,
                       PassphraseCost cost) {
  ENTENTE_CHECK(master.size() == kMasterBytes);
  if (auto fits = check_secret(way, secret.size()); !fits) return std::move(fits).error();
  if (way == UnlockWay::credential) cost = {0, 0};
  Bytes out(kWrappedKeyBytes);
  const std::span<std::uint8_t> all(out);
  std::copy(kMagic.begin(), kMagic.end(), out.begin());
  out[8] = static_cast<std::uint8_t>(way);
  write_number(all.subspan(9, 4), cost.operations);
  write_number(all.subspan(13, 8), cost.memory);
  random.fill(all.subspan(kSaltAt, kSealedAt - kSaltAt));  // salt and nonce
  auto key =
      wrapping_key(way, secret, ByteView(out).subspan(kSaltAt, crypto_pwhash_SALTBYTES), cost);
  if (!key) return std::move(key).error();
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data() + kSealedAt, nullptr, master.view().data(),
                                             master.size(), out.data(), kNonceAt, nullptr,
                                             out.data() + kNonceAt, key->view().data());
  return out;
}

Result<UnlockWay> unlock_way(ByteView wrapped) {
  if (wrapped.size() != kWrappedKeyBytes ||
      !std::equal(kMagic.begin(), kMagic.end(), wrapped.begin())) {
    return no_key("does not read");
  }
  const auto way = static_cast<UnlockWay>(wrapped[8]);
  if (way == UnlockWay::passphrase || way == UnlockWay::credential) return way;
  return no_key("is opened in a way that this version does not know");
}

Result<Secret> unwrap_key(ByteView wrapped, const Secret& secret) {
  const auto way = unlock_way(wrapped);
  if (!way) return way.error();
  PassphraseCost cost;
  cost.operations = static_cast<std::uint32_t>(read_number(wrapped.subspan(9, 4)));
  cost.memory = read_number(wrapped.subspan(13, 8));
  if (cost.memory > kMemoryMost || cost.operations > kOperationsMost) {
    return no_key("would take more than 1 GiB or 16 rounds to open");
  }
  const auto wrong = make_error(
      ErrorCode::verification_failed,
      std::string(*way == UnlockWay::passphrase ? "this pass phrase" : "this credential") +
          " does not open the vault",
      "give the one that the vault was protected with");
  if (!check_secret(*way, secret.size())) return wrong;
  auto key = wrapping_key(*way, secret, wrapped.subspan(kSaltAt, crypto_pwhash_SALTBYTES), cost);
  if (!key) return std::move(key).error();
  Secret master(kMasterBytes);
  const ByteView sealed = wrapped.subspan(kSealedAt);
  if (crypto_aead_xchacha20poly1305_ietf_decrypt(
          master.bytes().data(), nullptr, nullptr, sealed.data(), sealed.size(), wrapped.data(),
          kNonceAt, wrapped.data() + kNonceAt, key->view().data()) != 0) {
    return wrong;
  }
  return master;
}

}  // namespace entente::security
