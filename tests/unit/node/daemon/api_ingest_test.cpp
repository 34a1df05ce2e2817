#include <fcntl.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "node/daemon/api.h"
#include "node/limits.h"
#include "node/service/gzip.h"
#include "tests/unit/node/ingest/site.h"
#include "tests/unit/node/service/http_fixture.h"

namespace entente::node::test {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::awaitable;

// The routes over a real store, with workers that can be full, or held.
struct Desk {
  explicit Desk(std::size_t queue_max = 4'096) : site({"a", "b"}, queue_max) {}
  ~Desk() {
    release();
    workers.join();
  }

  void fill(RouteTable& table) {
    add_ingest_routes(
        table, {[this] { return site.registry->state(); }, *site.history, quality, site.clock,
                [this](WriteParts::Job job) { return work(std::move(job)); },
                [this](std::uint64_t yes, std::uint64_t no) {
                  accepted += yes;
                  rejected += no;
                },
                [](Duration) {}});
  }
  awaitable<Outcome> work(WriteParts::Job job) {
    if (full) co_return make_error(ErrorCode::overloaded, "the node has too much to do");
    auto on_pool = [this, job = std::move(job)]() -> awaitable<Outcome> {
      ++jobs;
      gate.get_future_once().wait();
      co_return job();
    };
    co_return co_await asio::co_spawn(workers, std::move(on_pool), asio::use_awaitable);
  }
  QualityGate quality;
  // Jobs wait from hold() to release().
  struct Gate {
    std::shared_future<void> get_future_once() const {
      std::lock_guard guard(mutex);
      return open;
    }
    mutable std::mutex mutex;
    std::promise<void> promise;
    std::shared_future<void> open = [] {
      std::promise<void> done;
      done.set_value();
      return done.get_future().share();
    }();
    bool held = false;
  };
  void hold() {
    std::lock_guard guard(gate.mutex);
    gate.promise = {};
    gate.open = gate.promise.get_future().share();
    gate.held = true;
  }
  void release() {
    std::lock_guard guard(gate.mutex);
    if (gate.held) gate.promise.set_value();
    gate.held = false;
  }

  Site site;
  asio::thread_pool workers{limits::kWritesAtOnce + 1};
  Gate gate;
  std::atomic<bool> full{false};
  std::atomic<std::size_t> jobs{0};
  std::atomic<std::uint64_t> accepted{0}, rejected{0};
};

HttpResponse post(RunningServer& server, const std::string& target, std::string body,
                  std::vector<std::pair<std::string, std::string>> headers = {}) {
  auto client = server.client();
  HttpClient::Request request;
  request.method = "POST";
  request.target = target;
  request.body = std::move(body);
  request.content_type = "text/plain; charset=utf-8";
  request.headers = std::move(headers);
  auto got = client.send(request);
  INFO((got ? std::string() : got.error().what));
  REQUIRE(got.has_value());
  return std::move(*got);
}

json::object object_of(const HttpResponse& response) {
  return json::parse(response.body).as_object();
}

constexpr const char* kWrite = "/api/v2/write?org=o&bucket=b&precision=s";

TEST_SUITE("node/daemon/api_ingest") {
  TEST_CASE(
      "line protocol is durable when 204 comes, in the precision said, with a Token or gzip") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    auto got = post(server, kWrite, "m,twin=a pm25=1 1500000000\nm,twin=b pm25=2 1500000000\n");
    CHECK(got.status == 204);
    CHECK(got.body.empty());
    CHECK(desk.site.readings("a") == 1);
    CHECK(desk.site.history->latest(desk.site.series("b"))->time.ns == 1'500'000'000'000'000'000);
    CHECK(desk.accepted == 2);

    RawSocket socket(server.port);
    const auto packed = gzip("m,twin=a pm25=3 1500000001");
    REQUIRE(socket.send("POST " + std::string(kWrite) + " HTTP/1.1\r\nHost: localhost\r\n" +
                        "Authorization: Token " + kToken + "\r\nContent-Encoding: gzip\r\n" +
                        "Content-Length: " + std::to_string(packed.size()) + "\r\n\r\n" + packed));
    CHECK(status_of(socket.read_until("\r\n\r\n")) == 204);
    CHECK(desk.site.readings("a") == 2);
    // Without a timestamp a reading has the time of its arrival; nanoseconds when nothing is said.
    CHECK(post(server, "/api/v2/write", "m,twin=a pm25=4\nm,twin=a pm25=5 7\n").status == 204);
    CHECK(desk.site.history->latest(desk.site.series("a"))->time == desk.site.clock.now());
    CHECK(desk.site.readings("a") == 4);
    CHECK(post(server, "/api/v2/write", "").status == 204);
  }

  TEST_CASE("a stranger's token is refused whatever its scheme is called") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    for (const char* scheme : {"Token x", "Bearer x", "Basic x", "Token "}) {
      RawSocket socket(server.port);
      REQUIRE(socket.send("POST /api/v2/write HTTP/1.1\r\nHost: localhost\r\nAuthorization: " +
                          std::string(scheme) + "\r\nContent-Length: 0\r\n\r\n"));
      CHECK(status_of(socket.read_until("\r\n\r\n")) == 401);
    }
  }

  TEST_CASE("the first bad line is named as InfluxDB does, and the good ones stay") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    // More than one job's bytes before the bad line: its number counts from the body's beginning.
    std::string text;
    std::size_t good = 0;
    while (text.size() < limits::kWriteJobBytes * 3 / 2) {
      text += "m,twin=a pm25=1 " + std::to_string(1'500'000'000 + good++) + "\n";
    }
    const auto got = post(server, kWrite,
                          text + "m,twin=a pm25=x 1\nm,twin=zz pm25=1 1\nm,twin=zz pm25=1 2\n" +
                              "m,twin=a pm25=1 1400000000");
    CHECK(got.status == 400);
    const auto body = object_of(got);
    CHECK(body.at("code").as_string() == "invalid");
    CHECK(body.at("line").to_number<std::size_t>() == good + 1);
    const std::string message(body.at("message").as_string());
    CHECK(message.starts_with("partial write: line " + std::to_string(good + 1) + ": "));
    CHECK(message.find("3 rejected, " + std::to_string(good + 1) + " written") !=
          std::string::npos);
    CHECK(desk.site.readings("a") == good + 1);
    CHECK(desk.rejected == 3);
  }

  TEST_CASE("words that nobody knows are refused before the body is looked at") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    for (const char* query : {"precision=h", "signal=tag"}) {
      const auto got = post(server, std::string("/api/v2/write?") + query, "m,twin=a pm25=1 1\n");
      CHECK(got.status == 400);
      CHECK(object_of(got).at("code").as_string() == "invalid");
    }
    CHECK(post(server, "/api/v2/write?twin=host&signal=measurement", "pm25,host=a value=1 1\n")
              .status == 204);
    CHECK(desk.site.readings("a") == 1);
  }

  TEST_CASE("a dry run writes nothing on either path") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    CHECK(post(server, "/api/v2/write?dryRun=1", "m,twin=a pm25=1 1\n").status == 204);
    const auto got = post(server, "/api/v1/readings?dryRun=1",
                          "{\"twin\":\"a\",\"signal\":\"pm25\",\"time\":1,\"value\":1}\n");
    CHECK(object_of(got).at("accepted").to_number<int>() == 1);
    CHECK(desk.accepted == 0);
    CHECK(desk.site.readings("a") == 0);
  }

  TEST_CASE("a full store or full workers answer 503 and say when to come back") {
    Desk desk(1);
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    const std::string line = "m,twin=a pm25=1 1\n";
    const std::string object = "{\"twin\":\"a\",\"signal\":\"pm25\",\"time\":1,\"value\":1}\n";
    const auto refused = [&] {
      auto got = post(server, "/api/v2/write", line);
      CHECK(got.status == 503);
      CHECK(got.header("retry-after") == "1");
      CHECK(object_of(got).at("code").as_string() == "unavailable");
      got = post(server, "/api/v1/readings", object);
      CHECK(got.status == 503);
      CHECK(got.header("retry-after") == "1");
      CHECK(object_of(got).at("code").as_string() == "ENT-1007");
    };
    desk.full = true;
    refused();
    desk.full = false;
    {
      HeldStore held(*desk.site.store);
      desk.site.store->post<int>([](Database&) -> Result<int> { return 0; },
                                 [](const Result<int>&) {});
      refused();
    }
    while (!desk.site.store->run<int>([](Database&) -> Result<int> { return 0; })) {
    }
    CHECK(post(server, "/api/v2/write", line).status == 204);
    CHECK(desk.site.readings("a") == 1);
  }

  TEST_CASE("requests that write are limited in number, and whoever leaves makes room") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    desk.hold();
    std::vector<std::unique_ptr<RawSocket>> writers;
    for (std::size_t i = 0; i < limits::kWritesAtOnce; ++i) {
      writers.push_back(std::make_unique<RawSocket>(server.port));
      REQUIRE(writers.back()->send(request("POST /api/v2/write", "", "m,twin=a pm25=1 1\n")));
    }
    while (desk.jobs < limits::kWritesAtOnce) std::this_thread::yield();
    CHECK(post(server, "/api/v2/write", "m,twin=a pm25=1 1\n").status == 503);
    desk.release();
    for (auto& writer : writers) CHECK(status_of(writer->read_until("\r\n\r\n")) == 204);
    CHECK(post(server, "/api/v2/write", "m,twin=a pm25=1 1\n").status == 204);
  }

  TEST_CASE("a sender is read only as fast as its readings go in") {
    Desk desk;
    RunningServer server([&](RouteTable& table, RunningServer&) { desk.fill(table); });
    desk.hold();
    const std::string line = "m,twin=a pm25=1 " + std::string(1'000, ' ') + "1\n";
    const std::size_t lines = (limits::kHttpLinesBytes - 1'000) / line.size();
    std::string body;
    for (std::size_t i = 0; i < lines; ++i) body += line;
    RawSocket socket(server.port);
    const int small = 65'536;
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    const auto text = request("POST /api/v2/write", "", body);
    ::fcntl(socket.fd(), F_SETFL, ::fcntl(socket.fd(), F_GETFL) | O_NONBLOCK);
    std::size_t sent = 0;
    pollfd ready{socket.fd(), POLLOUT, 0};
    const auto send_while_taken = [&](int milliseconds_most) {
      while (sent < text.size() && ::poll(&ready, 1, milliseconds_most) == 1) {
        const auto some = ::send(socket.fd(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (some > 0) sent += static_cast<std::size_t>(some);
        if (some <= 0 && errno != EAGAIN) break;
      }
    };
    send_while_taken(300);
    CHECK(sent < text.size());  // what is not taken stays with the sender
    CHECK(desk.jobs == 1);
    desk.release();
    send_while_taken(5'000);
    CHECK(sent == text.size());
    CHECK(status_of(socket.read_until("\r\n\r\n")) == 204);
    CHECK(desk.accepted == lines);
  }
}

}  // namespace
}  // namespace entente::node::test
