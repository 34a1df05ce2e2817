// What the origin signs around a question, and what carries any signed body.
#pragma once

#include <string>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

struct Envelope {
  OrgId origin;
  OrgId audience;
  std::string audience_site;
  QueryId query_id;
  Instant issued;
  Instant deadline;
  AgreementId agreement;
  std::string purpose;
  SealKey seal_key;
  Bytes question;      // canonical
  Bytes receipt;       // the newest Signed LedgerReceipt of the audience; empty = none
  bool fresh = false;  // the asker wants noise of the question's own, and pays for it
  // The Signed Envelope that this one is sent on for, which may have one of its own: so every
  // envelope carries the whole way from the origin (federation/ask/path.h). Empty at the origin.
  Bytes via = {};
  bool to_origin = false;  // with `via`: whoever sent that may open the answer, nobody between
  bool operator==(const Envelope&) const = default;
};

struct Signed {
  Bytes body;  // as received
  Signature signature;
  bool operator==(const Signed&) const = default;
};

Bytes canonical_bytes(const Envelope& envelope);
// Refuses (invalid_argument) with the field that is wrong.
[[nodiscard]] Result<Envelope> envelope_from_bytes(ByteView canonical);
Hash256 envelope_hash(ByteView canonical);

Bytes to_wire_bytes(const Signed& body);
[[nodiscard]] Result<Signed> signed_from_bytes(ByteView bytes);

}  // namespace entente
