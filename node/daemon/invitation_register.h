// The invitations that this site has open: durable, audited, withdrawn by name.
//
// Each has a name for the link to come and the enrolment port it was made for, so that after a
// restart its token still leads somewhere. Its secret is sealed by the vault. An invitation is gone
// from the table once it is used, cancelled, burnt by wrong proofs, or over; the audit log says
// which. Threads: loop.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "node/store/store.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/invitation.h"
#include "security/vault/vault.h"

namespace entente::node {

struct OpenInvitation {
  security::InvitationId id;
  std::string name;  // of the link to come
  Instant created;
  Instant expires;
  int wrong_proofs = 0;    // limits::kWrongProofs of them burn it
  std::uint16_t port = 0;  // of enrolment
  std::string made_by;     // "user:ann"
};

class InvitationRegister {
 public:
  struct Parts {
    Store& store;
    const Clock& clock;
    Random& random;
    const security::Vault& vault;
    security::InvitationBook& book;  // what the enrolment port believes
  };
  using Done = std::function<void(Outcome)>;

  explicit InvitationRegister(Parts parts) : parts_(parts) {}
  // Gives the open ones back to the book. Refuses: store_failed, verification_failed (the vault is
  // another one).
  [[nodiscard]] Outcome load();

  // Durable before its token is told to anybody. `invitation` is in the book already and is taken
  // out of it again when it cannot be kept.
  void add(const security::Invitation& invitation, OpenInvitation open, Done done);
  // Withdraws all open ones of this name. Refuses: not_found.
  void cancel(const std::string& actor, const std::string& name, Done done);
  // Somebody enrolled with it: durable before the partner is.
  void use(const security::InvitationId& id, Done done);
  // Writes down what changed in the book since: wrong proofs, and what is over.
  void tend();

  const std::map<security::InvitationId, OpenInvitation>& open() const { return open_; }
  // The name the link is to have; empty when the invitation is unknown.
  std::string name_of(const security::InvitationId& id) const;
  bool name_taken(const std::string& name) const;

 private:
  void drop(const OpenInvitation& invitation, const std::string& actor, const char* action,
            Done done);

  Parts parts_;
  std::map<security::InvitationId, OpenInvitation> open_;
};

}  // namespace entente::node
