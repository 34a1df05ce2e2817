#include "security/identity/enrolment_wire.h"

#include "schemas/canonical.h"
#include "schemas/rules.h"
#include "schemas/wire/enrol.capnp.h"
#include "security/identity/limits.h"

namespace entente::security {
namespace {

constexpr rules::Refuse kRefuse{ErrorCode::enrolment_refused, "enrolment"};

template <class Id>
bool read_id(capnp::Data::Reader in, Id& out) {
  auto id = Id::from_bytes(view_of(in));
  if (id) out = *id;
  return id.has_value();
}

Result<EnrolIdentity> read_identity(wire::EnrolIdentity::Reader in) {
  EnrolIdentity out;
  const auto charters = in.getCharters();
  if (charters.size() == 0 || charters.size() > limits::kCharterChain) {
    return kRefuse("charters", "must hold 1 to 256 charters");
  }
  for (const auto raw : charters) {
    auto charter = signed_charter_from_bytes(view_of(raw));
    if (!charter) return std::move(charter).error();
    out.charters.push_back(*std::move(charter));
  }
  out.site = string_from(in.getSite());
  if (!is_local_id(out.site)) return kRefuse("site", "is no local id");
  const auto certificates = in.getCertificates();
  if (certificates.size() != 2) return kRefuse("certificates", "must be leaf and CA");
  for (const auto raw : certificates) out.certificates.push_back(bytes_from(raw));
  const auto addresses = in.getAddresses();
  if (addresses.size() > limits::kInvitationAddresses) {
    return kRefuse("addresses", "holds more than 4 addresses");
  }
  for (const auto raw : addresses) {
    out.addresses.push_back(string_from(raw));
    if (!is_address(out.addresses.back())) return kRefuse("addresses", "must be host:port");
  }
  return out;
}

Result<EnrolReveal> read_reveal(wire::EnrolReveal::Reader in) {
  EnrolReveal out;
  if (!read_id(in.getNonce(), out.nonce)) return kRefuse("nonce", "must be 32 bytes");
  out.identity = bytes_from(in.getIdentity());
  return out;
}

Result<EnrolProof> read_proof(wire::EnrolProof::Reader in) {
  EnrolProof out;
  if (!read_id(in.getProof(), out.proof)) return kRefuse("proof", "must be 32 bytes");
  if (!read_id(in.getSignature(), out.signature)) return kRefuse("signature", "must be 64 bytes");
  return out;
}

Result<EnrolBody> read_body(wire::EnrolBody::Reader in) {
  switch (in.which()) {
    case wire::EnrolBody::COMMITMENT: {
      EnrolCommitment out;
      if (!read_id(in.getCommitment(), out.value)) return kRefuse("commitment", "must be 32 bytes");
      return EnrolBody(out);
    }
    case wire::EnrolBody::REVEAL: {
      auto reveal = read_reveal(in.getReveal());
      if (!reveal) return std::move(reveal).error();
      return EnrolBody(*std::move(reveal));
    }
    case wire::EnrolBody::ANSWER: {
      auto reveal = read_reveal(in.getAnswer().getReveal());
      if (!reveal) return std::move(reveal).error();
      auto proof = read_proof(in.getAnswer().getProof());
      if (!proof) return std::move(proof).error();
      return EnrolBody(EnrolAnswer{*std::move(reveal), *std::move(proof)});
    }
    case wire::EnrolBody::PROOF: {
      auto proof = read_proof(in.getProof());
      if (!proof) return std::move(proof).error();
      return EnrolBody(*std::move(proof));
    }
    case wire::EnrolBody::CONFIRMATION: {
      EnrolConfirmation out;
      if (!read_id(in.getConfirmation(), out.proof)) {
        return kRefuse("confirmation", "must be 32 bytes");
      }
      return EnrolBody(out);
    }
    default: return kRefuse("body", "is of a kind that this version does not know");
  }
}

void write_reveal(const EnrolReveal& reveal, wire::EnrolReveal::Builder out) {
  out.setNonce(data_of(reveal.nonce.view()));
  out.setIdentity(data_of(reveal.identity));
}

void write_proof(const EnrolProof& proof, wire::EnrolProof::Builder out) {
  out.setProof(data_of(proof.proof.view()));
  out.setSignature(data_of(proof.signature.view()));
}

struct WriteBody {
  wire::EnrolBody::Builder out;
  void operator()(const EnrolCommitment& body) { out.setCommitment(data_of(body.value.view())); }
  void operator()(const EnrolReveal& body) { write_reveal(body, out.initReveal()); }
  void operator()(const EnrolAnswer& body) {
    auto answer = out.initAnswer();
    write_reveal(body.reveal, answer.initReveal());
    write_proof(body.proof, answer.initProof());
  }
  void operator()(const EnrolProof& body) { write_proof(body, out.initProof()); }
  void operator()(const EnrolConfirmation& body) {
    out.setConfirmation(data_of(body.proof.view()));
  }
};

}  // namespace

Bytes canonical_bytes(const EnrolMessage& message) {
  capnp::MallocMessageBuilder builder;
  auto out = builder.initRoot<wire::EnrolMessage>();
  out.setInvitation(data_of(message.invitation.view()));
  out.setNonce(data_of(message.nonce.view()));
  out.setSealed(data_of(message.sealed));
  return canonicalize(out.asReader());
}

Result<EnrolMessage> enrol_message_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kEnrolmentMessage) return kRefuse("size", "is over 64 KiB");
  return with_canonical<wire::EnrolMessage>(
      bytes, ErrorCode::enrolment_refused, "enrolment message",
      [](auto in) -> Result<EnrolMessage> {
        EnrolMessage out;
        if (!read_id(in.getInvitation(), out.invitation)) {
          return kRefuse("invitation", "must be 16 bytes");
        }
        if (!read_id(in.getNonce(), out.nonce)) return kRefuse("nonce", "must be 24 bytes");
        out.sealed = bytes_from(in.getSealed());
        return out;
      });
}

Bytes canonical_bytes(const EnrolIdentity& identity) {
  capnp::MallocMessageBuilder builder;
  auto out = builder.initRoot<wire::EnrolIdentity>();
  auto charters = out.initCharters(static_cast<unsigned>(identity.charters.size()));
  for (unsigned i = 0; i < charters.size(); ++i) {
    charters.set(i, data_of(to_wire_bytes(identity.charters[i])));
  }
  out.setSite(identity.site);
  auto certificates = out.initCertificates(static_cast<unsigned>(identity.certificates.size()));
  for (unsigned i = 0; i < certificates.size(); ++i) {
    certificates.set(i, data_of(identity.certificates[i]));
  }
  auto addresses = out.initAddresses(static_cast<unsigned>(identity.addresses.size()));
  for (unsigned i = 0; i < addresses.size(); ++i) addresses.set(i, identity.addresses[i]);
  return canonicalize(out.asReader());
}

Result<EnrolIdentity> enrol_identity_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kEnrolmentMessage) return kRefuse("size", "is over 64 KiB");
  return with_canonical<wire::EnrolIdentity>(
      bytes, ErrorCode::enrolment_refused, "identity",
      [](auto in) -> Result<EnrolIdentity> { return read_identity(in); });
}

Bytes canonical_bytes(const EnrolBody& body) {
  capnp::MallocMessageBuilder builder;
  auto out = builder.initRoot<wire::EnrolBody>();
  std::visit(WriteBody{out}, body);
  return canonicalize(out.asReader());
}

Result<EnrolBody> enrol_body_from_bytes(ByteView bytes) {
  if (bytes.size() > limits::kEnrolmentMessage) return kRefuse("size", "is over 64 KiB");
  return with_canonical<wire::EnrolBody>(
      bytes, ErrorCode::enrolment_refused, "enrolment body",
      [](auto in) -> Result<EnrolBody> { return read_body(in); });
}

}  // namespace entente::security
