#include "federation/ask/sealed_answer.h"

namespace entente::federation {

Result<Bytes> seal_answer(Answer answer, const AnswerTo& to, const Hash256& envelope_hash,
                          const AuditHead& head, const SiteSnapshot& site,
                          const security::SigningKey& answer_key, Instant now) {
  answer.envelope_hash = envelope_hash;
  answer.audience = to.audience;
  answer.audit_head = head.link;
  answer.issued = now;
  const LedgerReceipt receipt{site.self, site.site, head, now};
  answer.receipt = to_wire_bytes(
      security::sign_body(answer_key, security::contexts::kReceipt, canonical_bytes(receipt)));
  const Signed body =
      security::sign_body(answer_key, security::contexts::kAnswer, canonical_bytes(answer));
  return security::seal_to(to.key, to_wire_bytes(body));
}

}  // namespace entente::federation
