// The node's own identity on disk: keys sealed in the vault, the charter chain, the admin token.
//
//   vault.key            or vault.sealed (vault_lock.h): opens everything below
//   keys/NAME.sealed     root, ca, answer, audit, envelope, agreement (seeds, sealed)
//   keys/NAME.next.sealed  made by a rotation, used once the partners
//                        have pinned the charter that names it
//   charter.bin          the chain of signed charters
//   admin.token          the administrator's token, 0600, written once by init
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/random.h"
#include "security/identity/charter.h"
#include "security/vault/vault.h"

namespace entente::node {

struct Keyring {
  // Replaced in place by a rotation, on the loop: whoever signs elsewhere takes a copy with him.
  // Without roots: a root key is opened to sign a charter and at no other time, and may be
  // elsewhere.
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
// A key in use that the charter names no more gives way to its successor when that one is named.
// Refuses: not_found, config_invalid (permissions), verification_failed (a key that is not one the
// charter names).
[[nodiscard]] Result<Keyring> load_keyring(const std::string& home, const security::Vault& vault);
// With the vault opened as vault_lock.h does without a pass phrase.
[[nodiscard]] Result<Keyring> load_keyring(const std::string& home);

// The charters of a home, without the vault. Refuses: not_found, charter_invalid.
[[nodiscard]] Result<security::PinnedOrganisation> load_charters(const std::string& home);
[[nodiscard]] Outcome store_charters(const std::string& home,
                                     const std::vector<SignedCharter>& chain);

// The key files of one home beside those in use. `name` is "root", "ca", "answer", "audit",
// "envelope" or "agreement".
// `vault` outlives it. Threads: one at a time.
class KeyShelf {
 public:
  KeyShelf(std::string home, const security::Vault& vault)
      : home_(std::move(home)), vault_(vault) {}

  // In use; nothing when there is none here. Refuses: verification_failed, payload_too_large.
  [[nodiscard]] Result<std::optional<security::SigningKey>> current(std::string_view name) const;
  [[nodiscard]] Result<std::optional<security::SigningKey>> next(std::string_view name) const;
  // When the file of the key in use was written; the beginning of time when there is none.
  Instant since(std::string_view name) const;
  // Replaces what a rotation that never came into force left behind.
  [[nodiscard]] Outcome keep_next(std::string_view name, const security::SigningKey& key,
                                  Random& random);
  // The next key is the one in use from now on, and the former is gone.
  [[nodiscard]] Outcome promote(std::string_view name, Random& random);
  // Takes the root key off this machine. What the disk keeps of a removed file is sealed.
  [[nodiscard]] Outcome remove_root();

 private:
  Result<std::optional<security::SigningKey>> read(const std::string& name) const;
  Outcome write(const std::string& name, const security::SigningKey& key, Random& random);
  Outcome remove(const std::string& name);

  const std::string home_;
  const security::Vault& vault_;
};

// Writes a file of 0600 through a temporary one and a rename, synced.
[[nodiscard]] Outcome write_private(const std::string& path, ByteView content);
[[nodiscard]] Result<Bytes> read_file(const std::string& path, std::size_t at_most);

}  // namespace entente::node
