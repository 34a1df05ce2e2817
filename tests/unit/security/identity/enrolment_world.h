// Three organisations with a site each, an open invitation, and the conversation between two of
// them, message by message.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "security/identity/certificate.h"
#include "security/identity/enrolment.h"
#include "tests/unit/security/identity/organisations.h"

namespace entente::security::test {

// One organisation with a site that has a certificate.
struct Site {
  Site(Random& random, const std::string& name)
      : org(test::make_organisation(random, name)),
        ca(*make_ca_certificate(org.keys.ca, org.pinned.id(), {kNow - days(1), kNow + days(300)},
                                random)),
        leaf(*issue_leaf(org.keys.ca, ca,
                         {org.pinned.id(), name + "-site", {kNow - minutes(5), kNow + hours(24)}},
                         random)),
        name_(name) {}
  EnrolmentSelf self() const {
    return {org.pinned,
            name_ + "-site",
            leaf.chain_der,
            {name_ + ".example.org:7400"},
            &org.keys.agreement};
  }
  test::Organisation org;
  Bytes ca;
  LeafCredential leaf;
  std::string name_;
};

struct World {
  explicit World(std::uint64_t seed) : random(seed) {}
  SeededRandom random;
  Site washington{random, "washington"};  // invites
  Site oregon{random, "oregon"};          // accepts
  Site mallory{random, "mallory"};
  InvitationBook book;
  Invitation invitation = invite();

  Invitation invite() {
    return *book.invite({washington.org.pinned.id(), {"127.0.0.1:7400"}, {"127.0.0.1:7401"}, {}},
                        random, kNow);
  }
  AcceptingSide accepting() {
    return *AcceptingSide::create(invitation, oregon.self(), random, kNow);
  }
  InvitingSide inviting() { return *InvitingSide::create(book, washington.self(), random, kNow); }
  int wrong_proofs() const { return book.records().at(invitation.id).wrong_proofs; }
};

struct Ends {
  std::optional<Enrolled> accepting;
  std::optional<Enrolled> inviting;
  std::optional<Error> error;
};

// Moves messages between both sides; `between(index, message)` may replace the index-th (0 to 5).
using Between = std::function<Bytes(int, Bytes)>;
inline Ends converse(AcceptingSide& accepting, InvitingSide& inviting, const Between& between,
                     Instant now = kNow) {
  Ends ends;
  Bytes message = accepting.first_message();
  for (int index = 0; index < 6; ++index) {
    message = between(index, std::move(message));
    const bool to_inviter = index % 2 == 0;
    auto step = to_inviter ? inviting.receive(message, now) : accepting.receive(message, now);
    if (!step) {
      ends.error = step.error();
      return ends;
    }
    if (step->enrolled) (to_inviter ? ends.inviting : ends.accepting) = *step->enrolled;
    if (!step->send) break;
    message = *step->send;
  }
  return ends;
}
inline Bytes untouched(int, Bytes message) {
  return message;
}

}  // namespace entente::security::test
