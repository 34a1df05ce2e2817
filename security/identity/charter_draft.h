// The next charter: what it changes, who has to sign it, and the file in which it travels to a
// machine that holds a root key.
//
// A rotation overlaps: the new key stands before the one in use, both are believed, and only once
// the partners have pinned that charter is the new one used. The charter after that drops the old
// one. So no call meets a key that its receiver does not know.
//
// The file is text, one item a line, and holds nothing secret:
//   entente-charter 1
//   charter BASE64URL     each charter of the chain, from the first to the one in force
//   draft BASE64URL       the one to come, with the signatures that it has so far
// Lines that begin with # are for people. The whole chain is there, so that who signs sees by its
// own means, and not by anybody's word, what the draft changes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "security/identity/charter.h"

namespace entente::security {

// "ca", "answer", "audit", "envelope", "agreement"; "other" for one of a newer version.
std::string_view to_text(KeyPurpose purpose);

struct CharterChange {
  std::vector<PurposeKey> add;  // each before those of its purpose
  std::vector<PublicKey> drop;  // named no more, still known as the keys of their time
  // Hashes of public keys: keys named with one of these are dropped too, and what they signed in
  // earlier charters' times verifies no more.
  std::vector<Hash256> revoke;
  std::optional<std::vector<PublicKey>> roots;
  std::optional<std::uint8_t> threshold;
  Instant issued;
  Instant expires;
};

// Of one purpose, in one charter: the one in use and its successor. Adding a third drops the
// oldest.
inline constexpr std::size_t kKeysOfPurpose = 2;

// The charter after `now`'s, unsigned. Refuses (charter_invalid): what breaks a rule of
// schemas/charter.h or of PinnedOrganisation::could_follow, such as a purpose left without a key;
// a key added that stands already, or revoked.
[[nodiscard]] Result<Charter> next_charter(const PinnedOrganisation& now,
                                           const CharterChange& change);

// What a draft still lacks.
struct MissingSignatures {
  std::size_t of_old = 0;             // of the roots in force
  std::size_t of_new = 0;             // of its own roots
  std::vector<PublicKey> could_sign;  // roots of either that have not
  bool complete() const { return of_old == 0 && of_new == 0; }
};
[[nodiscard]] Result<MissingSignatures> missing_signatures(const PinnedOrganisation& now,
                                                           const SignedCharter& draft);

// Refuses: charter_invalid (the draft does not follow `now`); denied (the key is a root of
// neither); conflict (it signed already).
[[nodiscard]] Outcome add_signature(const PinnedOrganisation& now, SignedCharter& draft,
                                    const SigningKey& root);

// What the draft changes, in sentences for whoever signs it; never empty.
std::vector<std::string> changes_of(const Charter& before, const Charter& after);

struct CharterFile {
  PinnedOrganisation organisation;
  SignedCharter draft;
};
std::string to_text(const CharterFile& file);
// Refuses (charter_invalid) with the line: another format, a chain that does not hold, a draft that
// does not follow it.
[[nodiscard]] Result<CharterFile> charter_file_from_text(std::string_view text);

// A root key on a medium of its own: "ENTR1." and the URL-safe base64 of seed and checksum. Whoever
// reads it can sign charters: keep it as the vault's key.
std::string root_key_to_text(const SigningKey& root);
// Refuses: charter_invalid (mistyped, cut off, no such key). Spaces and line ends around it are
// forgiven.
[[nodiscard]] Result<SigningKey> root_key_from_text(std::string_view text);

}  // namespace entente::security
