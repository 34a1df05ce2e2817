#include "node/store/receipt_shelf.h"

#include "schemas/base/log.h"
#include "schemas/envelope.h"

namespace entente::node {

Outcome ReceiptShelf::load() {
  auto reader = store_.reader();
  if (!reader) return std::move(reader).error();
  Statement rows = reader->prepare("SELECT receipt FROM receipts");
  while (rows.step()) {
    Bytes bytes = rows.blob(0);
    const auto outer = signed_from_bytes(bytes);
    if (!outer) return make_error(ErrorCode::store_failed, "a stored receipt does not read");
    const auto receipt = ledger_receipt_from_bytes(outer->body);
    if (!receipt) return make_error(ErrorCode::store_failed, "a stored receipt does not read");
    kept_[{receipt->organisation, receipt->site}] = {receipt->issued, receipt->head,
                                                     std::move(bytes)};
  }
  return {};
}

Bytes ReceiptShelf::newest(const OrgId& organisation, const std::string& site) const {
  const auto found = kept_.find({organisation, site});
  return found == kept_.end() ? Bytes() : found->second.signed_bytes;
}

void ReceiptShelf::keep(const LedgerReceipt& receipt, Bytes signed_bytes) {
  const auto key = std::pair(receipt.organisation, receipt.site);
  const auto found = kept_.find(key);
  if (found != kept_.end() && receipt.issued < found->second.issued) return;
  if (found != kept_.end() && receipt.head.count < found->second.head.count) {
    log::warn("ask", "a partner's audit log went back: it was restored from a backup",
              {{"partner", receipt.organisation.short_hex()}, {"site", receipt.site}});
  }
  kept_[key] = {receipt.issued, receipt.head, signed_bytes};
  store_.post<int>(
      [receipt, bytes = std::move(signed_bytes)](Database& database) -> Result<int> {
        Statement& row = database.cached(
            "INSERT INTO receipts (organisation, site, issued, receipt) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (organisation, site) DO UPDATE SET issued = excluded.issued, "
            "receipt = excluded.receipt WHERE excluded.issued >= issued");
        row.bind(1, receipt.organisation.view()).bind(2, std::string_view(receipt.site));
        row.bind(3, receipt.issued.ns).bind(4, ByteView(bytes)).run();
        return 0;
      },
      [](Result<int> kept) {
        if (!kept) log::error("ask", "a receipt was not kept", {{"reason", kept.error().what}});
      });
}

}  // namespace entente::node
