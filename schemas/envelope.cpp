#include "schemas/envelope.h"

#include "schemas/base/hash.h"
#include "schemas/canonical.h"
#include "schemas/receipt.h"
#include "schemas/rules.h"
#include "schemas/wire/question.capnp.h"

namespace entente {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::invalid_argument, "envelope"};

template <class Id>
bool read_id(capnp::Data::Reader in, Id& out) {
  auto id = Id::from_bytes(view_of(in));
  if (!id || id->is_zero()) return false;
  out = *id;
  return true;
}

bool longer_than_allowed(Instant issued, Instant deadline) {
  std::int64_t span = 0;
  if (__builtin_sub_overflow(deadline.ns, issued.ns, &span)) return true;
  return span > seconds(limits::kEnvelopeLifeSeconds).ns;
}

Result<Envelope> read(wire::Envelope::Reader in) {
  Envelope out;
  if (!read_id(in.getOrigin(), out.origin)) return kRefuse("origin", "is no organisation id");
  if (!read_id(in.getAudience(), out.audience)) {
    return kRefuse("audience", "is no organisation id");
  }
  out.audience_site = string_from(in.getAudienceSite());
  if (!is_local_id(out.audience_site)) return kRefuse("audienceSite", "is no local id");
  if (!read_id(in.getQueryId(), out.query_id)) return kRefuse("queryId", "is no query id");
  out.issued = {in.getIssuedNs()};
  out.deadline = {in.getDeadlineNs()};
  if (out.deadline <= out.issued) return kRefuse("deadline", "must come after issued");
  if (longer_than_allowed(out.issued, out.deadline)) {
    return kRefuse("deadline", "must be at most 120 s after issued");
  }
  if (!read_id(in.getAgreement(), out.agreement)) return kRefuse("agreement", "is no agreement id");
  out.purpose = string_from(in.getPurpose());
  if (!rules::is_clean_text(out.purpose, limits::kTextBytes)) {
    return kRefuse("purpose", "must be clean UTF-8 of at most 4096 bytes");
  }
  if (!read_id(in.getSealKey(), out.seal_key)) return kRefuse("sealKey", "is no X25519 key");
  out.question = bytes_from(in.getQuestion());
  if (out.question.empty()) return kRefuse("question", "is empty");
  out.receipt = bytes_from(in.getReceipt());
  if (out.receipt.size() > kReceiptBytes) return kRefuse("receipt", "is over 1 KiB");
  out.fresh = in.getFresh();
  out.via = bytes_from(in.getVia());
  out.to_origin = in.getToOrigin();
  if (out.to_origin && out.via.empty()) return kRefuse("toOrigin", "needs an envelope before it");
  return out;
}

}  // namespace

Bytes canonical_bytes(const Envelope& envelope) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Envelope>();
  out.setOrigin(data_of(envelope.origin.view()));
  out.setAudience(data_of(envelope.audience.view()));
  out.setAudienceSite(envelope.audience_site);
  out.setQueryId(data_of(envelope.query_id.view()));
  out.setIssuedNs(envelope.issued.ns);
  out.setDeadlineNs(envelope.deadline.ns);
  out.setAgreement(data_of(envelope.agreement.view()));
  out.setPurpose(envelope.purpose);
  out.setSealKey(data_of(envelope.seal_key.view()));
  out.setQuestion(data_of(envelope.question));
  if (!envelope.receipt.empty()) out.setReceipt(data_of(envelope.receipt));
  out.setFresh(envelope.fresh);
  if (!envelope.via.empty()) out.setVia(data_of(envelope.via));
  out.setToOrigin(envelope.to_origin);
  return canonicalize(out.asReader());
}

Result<Envelope> envelope_from_bytes(ByteView canonical) {
  if (canonical.size() > limits::kEnvelopeBytes) return kRefuse("size", "is over 256 KiB");
  return rules::only_encoding(
      with_canonical<wire::Envelope>(canonical, ErrorCode::invalid_argument, "envelope",
                                     [](auto in) -> Result<Envelope> { return read(in); }),
      canonical, kRefuse, [](const Envelope& value) { return canonical_bytes(value); });
}

Hash256 envelope_hash(ByteView canonical) {
  return hash("entente envelope v1", canonical);
}

Bytes to_wire_bytes(const Signed& body) {
  capnp::MallocMessageBuilder message;
  auto out = message.initRoot<wire::Signed>();
  out.setBody(data_of(body.body));
  out.setSignature(data_of(body.signature.view()));
  return canonicalize(out.asReader());
}

Result<Signed> signed_from_bytes(ByteView bytes) {
  constexpr rules::Refuse refuse{ErrorCode::invalid_argument, "signed body"};
  if (bytes.size() > limits::kSignedBytes) return refuse("size", "is over the limit");
  const auto read_signed = [&](wire::Signed::Reader in) -> Result<Signed> {
    Signed out;
    out.body = bytes_from(in.getBody());
    if (out.body.empty()) return refuse("body", "is empty");
    auto signature = Signature::from_bytes(view_of(in.getSignature()));
    if (!signature) return refuse("signature", "must be 64 bytes");
    out.signature = *signature;
    return out;
  };
  return rules::only_encoding(
      with_canonical<wire::Signed>(bytes, ErrorCode::invalid_argument, "signed body", read_signed),
      bytes, refuse, [](const Signed& value) { return to_wire_bytes(value); });
}

}  // namespace entente
