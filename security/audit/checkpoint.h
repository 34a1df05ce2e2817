// Checkpoints: what a site says of its audit log at one moment, signed by its audit key, so that
// nobody can later show another log without contradicting it; and witnesses' cosignatures, by which
// partners say that they saw it and that it went on from what they saw before.
//
// A checkpoint is a text that any tool of the C2SP family reads (c2sp.org/tlog-checkpoint over
// c2sp.org/signed-note):
//   entente/ORGANISATION/SITE        the log; also the name of the key that signs
//   SIZE                             records, decimal
//   ROOT                             of the Merkle tree (merkle_tree.h), base64
//   (an empty line)
//   — NAME BASE64(key id, signature)     Ed25519 over the text before the empty line
// A witness adds such a line with its own name and the key type of c2sp.org/tlog-cosignature: what
// it signs begins with "cosignature/v1" and the time, so that it never says more than it means.
//
// These are the only signatures without one of our contexts (keys.h), since the form is given; no
// text of theirs can begin like a signature with a context.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/base/time.h"
#include "security/audit/merkle_tree.h"
#include "security/identity/keys.h"

namespace entente::security {

inline constexpr std::size_t kNoteBytes = 16'384;
inline constexpr std::size_t kNoteSignatures = 64;

// Whose log, or whose witness: "entente/ORGANISATION/SITE".
struct LogName {
  OrgId organisation;
  std::string site;
  std::string text() const;
  auto operator<=>(const LogName&) const = default;
};

struct Checkpoint {
  LogName log;
  TreeHead tree;
  bool operator==(const Checkpoint&) const = default;
};

// The note with the log's own signature.
std::string sign_checkpoint(const Checkpoint& checkpoint, const SigningKey& audit_key);

// What a note says, whoever signed it. Refuses (verification_failed), naming the line: another form
// than the one above, too long, a size with leading zeros, lines that this version does not know.
[[nodiscard]] Result<Checkpoint> read_checkpoint(std::string_view note);

// The same once the log's own signature holds. Refuses (verification_failed) besides: no valid
// signature under the log's name by any of `audit_keys` (the organisation's, of all its charters).
[[nodiscard]] Result<Checkpoint> verify_checkpoint(std::string_view note,
                                                   const std::vector<PublicKey>& audit_keys);

// A witness's line for this note, with its newline. Time counts in whole seconds.
std::string cosign(std::string_view note, const LogName& witness, const SigningKey& audit_key,
                   Instant now);
// The note with the line appended; what is there already is kept once.
std::string with_cosignature(std::string_view note, std::string_view line);
// When the witness of that name said so. Refuses (verification_failed): no line of that name with
// a valid signature by one of its keys.
[[nodiscard]] Result<Instant> verify_cosignature(std::string_view note, const LogName& witness,
                                                 const std::vector<PublicKey>& audit_keys);
// The witnesses' names in a note, unverified, the log's own left out.
std::vector<LogName> cosigners(std::string_view note);

// The key id of the log's own signatures, eight hexadecimal digits, as other tools print it.
std::string note_key_id(std::string_view name, const PublicKey& key);

// Whether two checkpoints of one log contradict each other as they are: one size, two roots. With
// both signatures valid this proves, to anybody, that the log's owner shows two histories.
bool contradict(const Checkpoint& one, const Checkpoint& other);

}  // namespace entente::security
