#include "federation/link/charter_exchange.h"

#include <algorithm>

#include "federation/limits.h"

namespace entente::federation {
namespace {

capnp::Data::Reader data_of(const Bytes& bytes) {
  return {bytes.data(), bytes.size()};
}

Result<std::vector<SignedCharter>> read_charters(capnp::List<capnp::Data>::Reader in) {
  if (in.size() > limits::kCharterOffer) {
    return make_error(ErrorCode::charter_invalid, "too many charters at once");
  }
  std::vector<SignedCharter> out;
  for (const auto raw : in) {
    auto one = signed_charter_from_bytes(ByteView(raw.begin(), raw.size()));
    if (!one) return std::move(one).error();
    out.push_back(std::move(*one));
  }
  return out;
}

Result<CharterOffer> offer_of(std::uint32_t pinned, capnp::List<capnp::Data>::Reader charters) {
  auto read = read_charters(charters);
  if (!read) return std::move(read).error();
  return CharterOffer{pinned, std::move(*read)};
}

std::vector<Bytes> wire_of(const std::vector<SignedCharter>& charters) {
  std::vector<Bytes> out;
  for (const SignedCharter& one : charters) out.push_back(to_wire_bytes(one));
  return out;
}

Result<CharterOffer> read_outcome(wire::ChartersOutcome::Reader outcome) {
  if (outcome.isCharters()) return read_offer(outcome.getCharters());
  const ErrorCode code = code_from_number(outcome.getRefusal().getCode());
  return make_error(code, "the partner did not take the charters: " + std::string(code_name(code)));
}

}  // namespace

std::vector<SignedCharter> charters_to_show(const std::vector<SignedCharter>& chain,
                                            std::uint32_t pinned) {
  std::vector<SignedCharter> out;
  if (chain.empty()) return out;
  // Version v stands at v - 1. Who claims to have more than there is gets the one in force.
  const std::size_t from = pinned == 0 ? 0 : std::min<std::size_t>(pinned - 1, chain.size() - 1);
  std::size_t bytes = 0;
  for (std::size_t i = from; i < chain.size() && out.size() < limits::kCharterOffer; ++i) {
    bytes += to_wire_bytes(chain[i]).size();
    if (!out.empty() && bytes > limits::kCharterOfferBytes) break;
    out.push_back(chain[i]);
  }
  return out;
}

Result<CharterOffer> read_offer(wire::Session::ChartersParams::Reader in) {
  return offer_of(in.getPinned(), in.getMine());
}

Result<CharterOffer> read_offer(wire::Charters::Reader in) {
  return offer_of(in.getPinned(), in.getNewer());
}

void write_offer(const CharterOffer& offer, wire::Charters::Builder out) {
  const std::vector<Bytes> charters = wire_of(offer.mine);
  auto list = out.initNewer(static_cast<unsigned>(charters.size()));
  for (unsigned i = 0; i < charters.size(); ++i) list.set(i, data_of(charters[i]));
  out.setPinned(offer.pinned);
}

kj::Promise<Result<CharterOffer>> exchange_charters(wire::Session::Client session,
                                                    const CharterOffer& offer) {
  auto request = session.chartersRequest();
  request.setPinned(offer.pinned);
  const std::vector<Bytes> charters = wire_of(offer.mine);
  auto list = request.initMine(static_cast<unsigned>(charters.size()));
  for (unsigned i = 0; i < charters.size(); ++i) list.set(i, data_of(charters[i]));
  return request.send()
      .then([](auto&& response) { return read_outcome(response.getOutcome()); })
      .catch_([](kj::Exception&& fault) -> Result<CharterOffer> {
        const bool old = fault.getType() == kj::Exception::Type::UNIMPLEMENTED;
        return make_error(old ? ErrorCode::unsupported : ErrorCode::peer_unreachable,
                          fault.getDescription().cStr());
      });
}

}  // namespace entente::federation
