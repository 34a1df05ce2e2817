// Where an asker keeps the newest receipt of each site that answered it, to show it with the next
// question: a site restored from an older backup does not know it any more, and is found out.
#pragma once

#include <string>

#include "schemas/receipt.h"

namespace entente::federation {

class ReceiptBook {
 public:
  virtual ~ReceiptBook() = default;

  // Loop thread. The newest receipt kept of this site, as it came; empty = none.
  virtual Bytes newest(const OrgId& organisation, const std::string& site) const = 0;

  // Loop thread. Keeps a verified receipt unless a newer one is kept, durably in its own time: an
  // answer does not wait for it.
  virtual void keep(const LedgerReceipt& receipt, Bytes signed_bytes) = 0;
};

}  // namespace entente::federation
