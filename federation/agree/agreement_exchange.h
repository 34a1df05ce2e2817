// What one side checks of the other's words before they count: signatures, terms, tests.
//
// Everything here is pure: the same site, bytes and time give the same outcome on both sides.
#pragma once

#include <string>

#include "federation/agree/agreement_machine.h"
#include "federation/ask/site.h"
#include "schemas/agreement_message.h"
#include "schemas/envelope.h"
#include "security/identity/keys.h"

namespace entente::federation {

inline constexpr std::string_view kAgreementMessageContext = "entente agreement message v1";

// One step of the partner, verified.
struct OpenedMessage {
  AgreementMessage message;
  Hash256 hash;
};
// Bytes of a Signed AgreementMessage; made anew for each delivery, so that a rotated key signs.
Bytes sealed_message(const security::SigningKey& agreement_key, const AgreementMessage& message);
// Signed by an agreement key that the charter pinned for `peer` names, from `peer`, to this
// organisation. Refuses: link_not_active, verification_failed, agreement_invalid.
[[nodiscard]] Result<OpenedMessage> open_message(const SiteSnapshot& site, const OrgId& peer,
                                                 ByteView signed_message);

// Terms with the bytes that were signed.
struct SignedTerms {
  AgreementId id;
  Agreement value;
  SignedAgreement wire;
};
// The form alone: of stored bytes, whose signatures were verified when they came.
[[nodiscard]] Result<SignedTerms> read_terms(ByteView signed_bytes);
// What the partner offers: between the two of us, signed by the partner as the side that it is, and
// dated no later than now. Refuses: agreement_invalid, verification_failed, link_not_active.
[[nodiscard]] Result<SignedTerms> read_offer(const SiteSnapshot& site, const OrgId& peer,
                                             ByteView signed_bytes, Instant now);
// Whether `signature` is the partner's over these terms.
[[nodiscard]] Outcome verify_partner(const SiteSnapshot& site, const OrgId& peer,
                                     const SignedAgreement& wire);

// When an offer that nobody has answered lapses.
Instant offer_ends(const Agreement& terms);

// Why terms cannot be signed here, if so.
struct Judgement {
  std::optional<Error> refusal;
  std::uint16_t test = 0;  // the first that does not hold, from 1; 0 = it is not that
};
// What either side checks before it signs, and again before what it offered becomes active: the
// terms are in time and such that this version keeps each of them; as the provider, its exports are
// still those described and it can keep its guarantees; every `must` question plans and passes the
// shape check, and every `must_not` does not. Public facts alone. Refuses with agreement_invalid.
[[nodiscard]] Judgement judge(const SiteSnapshot& site, const Agreement& terms, Instant now);
// Its last part.
[[nodiscard]] Judgement run_agreement_tests(const Agreement& terms, Instant now);
// "test 2, must_not \"SELECT …\"".
std::string test_name(const Agreement& terms, std::uint16_t test);

}  // namespace entente::federation
