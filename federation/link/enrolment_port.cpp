#include "federation/link/enrolment_port.h"

#include <utility>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>

#include "federation/limits.h"
#include "federation/link/loop.h"
#include "schemas/base/log.h"
#include "security/identity/limits.h"

namespace entente::federation {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kMessageMost = security::limits::kEnrolmentMessage;

// A connection that closes itself when its time is over.
class Conversation {
 public:
  explicit Conversation(tcp::socket socket)
      : state_(std::make_shared<State>(std::move(socket))), timer_(state_->socket.get_executor()) {
    timer_.expires_after(std::chrono::nanoseconds(limits::kEnrolmentTime.ns));
    // The state is shared: an expiry already queued may come after the end of the conversation.
    timer_.async_wait([state = state_](error_code cancelled) {
      if (cancelled) return;
      state->late = true;
      error_code ignored;
      state->socket.close(ignored);
    });
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  asio::awaitable<Result<Bytes>> receive() {
    std::array<std::uint8_t, 4> head{};
    error_code failed;
    co_await asio::async_read(state_->socket, asio::buffer(head), redirect(failed));
    if (failed) co_return broken();
    std::size_t size = 0;
    for (const std::uint8_t byte : head) size = size << 8 | byte;
    if (size == 0 || size > kMessageMost) {
      co_return make_error(ErrorCode::enrolment_refused, "a message of the wrong size");
    }
    Bytes message(size);
    co_await asio::async_read(state_->socket, asio::buffer(message), redirect(failed));
    if (failed) co_return broken();
    co_return message;
  }

  asio::awaitable<Outcome> send(const Bytes& message) {
    std::array<std::uint8_t, 4> head{};
    for (std::size_t i = 0; i < 4; ++i) {
      head[i] = static_cast<std::uint8_t>(message.size() >> (24 - 8 * i));
    }
    const std::array<asio::const_buffer, 2> whole = {asio::buffer(head), asio::buffer(message)};
    error_code failed;
    co_await asio::async_write(state_->socket, whole, redirect(failed));
    if (failed) co_return broken();
    co_return Outcome{};
  }

 private:
  static asio::redirect_error_t<asio::use_awaitable_t<>> redirect(error_code& into) {
    return asio::redirect_error(asio::use_awaitable, into);
  }
  Error broken() const {
    return state_->late
               ? make_error(ErrorCode::deadline_exceeded, "the enrolment took too long")
               : make_error(ErrorCode::enrolment_refused, "the other side ended the enrolment");
  }

  struct State {
    explicit State(tcp::socket given) : socket(std::move(given)) {}
    tcp::socket socket;
    bool late = false;
  };
  std::shared_ptr<State> state_;
  asio::steady_timer timer_;
};

// Suspends until `start(done)` has called done.
asio::awaitable<Outcome> when_stored(Loop& loop,
                                     std::function<void(std::function<void(Outcome)>)> start) {
  auto outcome = std::make_shared<Outcome>();
  auto timer =
      std::make_shared<asio::steady_timer>(loop.io(), asio::steady_timer::time_point::max());
  start([outcome, timer](Outcome result) {
    *outcome = std::move(result);
    timer->expires_at(asio::steady_timer::time_point::min());
  });
  error_code ignored;
  if (timer->expiry() != asio::steady_timer::time_point::min()) {
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  co_return *outcome;
}

}  // namespace

struct EnrolmentPort::Impl : std::enable_shared_from_this<EnrolmentPort::Impl> {
  explicit Impl(Parts given) : parts(std::move(given)), acceptor(parts.loop.io()) {}

  void accept_next() {
    acceptor.async_accept([self = shared_from_this()](error_code failed, tcp::socket socket) {
      if (!self->acceptor.is_open()) return;
      if (!failed && self->conversations < limits::kEnrolmentConnections) {
        asio::co_spawn(self->parts.loop.io(), self->talk(std::move(socket)), asio::detached);
      }
      self->accept_next();
    });
  }

  asio::awaitable<void> talk(tcp::socket socket) {
    auto self = shared_from_this();
    ++conversations;
    if (const Outcome outcome = co_await run(std::move(socket)); !outcome) {
      log::warn("enrolment", "an enrolment was refused", {{"reason", outcome.error().text()}});
    }
    --conversations;
  }

  asio::awaitable<Outcome> run(tcp::socket socket) {
    Conversation conversation(std::move(socket));
    auto side =
        security::InvitingSide::create(parts.book, parts.self(), parts.random, parts.clock.now());
    if (!side) co_return std::move(side).error();
    for (;;) {
      auto message = co_await conversation.receive();
      if (!message) co_return std::move(message).error();
      auto step = side->receive(*message, parts.clock.now());
      if (!step) co_return std::move(step).error();
      if (step->enrolled) {
        auto enrolled = std::make_shared<security::Enrolled>(std::move(*step->enrolled));
        // Named first: GCC 12 destroys a closure twice that is made inside a co_await expression.
        std::function<void(std::function<void(Outcome)>)> start =
            [this, enrolled](std::function<void(Outcome)> done) {
              parts.enrolled(std::move(*enrolled), std::move(done));
            };
        const Outcome stored = co_await when_stored(parts.loop, std::move(start));
        if (!stored) co_return stored;
      }
      if (step->send) {
        if (auto sent = co_await conversation.send(*step->send); !sent) co_return sent;
      }
      if (step->enrolled) co_return Outcome{};
    }
  }

  Parts parts;
  tcp::acceptor acceptor;
  std::size_t conversations = 0;
};

EnrolmentPort::EnrolmentPort(Parts parts) : impl_(std::make_shared<Impl>(std::move(parts))) {}
EnrolmentPort::~EnrolmentPort() {
  close();
}

bool EnrolmentPort::is_open() const {
  return impl_->acceptor.is_open();
}

void EnrolmentPort::close() {
  error_code ignored;
  impl_->acceptor.close(ignored);
}

Result<std::uint16_t> EnrolmentPort::open(const std::string& host, std::uint16_t port) {
  tcp::acceptor& acceptor = impl_->acceptor;
  error_code failed;
  if (acceptor.is_open()) return acceptor.local_endpoint(failed).port();
  const auto address = asio::ip::make_address(host, failed);
  if (failed) {
    return make_error(ErrorCode::invalid_argument, "'" + host + "' is no IP address to listen at");
  }
  const tcp::endpoint endpoint(address, port);
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(static_cast<int>(limits::kEnrolmentConnections), failed);
  if (failed) {
    close();
    return make_error(ErrorCode::port_in_use, "cannot listen for enrolments at " + host + ":" +
                                                  std::to_string(port) + ": " + failed.message());
  }
  impl_->accept_next();
  return acceptor.local_endpoint().port();
}

namespace {

asio::awaitable<Result<tcp::socket>> dial(Loop& loop, const std::vector<std::string>& addresses) {
  for (const std::string& address : addresses) {
    const auto colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    tcp::resolver resolver(loop.io());
    error_code failed;
    const auto found = co_await resolver.async_resolve(
        host, address.substr(colon + 1), asio::redirect_error(asio::use_awaitable, failed));
    if (failed) continue;
    auto socket = std::make_shared<tcp::socket>(loop.io());
    asio::steady_timer timer(loop.io(), std::chrono::nanoseconds(limits::kEnrolmentTime.ns));
    timer.async_wait([socket](error_code cancelled) {
      error_code ignored;
      if (!cancelled) socket->close(ignored);
    });
    co_await asio::async_connect(*socket, found, asio::redirect_error(asio::use_awaitable, failed));
    timer.cancel();
    if (!failed) co_return std::move(*socket);
  }
  co_return make_error(
      ErrorCode::peer_unreachable, "nobody answers at the invitation's enrolment address",
      "ask the partner whether the invitation is still open and the port reachable");
}

}  // namespace

asio::awaitable<Result<std::shared_ptr<security::Enrolled>>> accept_invitation(
    Loop& loop, const Clock& clock, Random& random, const security::Invitation& invitation,
    security::EnrolmentSelf self) {
  auto side = security::AcceptingSide::create(invitation, std::move(self), random, clock.now());
  if (!side) co_return std::move(side).error();
  auto socket = co_await dial(loop, invitation.enrolment);
  if (!socket) co_return std::move(socket).error();
  Conversation conversation(std::move(*socket));
  if (auto sent = co_await conversation.send(side->first_message()); !sent) co_return sent.error();
  for (;;) {
    auto message = co_await conversation.receive();
    if (!message) co_return std::move(message).error();
    auto step = side->receive(*message, clock.now());
    if (!step) co_return std::move(step).error();
    if (step->send) {
      if (auto sent = co_await conversation.send(*step->send); !sent) co_return sent.error();
    }
    if (step->enrolled) {
      co_return std::make_shared<security::Enrolled>(std::move(*step->enrolled));
    }
  }
}

}  // namespace entente::federation
