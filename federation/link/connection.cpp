#include "federation/link/connection.h"

#include <capnp/rpc-twoparty.h>
#include <kj/debug.h>

#include <optional>

#include "federation/link/link_network.h"

namespace entente::federation {

struct Connection::Impl : std::enable_shared_from_this<Connection::Impl> {
  Impl(ConnectionOptions o, std::shared_ptr<LinkStream> s,
       std::function<void(const MessageFirewall::End&)> on_end)
      : options(std::move(o)),
        stream(std::move(s)),
        ended(std::move(on_end)),
        side(stream->handshake().direction == Direction::we_call ? Side::caller : Side::callee),
        firewall(options.loop, options.clock, *stream, side, options.methods, options.limits,
                 [this](const MessageFirewall::End& end) { tell(end); }),
        network(firewall, side) {}

  // KJ destroys objects on the way; whatever they still want to say goes nowhere.
  ~Impl() {
    ended = nullptr;
    if (governor) governor->end();
    firewall.close("closed by this node", false);
  }

  void tell(const MessageFirewall::End& end) {
    if (governor) governor->end();
    options.loop.post([weak = weak_from_this(), end] {
      auto self = weak.lock();
      if (self && self->ended) self->ended(end);
    });
  }

  void start(std::function<void(const PeerHello&)> opened) {
    if (side == Side::caller) {
      rpc.emplace(capnp::makeRpcClient(network));
      capnp::MallocMessageBuilder message(4);
      auto vat = message.initRoot<capnp::rpc::twoparty::VatId>();
      vat.setSide(capnp::rpc::twoparty::Side::SERVER);
      gate.emplace(rpc->bootstrap(vat).castAs<wire::Gate>());
      return;
    }
    governor = std::make_shared<Governor>(
        options.loop, options.clock, options.methods, options.limits, options.hooks,
        [weak = weak_from_this()](std::string reason) {
          if (auto self = weak.lock()) self->firewall.close(std::move(reason), true);
        });
    rpc.emplace(capnp::makeRpcServer(
        network, make_gate(stream->handshake().peer, governor, std::move(opened))));
    rpc->setFlowLimit(limits::kFlowWords);
  }

  ConnectionOptions options;
  std::shared_ptr<LinkStream> stream;
  std::function<void(const MessageFirewall::End&)> ended;
  const Side side;
  std::shared_ptr<Governor> governor;
  MessageFirewall firewall;
  LinkNetwork network;
  std::optional<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc;
  std::optional<wire::Gate::Client> gate;
};

Connection::Connection(ConnectionOptions options, std::shared_ptr<LinkStream> stream,
                       std::function<void(const MessageFirewall::End&)> on_end,
                       std::function<void(const PeerHello&)> opened)
    : impl_(std::make_shared<Impl>(std::move(options), std::move(stream), std::move(on_end))) {
  impl_->start(std::move(opened));
}
Connection::~Connection() = default;

kj::Promise<OpenSession> Connection::open() {
  KJ_REQUIRE(impl_->gate.has_value(), "this side serves");
  auto request = impl_->gate->openRequest();
  auto hello = request.initHello();
  hello.setProtocolMin(kProtocolLeast);
  hello.setProtocolMax(kProtocolMost);
  hello.setSoftware(software_name());
  return request.send().then([](capnp::Response<wire::Gate::OpenResults>&& response) {
    const auto outcome = response.getOutcome();
    if (!outcome.isWelcome()) {
      const auto code = code_from_number(outcome.getRefusal().getCode());
      const std::string text = code_text(code) + " the peer opened no session: " +
                               std::string(code_name(code));
      kj::throwFatalException(KJ_EXCEPTION(FAILED, text.c_str()));
    }
    const auto welcome = outcome.getWelcome();
    return OpenSession{welcome.getSession(),
                       {welcome.getExpiresNs()},
                       {welcome.getProtocol(), tame(welcome.getSoftware().cStr()), 0, 0}};
  });
}

const Handshake& Connection::handshake() const { return impl_->stream->handshake(); }
void Connection::watch() { impl_->firewall.watch(); }
void Connection::close(const std::string& reason) { impl_->firewall.close(reason, false); }
bool Connection::closed() const { return impl_->firewall.closed(); }
const MessageFirewall& Connection::firewall() const { return impl_->firewall; }
std::size_t Connection::unanswered() const { return impl_->firewall.rules().unanswered(); }

}  // namespace entente::federation
