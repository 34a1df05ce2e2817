#include "tests/bench/http_load.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace entente::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kSensors = 10'000;

// One kept connection.
class Connection {
 public:
  explicit Connection(const HttpTarget& target) : target_(target) {
    file_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(target.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(file_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(file_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error("the server takes no connection");
    }
  }
  ~Connection() { ::close(file_); }
  Connection(const Connection&) = delete;

  void post(const std::string& body) {
    std::string request = "POST " + target_.path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" +
                          "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n";
    if (!target_.token.empty()) request += "Authorization: Bearer " + target_.token + "\r\n";
    request += "\r\n" + body;
    send_all(request);
    const auto answer = receive();
    if (!answer.starts_with("HTTP/1.1 204")) {
      throw std::runtime_error("not taken: " + answer.substr(0, 500));
    }
  }

 private:
  void send_all(const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
      const auto sent = ::send(file_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the server closed the connection");
      at += static_cast<std::size_t>(sent);
    }
  }
  // A head: an answer without content has nothing else, and any other ends the benchmark.
  std::string receive() {
    std::string all;
    char buffer[4'096];
    while (all.find("\r\n\r\n") == std::string::npos) {
      const auto got = ::recv(file_, buffer, sizeof buffer, 0);
      if (got <= 0) throw std::runtime_error("the server closed the connection");
      all.append(buffer, static_cast<std::size_t>(got));
    }
    return all;
  }

  const HttpTarget& target_;
  int file_ = -1;
};

}  // namespace

LineStream::LineStream(std::size_t connections, std::size_t lines_each, std::int64_t begin)
    : connections_(connections),
      lines_each_(lines_each),
      begin_(begin),
      sent_(connections),
      values_(kSensors, 2'000) {}

std::string LineStream::body(std::size_t connection) {
  const std::size_t own = kSensors / connections_;
  std::string text;
  text.reserve(lines_each_ * 48);
  for (std::size_t i = 0; i < lines_each_; ++i, ++sent_[connection]) {
    const auto sensor = connection * own + sent_[connection] % own;
    state_ = state_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
    auto& value = values_[sensor];
    value += static_cast<std::int64_t>((state_ >> 33) % 11) - 5;
    const auto rest = std::abs(value % 100);
    text += "sensor,twin=sensor-" + std::to_string(sensor) + " value=" + (value < 0 ? "-" : "") +
            std::to_string(std::abs(value) / 100) + (rest < 10 ? ".0" : ".") +
            std::to_string(rest) + " " +
            std::to_string(begin_ + static_cast<std::int64_t>(sent_[connection] / own)) + "\n";
  }
  return text;
}

std::vector<std::vector<std::string>> LineStream::next(std::size_t readings) {
  std::vector<std::vector<std::string>> bodies(connections_);
  for (std::size_t made = 0; made < readings; made += connections_ * lines_each_) {
    for (std::size_t c = 0; c < connections_; ++c) bodies[c].push_back(body(c));
  }
  return bodies;
}

HttpFigures post_all(const HttpTarget& target, const std::vector<std::vector<std::string>>& bodies,
                     std::size_t readings) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (std::size_t c = 0; c < bodies.size(); ++c) {
    connections.push_back(std::make_unique<Connection>(target));
  }
  std::mutex mutex;
  std::exception_ptr fault;
  std::vector<double> latencies;
  const auto begun = Steady::now();
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < bodies.size(); ++c) {
    threads.emplace_back([&, c] {
      std::vector<double> own;
      try {
        for (const auto& body : bodies[c]) {
          const auto asked = Steady::now();
          connections[c]->post(body);
          own.push_back(std::chrono::duration<double, std::milli>(Steady::now() - asked).count());
        }
      } catch (...) {
        std::lock_guard guard(mutex);
        fault = std::current_exception();
      }
      std::lock_guard guard(mutex);
      latencies.insert(latencies.end(), own.begin(), own.end());
    });
  }
  for (auto& thread : threads) thread.join();
  if (fault) std::rethrow_exception(fault);
  const double took = std::chrono::duration<double>(Steady::now() - begun).count();
  std::sort(latencies.begin(), latencies.end());
  return {static_cast<double>(readings) / took, latencies[latencies.size() / 2],
          latencies[latencies.size() * 99 / 100]};
}

}  // namespace entente::bench
