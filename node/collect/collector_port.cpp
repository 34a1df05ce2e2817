#include "node/collect/collector_port.h"

#include <capnp/rpc-twoparty.h>

#include <map>

#include "federation/link/acceptor.h"
#include "federation/link/gate.h"
#include "federation/link/link_network.h"
#include "federation/link/link_stream.h"
#include "node/collect/charter_fetch.h"
#include "node/limits.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

using namespace federation;

// One collector's connection: stream, firewall, RPC, and the governor that all its objects share.
struct Connection {
  Connection(const CollectorPort::Parts& parts, std::shared_ptr<const LinkHooks> hooks,
             std::shared_ptr<LinkStream> s, PublicKey batch_key,
             std::function<void(const MessageFirewall::End&)> on_end)
      : stream(std::move(s)),
        firewall(parts.collect.loop, parts.clock, *stream, Side::callee, collect_methods(),
                 parts.limits, std::move(on_end)),
        network(firewall, Side::callee),
        governor(std::make_shared<Governor>(
            parts.collect.loop, parts.clock, collect_methods(), parts.limits, std::move(hooks),
            [this](std::string reason) { firewall.close(std::move(reason), true); })),
        rpc(capnp::makeRpcServer(
            network, make_collect_gate(Caller{peer(), peer().certificate_expires, governor},
                                       parts.collect, batch_key))) {
    rpc.setFlowLimit(federation::limits::kFlowWords);
  }
  // KJ destroys objects on the way; whatever they still want to say goes nowhere.
  ~Connection() {
    governor->end();
    firewall.close("closed by this node", false);
  }
  const security::PeerIdentity& peer() const { return stream->handshake().peer; }

  std::shared_ptr<LinkStream> stream;
  MessageFirewall firewall;
  LinkNetwork network;
  std::shared_ptr<Governor> governor;
  capnp::RpcSystem<capnp::rpc::twoparty::VatId> rpc;
};

}  // namespace

struct CollectorPort::Impl : std::enable_shared_from_this<CollectorPort::Impl> {
  explicit Impl(Parts given)
      : parts(std::move(given)),
        tls(TlsContext::Role::acceptor, parts.credentials, parts.verifier, parts.clock,
            TlsContext::Protocol::collect),
        shows(parts.collect.loop) {
    auto made = std::make_shared<LinkHooks>();
    made->decide = [this](const Caller& caller, const MethodRow&) -> Outcome {
      const auto admitted = parts.admit(caller.peer);
      return admitted ? Outcome{} : Outcome(admitted.error());
    };
    // What counts of a session are its readings, which the history keeps; enrolment is audited.
    made->audit_intent = [](const Caller&, const MethodRow&) -> kj::Promise<void> {
      return kj::READY_NOW;
    };
    hooks = std::move(made);
  }

  void arrived(std::shared_ptr<LinkStream> stream) {
    const security::PeerIdentity peer = stream->handshake().peer;
    const auto admitted = parts.admit(peer);
    if (!admitted) {
      log::warn("collect", "a collector was refused",
                {{"collector", peer.site}, {"why", admitted.error().what}});
      return;
    }
    if (stream->handshake().charters) {
      if (parts.organisation) shows.show(std::move(stream), parts.organisation());
      return;
    }
    auto ended = [weak = weak_from_this(), name = peer.site,
                  id = ++last_id](const MessageFirewall::End& end) {
      auto self = weak.lock();
      if (!self) return;
      log::info("collect", end.violation ? "closed for a violation" : "disconnected",
                {{"collector", name}, {"reason", tame(end.reason)}});
      // Not from within the firewall's own call.
      self->parts.collect.loop.post([weak, name, id] {
        auto owner = weak.lock();
        if (!owner) return;
        const auto found = owner->connections.find(name);
        if (found != owner->connections.end() && found->second.id == id) {
          owner->connections.erase(found);
        }
      });
    };
    log::info("collect", "connected", {{"collector", peer.site}});
    Live& live = connections[peer.site];
    live.connection.reset();
    live.id = last_id;
    live.connection =
        std::make_unique<Connection>(parts, hooks, std::move(stream), *admitted, std::move(ended));
  }

  kj::Promise<void> tick() {
    return parts.collect.loop.after(parts.limits.watch).then([this] {
      for (auto& [name, live] : connections) {
        live.connection->firewall.watch();
        if (live.connection->firewall.closed()) continue;
        const auto admitted = parts.admit(live.connection->peer());
        if (!admitted) live.connection->firewall.close(admitted.error().what, false);
      }
      return tick();
    });
  }

  struct Live {
    std::unique_ptr<Connection> connection;
    std::uint64_t id = 0;
  };
  const Parts parts;
  TlsContext tls;
  std::shared_ptr<const LinkHooks> hooks;
  CharterShows shows;
  std::map<std::string, Live> connections;
  std::uint64_t last_id = 0;
  std::unique_ptr<Acceptor> acceptor;
  std::uint16_t port = 0;
  kj::Promise<void> ticking = nullptr;
};

LinkLimits CollectorPort::default_limits() {
  LinkLimits out;
  out.message_bytes = 2 * limits::kUploadBytes;
  out.open_answers = 2 * limits::kUploadsInFlight;
  out.live_objects = 8;
  out.bulk_rate = 20'000;
  out.bulk_burst = 20'000;
  return out;
}

CollectorPort::CollectorPort(Parts parts) : impl_(std::make_shared<Impl>(std::move(parts))) {
  impl_->ticking = impl_->tick().eagerlyEvaluate([](kj::Exception&& fault) {
    log::error("collect", "the watchdog ended", {{"what", fault.getDescription().cStr()}});
  });
}

CollectorPort::~CollectorPort() {
  impl_->acceptor.reset();
  impl_->ticking = nullptr;
  impl_->connections.clear();
}

Result<std::uint16_t> CollectorPort::open(const std::string& host, std::uint16_t port) {
  if (impl_->acceptor) return impl_->port;
  auto acceptor = std::make_unique<Acceptor>(
      impl_->parts.collect.loop, impl_->tls, impl_->parts.limits,
      [weak = std::weak_ptr<Impl>(impl_)](std::shared_ptr<LinkStream> stream) {
        if (auto self = weak.lock()) self->arrived(std::move(stream));
      },
      [](const std::string& address, const std::string& why) {
        log::warn("collect", "a handshake failed", {{"address", address}, {"why", tame(why)}});
      });
  auto listening = acceptor->listen(host, port);
  if (!listening) return std::move(listening).error();
  impl_->acceptor = std::move(acceptor);
  impl_->port = *listening;
  return *listening;
}

void CollectorPort::close() {
  impl_->acceptor.reset();
  impl_->port = 0;
}

std::uint16_t CollectorPort::port() const {
  return impl_->port;
}

bool CollectorPort::connected(const std::string& collector) const {
  return impl_->connections.contains(collector);
}

}  // namespace entente::node
