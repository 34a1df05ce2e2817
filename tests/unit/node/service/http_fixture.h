// A real HTTP server on a free loopback port, on a thread of its own, with routes of the test's
// own; and a plain socket that sends what no client would.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <prometheus/registry.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "node/service/health.h"
#include "node/service/http_client.h"
#include "node/service/http_server.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"

namespace entente::node::test {

inline const std::string kToken = "a-token-of-the-tests";

// Lets "reader" read and nobody else do anything but the administrator.
class TwoUsers final : public Authenticator {
 public:
  std::optional<Subject> authenticate(std::string_view token, Origin) const override {
    if (token == kToken) return Subject{"admin", {security::Role::admin}};
    if (token == "a-reader") return Subject{"reader", {security::Role::analyst}};
    return std::nullopt;
  }
  Outcome authorise(const Subject& subject, Verb verb, const security::Resource&) const override {
    if (subject.name == "admin" || verb == Verb::read_twins) return {};
    return make_error(ErrorCode::denied, subject.name + " may not " + std::string(to_text(verb)));
  }
};

class RunningServer {
 public:
  explicit RunningServer(const std::function<void(RouteTable&, RunningServer&)>& fill,
                         HttpLimits limits = {}) {
    fill(routes, *this);
    add_metrics_route(routes, registry);
    HttpConfig config;
    config.port = 0;
    config.limits = limits;
    config.host_names = {"twin.example"};
    auto started = HttpServer::start(loop, config, {routes, users, metrics, clock, random});
    REQUIRE(started.has_value());
    server = std::move(*started);
    port = server->port();
    thread_ = std::thread([this] { loop.run(); });
  }
  ~RunningServer() {
    std::promise<void> done;
    boost::asio::post(loop, [&] {
      if (server) {
        server->stop(milliseconds(200), [&] { done.set_value(); });
      } else {
        done.set_value();
      }
    });
    done.get_future().wait();
    boost::asio::post(loop, [&] { server.reset(); });
    work_.reset();
    thread_.join();
  }
  RunningServer(const RunningServer&) = delete;

  HttpClient client(std::string token = kToken, Duration timeout = seconds(10)) const {
    return HttpClient({"127.0.0.1", port, std::move(token)}, timeout);
  }
  // Runs on the loop and waits for it.
  template <class Job>
  auto on_loop(Job job) {
    std::packaged_task<decltype(job())()> task(std::move(job));
    auto result = task.get_future();
    boost::asio::post(loop, [&] { task(); });
    return result.get();
  }
  std::string metrics_now() { return metrics_text(registry); }

  boost::asio::io_context loop;
  prometheus::Registry registry;
  HttpMetrics metrics{registry};
  SystemClock clock;
  SeededRandom random{7};
  TwoUsers users;
  RouteTable routes;
  std::unique_ptr<HttpServer> server;
  std::uint16_t port = 0;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      loop.get_executor()};
  std::thread thread_;
};

// Bytes over TCP. Every read ends within five seconds.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  }
  ~RawSocket() { ::close(fd_); }
  RawSocket(const RawSocket&) = delete;

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  void close_sending() { ::shutdown(fd_, SHUT_WR); }
  int fd() const { return fd_; }

  // Until the peer closes; `closed` says whether it did in time.
  std::string read_all(int milliseconds_most = 5'000) {
    std::string out;
    closed = false;
    while (wait(milliseconds_most)) {
      char block[65'536];
      const ssize_t got = ::recv(fd_, block, sizeof block, 0);
      if (got <= 0) {
        closed = true;
        break;
      }
      out.append(block, static_cast<std::size_t>(got));
    }
    return out;
  }
  // Until `mark` has come.
  std::string read_until(std::string_view mark) {
    std::string out;
    while (out.find(mark) == std::string::npos && wait(5'000)) {
      char c = 0;
      if (::recv(fd_, &c, 1, 0) != 1) break;
      out += c;
    }
    return out;
  }
  bool closed = false;

 private:
  bool wait(int milliseconds_most) {
    pollfd one{fd_, POLLIN, 0};
    return ::poll(&one, 1, milliseconds_most) == 1;
  }
  int fd_;
};

inline std::string request(std::string_view line, std::string_view more_headers = {},
                           std::string_view body = {}) {
  std::string out(line);
  out += " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + kToken + "\r\n";
  out += more_headers;
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  out += "\r\n";
  out += body;
  return out;
}

// Of the first reply in the text; 0 when there is none.
inline int status_of(std::string_view reply) {
  return reply.starts_with("HTTP/1.1 ") ? std::stoi(std::string(reply.substr(9, 3))) : 0;
}

inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos;
       at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

inline Route make_route(Method method, std::string path, Verb verb, BodyKind body,
                        Handler handler) {
  Route route;
  route.method = method;
  route.name = std::string(to_text(method)) + path;
  route.path = std::move(path);
  route.verb = verb;
  route.summary = "A route of the tests.";
  route.body = body;
  route.handler = std::move(handler);
  return route;
}

}  // namespace entente::node::test
