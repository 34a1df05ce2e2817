// A disk whose syncs stand still for seconds under a node that takes readings over HTTP. The clock
// is the real one, because what is asked is whether anything waits that should not: this is the one
// test that sleeps, for a second; ENTENTE_STALL_SECONDS=1,5,20 stalls for each of these.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "node/daemon/api.h"
#include "node/limits.h"
#include "tests/unit/node/ingest/site.h"
#include "tests/unit/node/service/http_fixture.h"
#include "tests/unit/node/store/counting_vfs.h"

namespace entente::node::test {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::steady_clock;

std::vector<int> stalls() {
  const char* asked = std::getenv("ENTENTE_STALL_SECONDS");
  std::istringstream text(asked == nullptr ? "1" : asked);
  std::vector<int> all;
  for (std::string one; std::getline(text, one, ',');) all.push_back(std::stoi(one));
  return all;
}

double milliseconds_since(steady_clock::time_point begun) {
  return std::chrono::duration<double, std::milli>(steady_clock::now() - begun).count();
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0, resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// A node's routes over a store on that disk.
struct Node {
  void fill(RouteTable& table) {
    add_health_routes(table, {});
    WriteParts parts{[this] { return site.registry->state(); },
                     *site.history,
                     quality,
                     site.clock,
                     [this](WriteParts::Job job) { return work(std::move(job)); },
                     [](std::uint64_t, std::uint64_t) {}};
    add_ingest_routes(table, std::move(parts));
  }
  awaitable<Outcome> work(WriteParts::Job job) {
    auto on_pool = [job = std::move(job)]() -> awaitable<Outcome> { co_return job(); };
    co_return co_await asio::co_spawn(workers, std::move(on_pool), asio::use_awaitable);
  }
  ~Node() { workers.join(); }

  Site site{{"a", "b"}};
  QualityGate quality;
  asio::thread_pool workers{4};
};

HttpResponse post_reading(RunningServer& server, int second) {
  HttpClient::Request request;
  request.method = "POST";
  request.target = "/api/v2/write?precision=s";
  request.body = "m,twin=b pm25=1 " + std::to_string(second);
  request.content_type = "text/plain";
  auto got = server.client(kToken, seconds(60)).send(request);
  INFO((got ? std::string() : got.error().what));
  REQUIRE(got.has_value());
  return std::move(*got);
}

// How long each of the answers took, in order of length.
std::vector<double> ask_livez(RunningServer& server, const std::function<bool()>& go_on) {
  std::vector<double> all;
  while (all.size() < 20 || go_on()) {
    HttpClient::Request request;
    request.target = "/livez";
    const auto begun = steady_clock::now();
    const auto got = server.client().send(request);
    all.push_back(milliseconds_since(begun));
    REQUIRE(got.has_value());
    CHECK(got->status == 200);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::sort(all.begin(), all.end());
  return all;
}

// Readings that came in process, as a collector's do.
struct Flood {
  // Smaller and smaller batches, until there is no room for one reading.
  void fill(History& history, SeriesId id) {
    for (int size = 50'000; size > 0;) {
      Batch batch;
      for (int i = 0; i < size; ++i) {
        batch.add(id, {{(sent + i) * std::int64_t{1'000'000}}, 1.0, Quality::good});
      }
      const int before = refused;
      history.append(std::move(batch), [this](Result<AppendReport> done) {
        if (done) {
          acknowledged += static_cast<int>(done->added);
          return;
        }
        ++refused;
        told = told && done.error().code == ErrorCode::overloaded &&
               done.error().remedy.find("again") != std::string::npos;
      });
      if (refused == before) {
        sent += size;
      } else {
        size = size > 1 ? std::max(1, size / 4) : 0;
      }
    }
  }
  int sent = 0;  // readings that were not refused at once
  std::atomic<int> acknowledged{0}, refused{0};
  std::atomic<bool> told{true};
};

void stall_for(int length) {
  CAPTURE(length);
  CountingVfs vfs;
  Node node;
  RunningServer server([&](RouteTable& table, RunningServer&) { node.fill(table); });
  REQUIRE(post_reading(server, 1).status == 204);
  const auto a = *node.site.history->open_series("a", "pm25");
  const auto before = ask_livez(server, [] { return false; });
  const auto memory = resident_bytes();

  vfs.hold_syncs(true);
  const auto begun = steady_clock::now();
  std::atomic<bool> over{false};
  std::thread disk([&] {
    std::this_thread::sleep_until(begun + std::chrono::seconds(length));
    over = true;
    vfs.hold_syncs(false);
  });
  Flood flood;
  flood.fill(*node.site.history, a);
  CHECK(flood.refused > 0);
  CHECK(flood.told);
  // A sender over HTTP is told when to come back, and comes back until it is let in.
  std::atomic<int> turned_away{0};
  std::atomic<bool> timely{true}, written{false};
  std::thread sender([&] {
    while (true) {
      const auto got = post_reading(server, 2);
      if (got.status == 204) break;
      timely = timely && got.status == 503 && got.header("retry-after") == "1";
      ++turned_away;
    }
    written = true;
  });
  bool early = false;
  const auto during = ask_livez(server, [&] {
    if (over) return false;
    early = early || flood.acknowledged > 0 || written;
    return true;
  });
  const auto grown = resident_bytes() - std::min(memory, resident_bytes());
  disk.join();
  sender.join();
  const double recovered = milliseconds_since(begun) - length * 1'000.0;
  REQUIRE(node.site.history->append_now({}).has_value());  // behind all of them

  const double usual = before[before.size() * 9 / 10], now = during[during.size() * 9 / 10];
  MESSAGE("stalled for ", length, " s: ", during.size(), " answers of /livez, 90 % within ", now,
          " ms (before: ", usual, "), slowest ", during.back(), " ms; ", turned_away.load(),
          " requests turned away; ", grown >> 20, " MiB more; sender let in ", recovered,
          " ms after the end");
  CHECK_FALSE(early);  // nothing is acknowledged that is not on the disk
  CHECK(timely);
  // It waits for limits::kWriteOverloadPatience first.
  CHECK((turned_away > 0 || seconds(length) <= limits::kWriteOverloadPatience + seconds(1)));
  CHECK(now <= std::max(100.0, 3 * usual));
  CHECK(grown <= limits::kPendingReadings * 64 + (std::size_t{64} << 20));
  CHECK(flood.acknowledged == flood.sent);
  CHECK(node.site.readings("a") == static_cast<std::uint64_t>(flood.acknowledged.load()));
  CHECK(node.site.readings("b") == 2);
  CHECK(post_reading(server, 3).status == 204);
}

}  // namespace

TEST_SUITE("node/daemon stalled disk") {
  TEST_CASE("a node on a stalled disk answers and bounds what waits and goes on by itself") {
    for (const int length : stalls()) stall_for(length);
  }
}

}  // namespace entente::node::test
