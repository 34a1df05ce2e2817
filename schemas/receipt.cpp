#include "schemas/receipt.h"

#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/answer.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::invalid_argument, "receipt"};

Result<LedgerReceipt> read(wire::LedgerReceipt::Reader in) {
  LedgerReceipt out;
  auto organisation = OrgId::from_bytes(view_of(in.getOrganisation()));
  if (!organisation) return kRefuse("organisation", "is no organisation id");
  out.organisation = *organisation;
  out.site = string_from(in.getSite());
  if (!is_local_id(out.site)) return kRefuse("site", "is no local id");
  out.head.count = in.getSequence();
  if (out.head.count == 0 || out.head.count > INT64_MAX) {
    return kRefuse("sequence", "must be from 1 to 2^63 - 1");
  }
  auto link = Hash256::from_bytes(view_of(in.getHead()));
  if (!link) return kRefuse("head", "must be 32 bytes");
  out.head.link = *link;
  out.issued = {in.getIssuedNs()};
  return out;
}

}  // namespace

Bytes canonical_bytes(const LedgerReceipt& receipt) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::LedgerReceipt>();
  out.setOrganisation(data_of(receipt.organisation.view()));
  out.setSite(receipt.site);
  out.setSequence(receipt.head.count);
  out.setHead(data_of(receipt.head.link.view()));
  out.setIssuedNs(receipt.issued.ns);
  return canonicalize(out.asReader());
}

Result<LedgerReceipt> ledger_receipt_from_bytes(ByteView canonical) {
  if (canonical.size() > kReceiptBytes) return kRefuse("size", "is over 1 KiB");
  return rules::only_encoding(with_canonical<wire::LedgerReceipt>(
                                  canonical, ErrorCode::invalid_argument, "receipt",
                                  [](auto in) -> Result<LedgerReceipt> { return read(in); }),
                              canonical, kRefuse,
                              [](const LedgerReceipt& value) { return canonical_bytes(value); });
}

}  // namespace entente
