// What the two sides of an agreement tell each other: one step each, signed, numbered.
//
// A message names the negotiation (`thread`, the id of its first proposal), the offer that the step
// is about, who speaks to whom, and a number that is higher than that of every earlier step of the
// same side in the thread; so one that comes twice, late, or to somebody else is known as such.
#pragma once

#include "schemas/agreement.h"
#include "schemas/base/limits.h"

namespace entente {

enum class AgreementStep {
  propose,    // the first offer
  counter,    // another offer in answer to the one on the table
  settle,     // the offer on the table is signed by both
  report,     // why this side's node cannot sign it
  withdraw,   // the offer is taken back
  suspend,    // nothing is asked or answered until it is resumed
  resume,     // by the side that suspended it
  terminate,  // it ends; before it is signed: it is declined
};
inline constexpr std::size_t kAgreementSteps = 8;
std::string_view to_text(AgreementStep step);
std::optional<AgreementStep> agreement_step_from_text(std::string_view text);

struct AgreementMessage {
  OrgId sender;
  OrgId receiver;
  AgreementId thread;
  AgreementId terms;
  AgreementStep step = AgreementStep::propose;
  std::uint64_t number = 0;
  Bytes agreement = {};                // SignedAgreement on the wire; may be empty
  std::optional<ErrorCode> code = {};  // of a report
  std::uint16_t test = 0;              // of a report: from 1; 0 = none of them
  std::string reason = {};
  bool operator==(const AgreementMessage&) const = default;
};

// The signed agreement inside, and room for what stands around it.
inline constexpr std::size_t kAgreementMessageBytes = limits::kAgreementBytes + 8'192;

Bytes canonical_bytes(const AgreementMessage& message);
// Refuses (agreement_invalid) with the field that is wrong.
[[nodiscard]] Result<AgreementMessage> agreement_message_from_bytes(ByteView canonical);
// By which a message is known again.
Hash256 agreement_message_hash(ByteView canonical);

}  // namespace entente
