// How two organisations come to an agreement: the provider proposes a signed text, the consumer
// signs it too and settles, either may terminate. Here are the rules and the desk that the partner
// calls; the node keeps the states (AgreementBook).
//
//   provider:  proposed (their turn) -> active -> terminated | expired
//   consumer:  proposed (our turn) -> agreed (delivering) -> active -> terminated | expired
//
// A message that does not fit the state is refused and changes nothing; repeating one that has been
// accepted is accepted again, so that a lost reply can be asked for anew.
#pragma once

#include <functional>
#include <string>

#include "federation/ask/site.h"
#include "schemas/agreement.h"
#include "security/identity/keys.h"

namespace entente::federation {

enum class AgreementState { proposed, agreed, active, terminated, expired };
std::string_view to_text(AgreementState state);
std::optional<AgreementState> agreement_state_from_text(std::string_view text);

// A verified agreement with the bytes that were signed.
struct VerifiedAgreement {
  AgreementId id;
  Agreement value;
  SignedAgreement wire;
  bool settled = false;  // both have signed
};

// Checks what a partner sent: it is between the two of us, the signatures present are valid by the
// pinned charters, and it has not expired. `self_key` is our own agreement key.
// Refuses: agreement_invalid, verification_failed.
[[nodiscard]] Result<VerifiedAgreement> verify_agreement(const SiteSnapshot& site,
                                                         const PublicKey& self_key,
                                                         const OrgId& peer, ByteView signed_bytes,
                                                         Instant now);

// Runs the agreement's own tests against its terms: every `must` question plans and passes the
// shape check, every `must_not` does not. Public facts alone. Refuses: agreement_invalid, naming
// the first test that does not hold.
[[nodiscard]] Outcome run_agreement_tests(const Agreement& agreement, Instant now);

// Where a desk's messages go. Loop thread; each answers once, on the loop, with the state reached.
class AgreementBook {
 public:
  using Done = std::function<void(Result<AgreementState>)>;
  virtual ~AgreementBook() = default;
  virtual void on_propose(const OrgId& peer, Bytes signed_bytes, Done done) = 0;
  virtual void on_settle(const OrgId& peer, Bytes signed_bytes, Done done) = 0;
  virtual void on_terminate(const OrgId& peer, AgreementId id, std::string reason, Done done) = 0;
};

}  // namespace entente::federation
