// Foreign bytes as a feed's terms, orders, standings, and as receipts: read, they have one form.
#include "schemas/feed.h"
#include "schemas/receipt.h"

using namespace entente;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(data, size);
  const auto same = [&](const Bytes& again) { ENTENTE_CHECK(again == to_bytes(bytes)); };
  if (const auto terms = feed_terms_from_bytes(bytes)) same(canonical_bytes(*terms));
  if (const auto order = feed_order_from_bytes(bytes)) same(canonical_bytes(*order));
  if (const auto standing = feed_standing_from_bytes(bytes)) same(canonical_bytes(*standing));
  if (const auto receipt = ledger_receipt_from_bytes(bytes)) same(canonical_bytes(*receipt));
  return 0;
}
