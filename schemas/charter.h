// An organisation's charter as a value, and its wire form.
//
// The signed bytes are the canonical Cap'n Proto form of wire::Charter
// (schemas/wire/identity.capnp); whoever verifies does so over the bytes as received. Conversions
// are total: bytes that are not a well-formed charter, or that hold anything this version does not
// know, are refused (charter_invalid) with what is wrong; a key with an unknown purpose is carried
// along. Whether a charter is *valid* (signatures, chain, expiry) is security/identity's business.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

enum class KeyPurpose { ca, answer, audit, envelope, agreement };

struct PurposeKey {
  KeyPurpose purpose = KeyPurpose::ca;
  PublicKey key;
  auto operator<=>(const PurposeKey&) const = default;
};

struct Charter {
  std::string name;   // local id
  std::string title;  // for people
  std::uint32_t version = 1;
  std::optional<Hash256> previous;  // of version - 1; absent in version 1
  std::vector<PublicKey> root_keys;
  std::uint8_t threshold = 1;
  std::vector<PurposeKey> keys;
  std::vector<Hash256> revoked_keys;  // hash_public_key of leaf or issuer keys
  Instant issued;
  Instant expires;

  // The first key with this purpose; charters from charter_from_bytes have at least one of each.
  const PublicKey* key_for(KeyPurpose purpose) const;
  bool operator==(const Charter&) const = default;
};

struct KeySignature {
  PublicKey key;
  Signature signature;
  bool operator==(const KeySignature&) const = default;
};

struct SignedCharter {
  Bytes charter;  // canonical, as received
  std::vector<KeySignature> signatures;
  bool operator==(const SignedCharter&) const = default;
};

Bytes canonical_bytes(const Charter& charter);
[[nodiscard]] Result<Charter> charter_from_bytes(ByteView canonical);

Bytes to_wire_bytes(const SignedCharter& charter);
[[nodiscard]] Result<SignedCharter> signed_charter_from_bytes(ByteView bytes);

// The organisation's id for ever, when these are the canonical bytes of its first charter.
OrgId org_id_of(ByteView first_charter);
// What the next charter names as `previous`.
Hash256 charter_hash(ByteView charter);
Hash256 hash_public_key(const PublicKey& key);

}  // namespace entente
