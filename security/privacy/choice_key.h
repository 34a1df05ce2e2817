// A secret order of things: who does not hold the key cannot foretell which come first.
//
// HMAC-SHA-256 over the parts, each preceded by its length. The key is made from a signing key by a
// signature that never leaves (Ed25519 gives the same one each time), so that a site chooses alike
// after a restart. Threads: any (const after construction).
#pragma once

#include <span>

#include "schemas/base/ids.h"
#include "security/identity/keys.h"

namespace entente::security {

class ChoiceKey {
 public:
  explicit ChoiceKey(const SigningKey& key);
  Hash256 rank(std::span<const ByteView> parts) const;

 private:
  Secret secret_;
};

}  // namespace entente::security
