#include "federation/witness/witness_call.h"

#include "federation/link/link_manager.h"

namespace entente::federation {
namespace {

Result<WitnessReply> read_reply(wire::WitnessOutcome::Reader outcome) {
  if (outcome.isRefusal()) {
    const ErrorCode code = code_from_number(outcome.getRefusal().getCode());
    return make_error(code,
                      "the partner did not witness the audit log: " + std::string(code_name(code)));
  }
  const auto text = outcome.isCosigned() ? outcome.getCosigned() : outcome.getSeen();
  if (text.size() > security::kNoteBytes) {
    return make_error(ErrorCode::verification_failed, "the partner's note is over 16 KiB");
  }
  std::string note(text.begin(), text.size());
  return outcome.isCosigned() ? WitnessReply{std::move(note), ""}
                              : WitnessReply{"", std::move(note)};
}

}  // namespace

kj::Promise<Result<WitnessReply>> show_checkpoint(LinkManager& links, OrgId partner,
                                                  security::WitnessOffer offer) {
  return links.session(partner)
      .then([offer = std::move(offer)](wire::Session::Client session) {
        auto request = session.witnessRequest();
        request.setNote(offer.note.c_str());
        request.setOldSize(offer.old_size);
        auto proof = request.initProof(static_cast<unsigned>(offer.proof.size()));
        for (unsigned i = 0; i < proof.size(); ++i) {
          const auto& bytes = offer.proof[i].bytes;
          proof.set(i, capnp::Data::Reader(bytes.data(), bytes.size()));
        }
        return request.send();
      })
      .then([](auto&& response) { return read_reply(response.getOutcome()); })
      .catch_([](kj::Exception&& fault) -> Result<WitnessReply> {
        const bool old = fault.getType() == kj::Exception::Type::UNIMPLEMENTED;
        return make_error(old ? ErrorCode::unsupported : ErrorCode::peer_unreachable,
                          fault.getDescription().cStr());
      });
}

}  // namespace entente::federation
