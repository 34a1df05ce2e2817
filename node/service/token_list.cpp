#include <sodium.h>

#include "node/service/authenticator.h"
#include "schemas/base/hash.h"

namespace entente::node {

Hash256 token_hash(std::string_view token) {
  return hash("entente http token v1", bytes_of(token));
}

std::optional<Subject> TokenList::authenticate(std::string_view token) const {
  const Hash256 given = token_hash(token);
  const Entry* match = nullptr;
  for (const Entry& entry : entries_) {
    if (sodium_memcmp(given.bytes.data(), entry.hash.bytes.data(), Hash256::kSize) == 0) {
      match = &entry;
    }
  }
  if (match == nullptr) return std::nullopt;
  return match->subject;
}

Outcome TokenList::authorise(const Subject&, Verb, const Parameters&) const {
  return {};
}

}  // namespace entente::node
