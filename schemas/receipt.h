// What a site gives with each answer, and gets shown back with the next question: how far its audit
// log had come. A site whose log no longer holds such a head was restored from an older backup.
//
// The site signs the canonical bytes (security::contexts::kReceipt), so that nobody but itself can
// say that it was further; a partner keeps the newest as it came and shows it unchanged.
#pragma once

#include <string>

#include "schemas/base/ids.h"
#include "schemas/base/time.h"

namespace entente {

// A hash chain's state (security/audit/audit.h): how many records, and the last one's link.
struct AuditHead {
  std::uint64_t count = 0;
  Hash256 link;  // zero while empty
  bool operator==(const AuditHead&) const = default;
};

struct LedgerReceipt {
  OrgId organisation;
  std::string site;
  AuditHead head;
  Instant issued;  // by the site's clock; orders receipts, also across a restored backup
  bool operator==(const LedgerReceipt&) const = default;
};

// Of the signed form, as answers and envelopes carry it.
inline constexpr std::size_t kReceiptBytes = 1'024;

Bytes canonical_bytes(const LedgerReceipt& receipt);
// Refuses (invalid_argument) with the field that is wrong.
[[nodiscard]] Result<LedgerReceipt> ledger_receipt_from_bytes(ByteView canonical);

}  // namespace entente
