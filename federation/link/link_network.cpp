#include "federation/link/link_network.h"

namespace entente::federation {
namespace {

namespace twoparty = capnp::rpc::twoparty;

class Outgoing final : public capnp::OutgoingRpcMessage {
 public:
  Outgoing(MessageFirewall& firewall, unsigned first_segment_words)
      : firewall_(firewall),
        message_(first_segment_words == 0 ? capnp::SUGGESTED_FIRST_SEGMENT_WORDS
                                          : first_segment_words) {}
  capnp::AnyPointer::Builder getBody() override { return message_.getRoot<capnp::AnyPointer>(); }
  void send() override { firewall_.send(message_.getSegmentsForOutput()); }
  std::size_t sizeInWords() override { return message_.sizeInWords(); }

 private:
  MessageFirewall& firewall_;
  capnp::MallocMessageBuilder message_;
};

class Incoming final : public capnp::IncomingRpcMessage {
 public:
  explicit Incoming(kj::Own<FramedMessage> message) : message_(kj::mv(message)) {}
  capnp::AnyPointer::Reader getBody() override { return message_->getRoot<capnp::AnyPointer>(); }
  std::size_t sizeInWords() override { return message_->size_bytes() / sizeof(capnp::word); }

 private:
  kj::Own<FramedMessage> message_;
};

}  // namespace

LinkNetwork::LinkNetwork(MessageFirewall& firewall, Side side)
    : firewall_(firewall), side_(side), peer_(4) {
  peer_.initRoot<twoparty::VatId>().setSide(side == Side::caller ? twoparty::Side::SERVER
                                                                : twoparty::Side::CLIENT);
}

kj::Own<capnp::TwoPartyVatNetworkBase::Connection> LinkNetwork::as_connection() {
  return kj::Own<capnp::TwoPartyVatNetworkBase::Connection>(this, kj::NullDisposer::instance);
}

kj::Maybe<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> LinkNetwork::connect(
    twoparty::VatId::Reader peer) {
  const auto self = side_ == Side::caller ? twoparty::Side::CLIENT : twoparty::Side::SERVER;
  if (peer.getSide() == self) return nullptr;
  return as_connection();
}

kj::Promise<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> LinkNetwork::accept() {
  if (side_ == Side::caller || accepted_) return kj::NEVER_DONE;
  accepted_ = true;
  return as_connection();
}

twoparty::VatId::Reader LinkNetwork::getPeerVatId() {
  return peer_.getRoot<twoparty::VatId>().asReader();
}

kj::Own<capnp::OutgoingRpcMessage> LinkNetwork::newOutgoingMessage(unsigned first_segment_words) {
  return kj::heap<Outgoing>(firewall_, first_segment_words);
}

kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> LinkNetwork::receiveIncomingMessage() {
  using Received = kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>;
  if (auto ready = firewall_.take(); ready.get() != nullptr) {
    return Received(kj::Own<capnp::IncomingRpcMessage>(kj::heap<Incoming>(kj::mv(ready))));
  }
  return firewall_.tryReadMessage(nullptr, {}, nullptr)
      .then([](kj::Maybe<capnp::MessageReaderAndFds>&& message) -> Received {
        KJ_IF_MAYBE(m, message) {
          return kj::Own<capnp::IncomingRpcMessage>(
              kj::heap<Incoming>(m->reader.downcast<FramedMessage>()));
        }
        return nullptr;
      });
}

}  // namespace entente::federation
