// The last step of both gates: an answer with the site's receipt, signed and sealed to the asker.
#pragma once

#include "federation/ask/path.h"
#include "federation/ask/site.h"
#include "schemas/answer.h"
#include "schemas/receipt.h"
#include "security/identity/keys.h"

namespace entente::federation {

// Fills in whom and which envelope the answer is for, and the receipt of `head`, which is durable.
// Refuses: invalid_argument (the asker's key is none). Threads: any.
[[nodiscard]] Result<Bytes> seal_answer(Answer answer, const AnswerTo& to,
                                        const Hash256& envelope_hash, const AuditHead& head,
                                        const SiteSnapshot& site,
                                        const security::SigningKey& answer_key, Instant now);

}  // namespace entente::federation
