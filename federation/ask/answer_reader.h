// What a member replied: opened, verified against what was asked, and taken apart into the releases
// that figures are made of.
//
// A member that is an export of one site gives one release. One that is a system twin of another
// organisation gives what its sites answered, each verified as if it had been asked directly where
// this site knows the organisation and the answer is sealed to it; or one merged release of the
// organisation's own. Whatever does not fit is refused (verification_failed) and named in the
// coverage. Threads: loop.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "federation/ask/answer_book.h"
#include "federation/ask/member_call.h"
#include "federation/query/estimate.h"
#include "schemas/answer.h"
#include "schemas/composite_answer.h"
#include "schemas/receipt.h"

namespace entente::federation {

// One release of an answer, with the question that it answers.
struct AnsweredPart {
  MemberPlan plan;
  Price price;
  Release release;
  MemberRelease view() const { return {&plan, &price, &release}; }
};

struct MemberOutcome {
  std::vector<MemberCoverage> coverage;  // the member's; of a composite's, one a site
  std::vector<std::shared_ptr<const AnsweredPart>> parts;
  std::size_t answered() const;
};

struct OpenedAnswer {
  Answer answer;
  Bytes signed_bytes;  // as they were sealed: what proves it to others
};
// Opens, verifies and checks an answer against what was asked. Whatever does not fit is refused
// (verification_failed).
[[nodiscard]] Result<OpenedAnswer> open_answer(const security::SealPair& seal,
                                               const AskTarget& target,
                                               const Hash256& envelope_hash, const OrgId& self,
                                               ByteView sealed);
// Whose release an answer must carry.
struct ReleasingSite {
  OrgId organisation;
  std::string site;
};
// The release in an answer, when it fits what was asked; else verification_failed. `question_bytes`
// are the question's canonical ones, `price` what it costs by the site's description.
[[nodiscard]] Result<Release> open_release(const Answer& answer, const ReleasingSite& of,
                                           const Question& question, ByteView question_bytes,
                                           const Price& price);
// The receipt that came with an answer; refused when it is not of this site and this answer. None
// from software that gives none.
[[nodiscard]] Result<std::optional<LedgerReceipt>> open_receipt(const Answer& answer,
                                                                const AskTarget& target);
// Whether a body was signed with the partner's answer key: while it is rotated, one of two.
[[nodiscard]] bool signed_by(const KnownPartner& partner, std::string_view context,
                             const Signed& body);

class AnswerReader {
 public:
  struct Parts {
    SnapshotSource site;
    ReceiptBook& receipts;
    AnswerBook* answers = nullptr;  // told of every answer, if any
  };
  explicit AnswerReader(Parts parts) : parts_(std::move(parts)) {}

  // Of a call that is over. A member that did not answer has its coverage and no part.
  MemberOutcome read(const MemberCall& member) const;

 private:
  MemberOutcome read_site(const MemberCall& member) const;

  Parts parts_;
};

}  // namespace entente::federation
