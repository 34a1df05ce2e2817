// Invitations: the one-time token that two administrators pass to each other, and the book of those
// that are open.
//
// The token is "ENTL1." and the URL-safe base64 of the canonical wire::Invitation followed by 8
// bytes of BLAKE2b over it, which tell a typing error from a foreign token. It names the inviter by
// the hash of its first charter, so the accepting side trusts nothing that it meets on the way.
// Whoever holds the token may enrol once; pass it like a password.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"
#include "security/identity/secret.h"

namespace entente::security {

using InvitationId = FixedId<struct InvitationTag, 16>;
inline constexpr std::size_t kInvitationSecret = 16;

struct Invitation {
  OrgId organisation;
  std::vector<std::string> addresses;  // host:port, federation
  std::vector<std::string> enrolment;  // host:port
  InvitationId id;
  Secret secret{kInvitationSecret};
  Instant expires;
};

// host:port with a name, an IPv4 address or an IPv6 address in brackets; port 1 to 65535.
bool is_address(std::string_view text);

std::string to_token(const Invitation& invitation);
// Refuses (token_invalid), saying which: another prefix, cut off, mistyped, malformed, expired.
// Spaces and line ends at both ends are forgiven, as pasting adds them.
[[nodiscard]] Result<Invitation> parse_token(std::string_view text, Instant now);

enum class InvitationState { open, used, burnt, expired, unknown };

// One invitation as the inviter keeps it; the node stores it, the secret sealed by its vault.
struct InvitationRecord {
  InvitationId id;
  Secret secret{kInvitationSecret};
  Instant expires;
  int wrong_proofs = 0;
  bool used = false;
};

// The inviter's open invitations. An invitation is good once, until it expires, and until the fifth
// wrong proof. Nothing here is durable: store the record after each change before replying.
// Threads: one at a time.
class InvitationBook {
 public:
  struct Terms {
    OrgId organisation;
    std::vector<std::string> addresses;
    std::vector<std::string> enrolment;
    Duration life;  // zero: limits::kInvitationLife
  };
  // Refuses: invalid_argument (an address, none to enrol at, a life over the limit), overloaded
  // (too many are open).
  [[nodiscard]] Result<Invitation> invite(const Terms& terms, Random& random, Instant now);
  // From the store, at start.
  void restore(InvitationRecord record);

  InvitationState state(const InvitationId& id, Instant now) const;
  // The secret while the invitation is open; null otherwise. The pointer lives until the next call.
  const Secret* secret_of(const InvitationId& id, Instant now) const;
  // Counts one wrong proof; the state after it.
  InvitationState count_wrong_proof(const InvitationId& id, Instant now);
  // Uses it up. Refuses (enrolment_refused) when it is not open: of two that prove it at the same
  // time the first has it.
  [[nodiscard]] Outcome use(const InvitationId& id, Instant now);
  // Takes it back before it is used; false when there is none of that id.
  bool withdraw(const InvitationId& id);
  // The enrolment port listens only while this is true.
  bool any_open(Instant now) const;
  const std::map<InvitationId, InvitationRecord>& records() const { return records_; }

 private:
  std::map<InvitationId, InvitationRecord> records_;
};

}  // namespace entente::security
