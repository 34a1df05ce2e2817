// Signed tokens of an identity provider (OpenID Connect), as a second way to say who one is.
//
// A JWT (RFC 7519) as a compact JWS (RFC 7515), verified by libcjose against keys that stand in a
// file of this node: nothing is fetched, and a token's own words about its key (jwk, jku, x5u) are
// not read. Only signatures with public keys count: the list of bearer_algorithms() holds neither
// "none" nor HMAC, under which a public key would be a shared secret. Pure. Threads: any.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/result.h"
#include "schemas/base/time.h"

namespace entente::security {

struct OidcRules;

// RS, PS and ES with 256, 384 and 512 bits.
const std::vector<std::string>& bearer_algorithms();

// The provider's public keys: a JWK set (RFC 7517), {"keys": […]}.
class BearerKeys {
 public:
  // Refuses (config_invalid): no JWK set, over 64 KiB or 32 keys, two keys with one id, a private
  // or shared key, RSA below 2048 bits, a kind that bearer_algorithms() does not use.
  [[nodiscard]] static Result<BearerKeys> from_jwks(std::string_view text);
  std::size_t size() const;

 private:
  friend class BearerVerifier;
  struct Key;
  std::shared_ptr<const std::vector<Key>> keys_;
};

struct Bearer {
  std::string user;  // a local user, by the mapping of the rules
  Instant expires;   // at most 366 days ahead
};

// Refuses (unauthenticated), for the log: over 8 KiB or no compact JWS, an algorithm that the rules
// do not name or that is not the key's, a critical extension, no such key, a wrong signature,
// another issuer or audience, no expiry or one that is past, not valid yet, issued in the future,
// no such claim, an e-mail address that the provider did not verify, a claim that nobody has here.
// The key is chosen by the token's key id; one without may only come when there is but one key.
[[nodiscard]] Result<Bearer> verify_bearer(const OidcRules& rules, const BearerKeys& keys,
                                           std::string_view token, Instant now);

}  // namespace entente::security
