// The two-party network under the RPC system, without a queue of promises of its own.
//
// Cap'n Proto's TwoPartyVatNetwork chains each outgoing message behind the promise of the last one
// and reads through three more; here sending is copying into the firewall's buffer, and reading is
// the firewall's own promise. Same messages, fewer turns of the loop (tests/bench/run rpc).
#pragma once

#include <capnp/rpc-twoparty.h>

#include "federation/link/message_firewall.h"

namespace entente::federation {

// Threads: loop. The firewall outlives it; it outlives the RPC system.
class LinkNetwork final : public capnp::TwoPartyVatNetworkBase,
                          private capnp::TwoPartyVatNetworkBase::Connection {
 public:
  LinkNetwork(MessageFirewall& firewall, Side side);

  kj::Maybe<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> connect(
      capnp::rpc::twoparty::VatId::Reader peer) override;
  kj::Promise<kj::Own<capnp::TwoPartyVatNetworkBase::Connection>> accept() override;

 private:
  capnp::rpc::twoparty::VatId::Reader getPeerVatId() override;
  kj::Own<capnp::OutgoingRpcMessage> newOutgoingMessage(unsigned first_segment_words) override;
  kj::Promise<kj::Maybe<kj::Own<capnp::IncomingRpcMessage>>> receiveIncomingMessage() override;
  kj::Promise<void> shutdown() override { return kj::READY_NOW; }
  kj::Own<capnp::TwoPartyVatNetworkBase::Connection> as_connection();

  MessageFirewall& firewall_;
  const Side side_;
  bool accepted_ = false;
  capnp::MallocMessageBuilder peer_;
};

}  // namespace entente::federation
