#include "federation/link/acceptor.h"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <map>
#include <vector>

#include "federation/link/link_stream.h"
#include "federation/link/pacing.h"
#include "schemas/base/clock.h"
#include "schemas/base/log.h"

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace entente::federation {

namespace {

// Whom a connection is counted for: an address, or of IPv6 the network of 64 bits, of which one
// machine has every address that it likes.
std::string source_of(const asio::ip::address& address) {
  if (address.is_v4() || address.to_v6().is_v4_mapped()) return address.to_string();
  auto bytes = address.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return asio::ip::address_v6(bytes).to_string();
}

}  // namespace

struct Acceptor::Impl : std::enable_shared_from_this<Acceptor::Impl> {
  Impl(Loop& owner, TlsContext& context, LinkLimits l, Accepted a, Refused r)
      : loop(owner), tls(context), limits(l), accepted(std::move(a)), refused(std::move(r)) {}

  void accept_next(const std::shared_ptr<tcp::acceptor>& port) {
    port->async_accept([weak = weak_from_this(), port](const error_code& e, tcp::socket socket) {
      auto self = weak.lock();
      if (!self || e == asio::error::operation_aborted) return;
      if (e) return self->pause(port, e);
      self->paused = false;
      self->take(std::move(socket));
      self->accept_next(port);
    });
  }

  // Out of descriptors or memory: the connections waiting in the kernel stay there meanwhile.
  void pause(const std::shared_ptr<tcp::acceptor>& port, const error_code& e) {
    if (!paused) log::warn("link", "accepting pauses", {{"why", e.message()}});
    paused = true;
    loop.keep(loop.after(limits::kAcceptPause).then([weak = weak_from_this(), port] {
      if (auto self = weak.lock()) self->accept_next(port);
    }));
  }

  void take(tcp::socket socket) {
    error_code e;
    const auto remote = socket.remote_endpoint(e);
    if (e) return;
    const std::string address = remote.address().to_string();
    const std::string source = source_of(remote.address());
    std::size_t& here = by_address[source];
    if (under_way >= limits.handshakes || here >= limits.handshakes_per_address) {
      if (here == 0) by_address.erase(source);
      return;  // closes the socket: cheaper than telling a flood what it is
    }
    ++here, ++under_way;
    const Duration wait = pace.wait(source, clock.steady());
    auto held = std::make_shared<tcp::socket>(std::move(socket));
    auto begun = wait.ns > 0 ? loop.after(wait) : kj::Promise<void>(kj::READY_NOW);
    auto secured =
        begun.then([this, held] { return LinkStream::accept(loop, tls, std::move(*held), limits); })
            .then(
                [this, source](std::shared_ptr<LinkStream> stream) {
                  done(source);
                  accepted(std::move(stream));
                },
                [this, source, address](kj::Exception&& fault) {
                  done(source);
                  refused(address, fault.getDescription().cStr());
                });
    handshakes.add(kj::mv(secured));
  }

  void done(const std::string& source) {
    --under_way;
    const auto found = by_address.find(source);
    if (found != by_address.end() && --found->second == 0) by_address.erase(found);
  }

  struct LogFailures final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& fault) override {
      log::error("link", "accepting failed", {{"what", fault.getDescription().cStr()}});
    }
  };

  Loop& loop;
  TlsContext& tls;
  const LinkLimits limits;
  Accepted accepted;
  Refused refused;
  std::vector<std::shared_ptr<tcp::acceptor>> ports;
  std::map<std::string, std::size_t> by_address;
  HandshakePace pace;
  SystemClock clock;
  std::size_t under_way = 0;
  bool paused = false;
  LogFailures failures;
  kj::TaskSet handshakes{failures};  // last: its promises point into this
};

Acceptor::Acceptor(Loop& loop, TlsContext& tls, LinkLimits limits, Accepted accepted,
                   Refused refused)
    : impl_(std::make_shared<Impl>(loop, tls, limits, std::move(accepted), std::move(refused))) {}

Acceptor::~Acceptor() {
  error_code ignored;
  for (auto& port : impl_->ports) port->close(ignored);
}

std::size_t Acceptor::handshakes() const { return impl_->under_way; }

Result<std::uint16_t> Acceptor::listen(const std::string& host, std::uint16_t port) {
  error_code e;
  const auto address = asio::ip::make_address(host, e);
  if (e) {
    return make_error(ErrorCode::invalid_argument, "'" + host + "' is not an IP address",
                      "give an address of this machine, e.g. 127.0.0.1");
  }
  auto acceptor = std::make_shared<tcp::acceptor>(impl_->loop.io());
  const tcp::endpoint endpoint(address, port);
  acceptor->open(endpoint.protocol(), e);
  if (!e) acceptor->set_option(asio::socket_base::reuse_address(true), e);
  if (!e) acceptor->bind(endpoint, e);
  if (!e) acceptor->listen(asio::socket_base::max_listen_connections, e);
  const std::string place = host + ":" + std::to_string(port);
  if (e == asio::error::address_in_use) {
    return make_error(ErrorCode::port_in_use, "another process listens at " + place);
  }
  if (e) {
    return make_error(ErrorCode::invalid_argument, "cannot listen at " + place + ": " + e.message(),
                      "give an address and port that this user may listen at");
  }
  const std::uint16_t real = acceptor->local_endpoint(e).port();
  impl_->ports.push_back(acceptor);
  impl_->accept_next(acceptor);
  return real;
}

}  // namespace entente::federation
