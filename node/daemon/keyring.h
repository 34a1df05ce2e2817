// The node's own identity on disk: keys sealed in the vault, the charter chain, the admin token.
//
//   vault.key            or vault.sealed (vault_lock.h): opens everything below
//   keys/NAME.sealed     root, ca, answer, audit, envelope, agreement (seeds, sealed)
//   charter.bin          the chain of signed charters
//   admin.token          the administrator's token, 0600, written once by init
#pragma once

#include <string>
#include <vector>

#include "schemas/base/random.h"
#include "security/identity/charter.h"
#include "security/vault/vault.h"

namespace entente::node {

struct Keyring {
  security::OrganisationKeys keys;
  security::PinnedOrganisation self;
};

struct Newborn {
  std::string name;  // the organisation's local id
  std::string title;
  Instant now;
};

// Makes all of the above in `home`, which must hold none of it.
// Refuses: conflict (there is a node already), store_failed.
[[nodiscard]] Outcome create_keyring(const std::string& home, const Newborn& who, Random& random);
// Refuses: not_found, config_invalid (permissions), verification_failed (a key that is not the one
// the charter names).
[[nodiscard]] Result<Keyring> load_keyring(const std::string& home, const security::Vault& vault);
// With the vault opened as vault_lock.h does without a pass phrase.
[[nodiscard]] Result<Keyring> load_keyring(const std::string& home);

// Writes a file of 0600 through a temporary one and a rename, synced.
[[nodiscard]] Outcome write_private(const std::string& path, ByteView content);
[[nodiscard]] Result<Bytes> read_file(const std::string& path, std::size_t at_most);

}  // namespace entente::node
