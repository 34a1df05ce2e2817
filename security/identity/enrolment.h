// Enrolment: how two organisations that share an invitation come to pin each other.
//
// A pure state machine for each side, bytes in and bytes out; whoever owns the sockets moves them
// (and holds the limits of connections and time). The invitation's id goes in clear; the rest is
// sealed (XChaCha20-Poly1305) under a subkey of the token's secret for each direction, its place in
// the conversation authenticated. a = accepting side, i = inviting side:
//
//   1  a -> i   H(a's nonce, a's identity)          both commit before either reveals, so neither,
//   2  i -> a   H(i's nonce, i's identity)          nor anybody between, can steer the words
//   3  a -> i   nonce, identity                     identity: charters from the first, site,
//   4  i -> a   nonce, identity, proof              leaf with CA, federation addresses
//   5  a -> i   proof                               uses the invitation up
//   6  i -> a   confirmation
//
// A proof is BLAKE2b keyed from the secret over the transcript (id, both commitments, nonces and
// identities) with a signature over it by the agreement key of the sender's charter: the first
// proves the token, the second that it is the organisation itself. The accepting side besides
// compares the inviter's first charter with the id in the token. Both ends then show eight words of
// the transcript; people compare them by another channel and confirm. An enrolled partner has no
// rights yet.
//
// Any error ends the run; the machine then refuses everything. The peer is told nothing: close.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "security/identity/charter.h"
#include "security/identity/invitation.h"
#include "security/identity/words.h"

namespace entente::security {

// What this side says of itself. `agreement_key` must outlive the machine and be the charter's.
struct EnrolmentSelf {
  PinnedOrganisation organisation;
  std::string site;
  std::vector<Bytes> certificates;     // the leaf in force and its CA, DER
  std::vector<std::string> addresses;  // host:port; empty: this site dials out only
  const SigningKey* agreement_key = nullptr;
};

struct Enrolled {
  InvitationId invitation;
  PinnedOrganisation partner;
  std::string site;
  std::vector<std::string> addresses;
  EightWords words;
  Hash256 transcript;
  const std::string& name() const { return partner.current().name; }
};

struct EnrolmentStep {
  std::optional<Bytes> send;
  std::optional<Enrolled> enrolled;  // this side is done, after sending
};

class EnrolmentRun;

// Threads: one at a time.
class AcceptingSide {
 public:
  // Refuses: token_invalid (expired); invalid_argument (what this side says of itself is unsound).
  [[nodiscard]] static Result<AcceptingSide> create(const Invitation& invitation,
                                                    EnrolmentSelf self, Random& random,
                                                    Instant now);
  AcceptingSide(AcceptingSide&&) noexcept;
  AcceptingSide& operator=(AcceptingSide&&) noexcept;
  ~AcceptingSide();

  Bytes first_message();
  // Refuses (enrolment_refused; charter_invalid, certificate_refused with the detail).
  [[nodiscard]] Result<EnrolmentStep> receive(ByteView message, Instant now);

 private:
  explicit AcceptingSide(std::unique_ptr<EnrolmentRun> run);
  std::unique_ptr<EnrolmentRun> run_;
};

// One for each connection; they share the book. Threads: as the book.
class InvitingSide {
 public:
  // `book` must outlive it. Refuses: invalid_argument (what this side says of itself is unsound).
  [[nodiscard]] static Result<InvitingSide> create(InvitationBook& book, EnrolmentSelf self,
                                                   Random& random, Instant now);
  InvitingSide(InvitingSide&&) noexcept;
  InvitingSide& operator=(InvitingSide&&) noexcept;
  ~InvitingSide();

  // Refuses as above. What shows that the sender lacks the token, or cheats, counts as a wrong
  // proof in the book. When `enrolled` is set the invitation is used up in the book: store book and
  // partner before sending.
  [[nodiscard]] Result<EnrolmentStep> receive(ByteView message, Instant now);

 private:
  InvitingSide(InvitationBook& book, std::unique_ptr<EnrolmentRun> run);
  Result<EnrolmentStep> step(ByteView message, Instant now);
  InvitationBook* book_;
  std::unique_ptr<EnrolmentRun> run_;
};

}  // namespace entente::security
