// The newest receipt of each site that answered this one, in the table `receipts` of entente.db.
//
// Newest is by the site's own clock at issue and not by the length of its log: after a
// reconciliation its log goes on from an older head. Threads: loop, but for load().
#pragma once

#include <map>
#include <string>
#include <utility>

#include "federation/ask/receipt_book.h"
#include "node/store/store.h"

namespace entente::node {

class ReceiptShelf final : public federation::ReceiptBook {
 public:
  explicit ReceiptShelf(Store& store) : store_(store) {}
  // Before the loop runs. Refuses: store_failed.
  [[nodiscard]] Outcome load();

  Bytes newest(const OrgId& organisation, const std::string& site) const override;
  void keep(const LedgerReceipt& receipt, Bytes signed_bytes) override;

 private:
  struct Kept {
    Instant issued;
    AuditHead head;
    Bytes signed_bytes;
  };
  Store& store_;
  std::map<std::pair<OrgId, std::string>, Kept> kept_;
};

}  // namespace entente::node
