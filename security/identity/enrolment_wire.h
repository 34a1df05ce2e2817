// The messages of enrolment as values (schemas/wire/enrol.capnp). Used by the state machine and its
// tests; conversions are total and refuse (enrolment_refused) what is malformed or out of rule.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "schemas/charter.h"
#include "security/identity/invitation.h"

namespace entente::security {

using EnrolNonce = FixedId<struct EnrolNonceTag, 24>;

struct EnrolMessage {
  InvitationId invitation;
  EnrolNonce nonce;
  Bytes sealed;
};

struct EnrolIdentity {
  std::vector<SignedCharter> charters;
  std::string site;
  std::vector<Bytes> certificates;
  std::vector<std::string> addresses;
};

struct EnrolCommitment {
  Hash256 value;
};
struct EnrolReveal {
  Hash256 nonce;
  Bytes identity;  // canonical, as received: what the commitment covers
};
struct EnrolProof {
  Hash256 proof;
  Signature signature;
};
struct EnrolAnswer {
  EnrolReveal reveal;
  EnrolProof proof;
};
struct EnrolConfirmation {
  Hash256 proof;
};
using EnrolBody =
    std::variant<EnrolCommitment, EnrolReveal, EnrolAnswer, EnrolProof, EnrolConfirmation>;

Bytes canonical_bytes(const EnrolMessage& message);
[[nodiscard]] Result<EnrolMessage> enrol_message_from_bytes(ByteView bytes);
Bytes canonical_bytes(const EnrolIdentity& identity);
[[nodiscard]] Result<EnrolIdentity> enrol_identity_from_bytes(ByteView bytes);
Bytes canonical_bytes(const EnrolBody& body);
[[nodiscard]] Result<EnrolBody> enrol_body_from_bytes(ByteView bytes);

}  // namespace entente::security
