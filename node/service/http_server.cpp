#include "node/service/http_server.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <set>
#include <utility>

#include "node/service/http_session.h"
#include "node/service/problem.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using boost::system::error_code;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

std::chrono::nanoseconds chrono_of(Duration duration) {
  return std::chrono::nanoseconds(duration.ns);
}

// What a client beyond the cap hears.
const std::string& turned_away() {
  static const std::string text = [] {
    const Reply reply =
        plain_problem(ErrorCode::overloaded, "too many connections are open", "", 503);
    return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: " + reply.content_type +
           "\r\nContent-Length: " + std::to_string(reply.body.size()) +
           "\r\nRetry-After: 1\r\nConnection: close\r\n\r\n" + reply.body;
  }();
  return text;
}

}  // namespace

class HttpServer::Core : public std::enable_shared_from_this<Core> {
 public:
  Core(asio::io_context& loop, HttpConfig config, Parts parts)
      : loop_(loop),
        context_{std::move(config), parts,
                 to_hex(parts.random.id<FixedId<struct Start, 4>>().view()) + "-", 0, false},
        acceptor_(loop),
        grace_(loop) {}

  Outcome listen() {
    error_code fault;
    const HttpConfig& config = context_.config;
    const std::string place = config.address + ":" + std::to_string(config.port);
    const auto address = asio::ip::make_address(config.address, fault);
    if (fault) {
      return make_error(ErrorCode::config_invalid,
                        "http.address '" + config.address + "' is no numeric address",
                        "write 127.0.0.1 or ::1");
    }
    const tcp::endpoint endpoint(address, config.port);
    acceptor_.open(endpoint.protocol(), fault);
    if (!fault) acceptor_.set_option(tcp::acceptor::reuse_address(true), fault);
    if (!fault) acceptor_.bind(endpoint, fault);
    if (!fault) acceptor_.listen(asio::socket_base::max_listen_connections, fault);
    if (!fault) {
      port_ = acceptor_.local_endpoint().port();
      return {};
    }
    if (fault == asio::error::address_in_use) {
      return make_error(ErrorCode::port_in_use, "another process listens on " + place,
                        "stop it, or choose another port with http.port in entente.toml");
    }
    return make_error(ErrorCode::config_invalid,
                      "cannot listen on " + place + ": " + fault.message(),
                      "correct http.address and http.port in entente.toml");
  }

  void run() { asio::co_spawn(loop_, accept(shared_from_this()), asio::detached); }

  void stop(Duration grace, std::function<void()> done) {
    context_.draining = true;
    done_ = std::move(done);
    error_code ignored;
    acceptor_.close(ignored);
    drain();
    if (!sessions_.empty()) {
      grace_.expires_after(chrono_of(grace));
      grace_.async_wait([self = shared_from_this()](error_code fault) {
        if (!fault) self->cut_all();
      });
    }
    asio::post(loop_, [self = shared_from_this()] { self->finish_if_empty(); });
  }

  void cut_all() {
    context_.draining = true;
    error_code ignored;
    acceptor_.close(ignored);
    const auto all = sessions_;
    for (HttpSession* session : all) session->cut();
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return sessions_.size(); }

 private:
  void drain() {
    const auto all = sessions_;
    for (HttpSession* session : all) session->drain();
  }

  void finish_if_empty() {
    if (!sessions_.empty() || !context_.draining || !done_) return;
    grace_.cancel();
    std::exchange(done_, nullptr)();
  }

  static asio::awaitable<void> accept(std::shared_ptr<Core> self) {
    while (self->acceptor_.is_open()) {
      auto [fault, socket] = co_await self->acceptor_.async_accept(kAwait);
      if (fault == asio::error::operation_aborted || !self->acceptor_.is_open()) co_return;
      if (fault) {
        log::warn("http", "accepting failed", {{"what", fault.message()}});
        asio::steady_timer pause(self->loop_, chrono_of(limits::kHttpAcceptPause));
        co_await pause.async_wait(kAwait);
        continue;
      }
      self->take(std::move(socket));
    }
  }

  void take(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    if (sessions_.size() < context_.config.limits.connections) {
      asio::co_spawn(loop_, serve(shared_from_this(), std::move(socket)), asio::detached);
      return;
    }
    context_.parts.metrics.cut("turned_away");
    if (turned_away_ >= limits::kHttpTurnedAway) return;  // the socket closes here
    asio::co_spawn(loop_, refuse(shared_from_this(), std::move(socket)), asio::detached);
  }

  static asio::awaitable<void> serve(std::shared_ptr<Core> self, tcp::socket socket) {
    HttpSession session(std::move(socket), self->context_);
    self->sessions_.insert(&session);
    self->context_.parts.metrics.connections(self->sessions_.size());
    co_await session.run();
    self->sessions_.erase(&session);
    self->context_.parts.metrics.connections(self->sessions_.size());
    self->finish_if_empty();
  }

  // The request is not read, so a client still sending may see a reset instead of this reply.
  static asio::awaitable<void> refuse(std::shared_ptr<Core> self, tcp::socket socket) {
    ++self->turned_away_;
    boost::beast::tcp_stream stream(std::move(socket));
    stream.expires_after(chrono_of(limits::kHttpLingerTime));
    co_await asio::async_write(stream, asio::buffer(turned_away()), kAwait);
    error_code ignored;
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    std::array<char, 4'096> dropped;
    for (std::size_t total = 0; total < limits::kHttpLingerBytes;) {
      auto [fault, got] = co_await stream.async_read_some(asio::buffer(dropped), kAwait);
      if (fault || got == 0) break;
      total += got;
    }
    --self->turned_away_;
  }

  asio::io_context& loop_;
  SessionContext context_;
  tcp::acceptor acceptor_;
  asio::steady_timer grace_;
  std::set<HttpSession*> sessions_;
  std::function<void()> done_;
  std::size_t turned_away_ = 0;
  std::uint16_t port_ = 0;
};

HttpServer::HttpServer(std::shared_ptr<Core> core) : core_(std::move(core)) {}
HttpServer::~HttpServer() {
  core_->cut_all();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(asio::io_context& loop, HttpConfig config,
                                                      Parts parts) {
  auto core = std::make_shared<Core>(loop, std::move(config), parts);
  auto listening = core->listen();
  if (!listening) return std::move(listening).error();
  core->run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(core)));
}

std::uint16_t HttpServer::port() const {
  return core_->port();
}
std::size_t HttpServer::connections() const {
  return core_->connections();
}
void HttpServer::stop(Duration grace, std::function<void()> done) {
  core_->stop(grace, std::move(done));
}

}  // namespace entente::node
