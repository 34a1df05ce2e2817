// Keys: who signs, who may read. One key has one purpose, and every signature has a context.
//
// What Ed25519 signs is exactly these bytes, so that any tool can verify a receipt offline:
//   "ENTENTE-SIG1" (12 bytes), the context's length (1 byte), the context, the body.
// So a signature made for one kind of document never verifies as another. Contexts are 1 to 255
// bytes; the ones in use are below.
#pragma once

#include <string_view>

#include "schemas/base/ids.h"
#include "schemas/base/random.h"
#include "schemas/envelope.h"
#include "security/identity/secret.h"

namespace entente::security {

namespace contexts {
inline constexpr std::string_view kCharter = "entente charter signature v1";
inline constexpr std::string_view kAgreement = "entente agreement signature v1";
inline constexpr std::string_view kEnvelope = "entente envelope signature v1";
inline constexpr std::string_view kAnswer = "entente answer signature v1";
inline constexpr std::string_view kReceipt = "entente ledger receipt v1";
inline constexpr std::string_view kReconcile = "entente reconcile override v1";
inline constexpr std::string_view kCollectorBatch = "entente collector batch signature v1";
}  // namespace contexts

// An Ed25519 key that signs. Threads: any (const after construction).
class SigningKey {
 public:
  static constexpr std::size_t kSeedBytes = 32;
  static SigningKey generate(Random& random);
  // Refuses (invalid_argument) a seed that is not 32 bytes.
  [[nodiscard]] static Result<SigningKey> from_seed(ByteView seed);

  const PublicKey& public_key() const { return public_key_; }
  Signature sign(std::string_view context, ByteView body) const;
  // Exactly the body, for forms that others fixed (audit checkpoints, security/audit/checkpoint.h).
  // A body that begins like a signature with a context is a bug.
  Signature sign_plain(ByteView body) const;
  // What a vault seals, and what the key comes back from.
  Secret seed() const;

 private:
  explicit SigningKey(const Secret& seed);
  Secret secret_;  // libsodium's form: seed and public key
  PublicKey public_key_;
};

// Whether the key is a canonical point of the prime-order group. Keys are checked where they enter
// (charters); `verify` besides refuses points of small order and malleable signatures.
[[nodiscard]] bool is_strong(const PublicKey& key);
[[nodiscard]] bool verify(const PublicKey& key, std::string_view context, ByteView body,
                          const Signature& signature);
// Of sign_plain; false for a body that begins like a signature with a context.
[[nodiscard]] bool verify_plain(const PublicKey& key, ByteView body, const Signature& signature);

Signed sign_body(const SigningKey& key, std::string_view context, Bytes body);
[[nodiscard]] bool verify(const PublicKey& key, std::string_view context, const Signed& body);

// A fresh X25519 pair for the answers to one question. Whoever holds the public half can seal to
// it.
class SealPair {
 public:
  static SealPair generate(Random& random);
  const SealKey& public_key() const { return public_key_; }
  // Refuses (verification_failed) what was not sealed to this pair, or was changed.
  [[nodiscard]] Result<Bytes> open(ByteView sealed) const;

 private:
  explicit SealPair(Random& random);
  Secret secret_;
  SealKey public_key_;
};

inline constexpr std::size_t kSealOverhead = 48;
// libsodium's sealed box (ephemeral X25519, XSalsa20-Poly1305), the ephemeral key drawn from
// `random`: equal seeds, equal bytes. Refuses (invalid_argument) a key of small order, with which
// anybody could read the answer.
[[nodiscard]] Result<Bytes> seal_to(const SealKey& key, ByteView plain, Random& random);
// The same with the system's generator.
[[nodiscard]] Result<Bytes> seal_to(const SealKey& key, ByteView plain);

}  // namespace entente::security
