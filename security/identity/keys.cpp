#include "security/identity/keys.h"

#include <sodium.h>

#include <array>

namespace entente::security {
namespace {

constexpr std::string_view kPrefix = "ENTENTE-SIG1";

// A secret that does not outlive one call: on the stack and wiped, as libsodium's own sealed box
// keeps its ephemeral key. The guarded heap would cost a dozen system calls for each.
struct Ephemeral {
  Ephemeral() = default;
  Ephemeral(const Ephemeral&) = delete;
  Ephemeral& operator=(const Ephemeral&) = delete;
  ~Ephemeral() { wipe(bytes); }
  std::array<std::uint8_t, 32> bytes;
};
static_assert(crypto_box_SEEDBYTES == 32 && crypto_box_SECRETKEYBYTES == 32);

Bytes signed_bytes(std::string_view context, ByteView body) {
  ENTENTE_CHECK(!context.empty() && context.size() <= 255);
  Bytes out;
  out.reserve(kPrefix.size() + 1 + context.size() + body.size());
  out.insert(out.end(), kPrefix.begin(), kPrefix.end());
  out.push_back(static_cast<std::uint8_t>(context.size()));
  out.insert(out.end(), context.begin(), context.end());
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

bool has_context(ByteView body) {
  return text_of(body).starts_with(kPrefix);
}

}  // namespace

SigningKey::SigningKey(const Secret& seed) : secret_(crypto_sign_SECRETKEYBYTES) {
  crypto_sign_seed_keypair(public_key_.bytes.data(), secret_.bytes().data(), seed.view().data());
}

SigningKey SigningKey::generate(Random& random) {
  return SigningKey(Secret::random(random, kSeedBytes));
}

Result<SigningKey> SigningKey::from_seed(ByteView seed) {
  if (seed.size() != kSeedBytes) {
    return make_error(ErrorCode::invalid_argument, "a signing key's seed must be 32 bytes");
  }
  Secret own(kSeedBytes);
  std::copy(seed.begin(), seed.end(), own.bytes().begin());
  return SigningKey(own);
}

Signature SigningKey::sign(std::string_view context, ByteView body) const {
  const Bytes message = signed_bytes(context, body);
  Signature out;
  crypto_sign_detached(out.bytes.data(), nullptr, message.data(), message.size(),
                       secret_.view().data());
  return out;
}

Secret SigningKey::seed() const {
  Secret out(kSeedBytes);
  crypto_sign_ed25519_sk_to_seed(out.bytes().data(), secret_.view().data());
  return out;
}

bool is_strong(const PublicKey& key) {
  return crypto_core_ed25519_is_valid_point(key.bytes.data()) == 1;
}

Signature SigningKey::sign_plain(ByteView body) const {
  ENTENTE_CHECK(!has_context(body));
  Signature out;
  crypto_sign_detached(out.bytes.data(), nullptr, body.data(), body.size(), secret_.view().data());
  return out;
}

bool verify_plain(const PublicKey& key, ByteView body, const Signature& signature) {
  return !has_context(body) && crypto_sign_verify_detached(signature.bytes.data(), body.data(),
                                                           body.size(), key.bytes.data()) == 0;
}

bool verify(const PublicKey& key, std::string_view context, ByteView body,
            const Signature& signature) {
  const Bytes message = signed_bytes(context, body);
  return crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(),
                                     key.bytes.data()) == 0;
}

Signed sign_body(const SigningKey& key, std::string_view context, Bytes body) {
  Signed out;
  out.signature = key.sign(context, body);
  out.body = std::move(body);
  return out;
}

bool verify(const PublicKey& key, std::string_view context, const Signed& body) {
  return verify(key, context, body.body, body.signature);
}

SealPair::SealPair(Random& random) : secret_(crypto_box_SECRETKEYBYTES) {
  Ephemeral seed;
  random.fill(seed.bytes);
  crypto_box_seed_keypair(public_key_.bytes.data(), secret_.bytes().data(), seed.bytes.data());
}

SealPair SealPair::generate(Random& random) {
  return SealPair(random);
}

Result<Bytes> SealPair::open(ByteView sealed) const {
  Bytes out(sealed.size() < kSealOverhead ? 0 : sealed.size() - kSealOverhead);
  if (sealed.size() < kSealOverhead ||
      crypto_box_seal_open(out.data(), sealed.data(), sealed.size(), public_key_.bytes.data(),
                           secret_.view().data()) != 0) {
    return make_error(ErrorCode::verification_failed,
                      "these bytes were not sealed to this question's key");
  }
  return out;
}

Result<Bytes> seal_to(const SealKey& key, ByteView plain, Random& random) {
  static_assert(kSealOverhead == crypto_box_SEALBYTES);
  Ephemeral seed, secret;
  random.fill(seed.bytes);
  Bytes out(crypto_box_SEALBYTES + plain.size());
  crypto_box_seed_keypair(out.data(), secret.bytes.data(), seed.bytes.data());
  // As crypto_box_seal does: the nonce is the hash of both public keys.
  std::array<std::uint8_t, crypto_box_NONCEBYTES> nonce{};
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, nonce.size());
  crypto_generichash_update(&state, out.data(), crypto_box_PUBLICKEYBYTES);
  crypto_generichash_update(&state, key.bytes.data(), key.bytes.size());
  crypto_generichash_final(&state, nonce.data(), nonce.size());
  if (crypto_box_easy(out.data() + crypto_box_PUBLICKEYBYTES, plain.data(), plain.size(),
                      nonce.data(), key.bytes.data(), secret.bytes.data()) != 0) {
    return make_error(ErrorCode::invalid_argument, "the seal key is no key that keeps a secret");
  }
  return out;
}

Result<Bytes> seal_to(const SealKey& key, ByteView plain) {
  SystemRandom random;
  return seal_to(key, plain, random);
}

}  // namespace entente::security
