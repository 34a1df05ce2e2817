// The wires between nodes: who is called, when it arrives, and what becomes of it.
//
// A call is one request and one reply, as bytes. Between two nodes messages keep their order, as on
// one TCP connection; between others they overtake each other. A pair can be cut (what was under
// way breaks with DISCONNECTED), partitioned (nothing arrives until it heals) or slow. When the
// caller drops a call, the callee's work on it is dropped a wire's time later; when the callee
// crashes, the caller is told after a while or never. Threads: one.
#pragma once

#include <kj/async.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "schemas/base/bytes.h"
#include "schemas/base/random.h"
#include "tests/simulation/event_queue.h"

namespace entente::simulation {

// What is called. Feeds' orders name their verb.
enum class Method { ask, feed_start, feed_pull, feed_cancel, tell };

class Network {
 public:
  // Serves a request of `from` at node `at`; rejects as an RPC would.
  using Serve =
      std::function<kj::Promise<Bytes>(std::size_t at, std::size_t from, Method, const Bytes&)>;
  Network(EventQueue& queue, std::size_t nodes, std::uint64_t seed, Serve serve);

  kj::Promise<Bytes> call(std::size_t from, std::size_t to, Method method, Bytes request);

  // Faults.
  void cut(std::size_t a, std::size_t b);
  void partition(std::size_t a, std::size_t b, Duration until);
  void slow(std::size_t node, int factor, Duration until);
  void crashed(std::size_t node);
  void started(std::size_t node);
  // Everything goes well again.
  void heal();
  void clear();

  std::uint64_t messages() const { return messages_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  struct Call {
    std::uint64_t id = 0;  // in the order in which they were made
    std::size_t from = 0, to = 0;
    Method method = Method::ask;
    Bytes request;
    kj::PromiseFulfiller<Bytes>* waiting = nullptr;  // null once nobody waits
    kj::Promise<void> serving = nullptr;
    std::uint64_t wire = 0;  // the wire's number when it began
  };
  using SharedCall = std::shared_ptr<Call>;
  struct Wire {
    Duration base{};
    Duration healed{};         // nothing arrives before
    Duration down_until{};     // a new call breaks at once
    Duration arrives[2]{};     // of the latest message in each direction
    std::uint64_t number = 0;  // of the connection
  };
  struct Adapter;
  friend struct Adapter;
  Wire& wire(std::size_t a, std::size_t b);
  Duration arrival(std::size_t from, std::size_t to, std::size_t bytes);
  void deliver(const SharedCall& call);
  void reply(const SharedCall& call, Bytes bytes);
  void refuse(const SharedCall& call, kj::Exception&& fault);
  void fail(const SharedCall& call, Duration in, const char* why);
  void settle(const SharedCall& call);
  bool broken(const Call& call);
  void dropped(const SharedCall& call);

  EventQueue& queue_;
  const std::size_t nodes_;
  Serve serve_;
  SeededRandom random_;
  std::map<std::pair<std::size_t, std::size_t>, Wire> wires_;
  struct Slowness {
    int factor = 1;
    Duration until{};
  };
  std::vector<Slowness> slow_;
  std::vector<bool> up_;
  std::map<std::uint64_t, SharedCall> calls_;
  std::uint64_t made_ = 0;
  std::uint64_t messages_ = 0, bytes_ = 0;
};

}  // namespace entente::simulation
