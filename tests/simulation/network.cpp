#include "tests/simulation/network.h"

#include <algorithm>
#include <utility>

namespace entente::simulation {
namespace {

constexpr std::int64_t kBytesASecond = 4'000'000;
constexpr Duration kReconnects = seconds(2);

kj::Exception disconnected(const char* why) {
  return kj::Exception(kj::Exception::Type::DISCONNECTED, "simulation", 0, kj::heapString(why));
}

}  // namespace

struct Network::Adapter {
  Adapter(kj::PromiseFulfiller<Bytes>& fulfiller, Network& network_of, SharedCall made)
      : network(network_of), call(std::move(made)) {
    call->waiting = &fulfiller;
  }
  ~Adapter() {
    call->waiting = nullptr;
    network.dropped(call);
  }
  Network& network;
  SharedCall call;
};

Network::Network(EventQueue& queue, std::size_t nodes, std::uint64_t seed, Serve serve)
    : queue_(queue),
      nodes_(nodes),
      serve_(std::move(serve)),
      random_(seed),
      slow_(nodes),
      up_(nodes, false) {
  for (std::size_t a = 0; a < nodes; ++a) {
    for (std::size_t b = a + 1; b < nodes; ++b) {
      wires_[{a, b}].base = milliseconds(static_cast<std::int64_t>(5 + random_.below(75)));
    }
  }
}

Network::Wire& Network::wire(std::size_t a, std::size_t b) {
  return wires_.at({std::min(a, b), std::max(a, b)});
}

Duration Network::arrival(std::size_t from, std::size_t to, std::size_t bytes) {
  Wire& one = wire(from, to);
  const Duration jitter = nanoseconds(
      static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(one.base.ns))));
  std::int64_t takes = one.base.ns + jitter.ns / 4 +
                       static_cast<std::int64_t>(bytes) * 1'000'000'000 / kBytesASecond;
  int factor = 1;
  for (const std::size_t end : {from, to}) {
    if (slow_[end].until > queue_.now()) factor = std::max(factor, slow_[end].factor);
  }
  takes *= factor;
  Duration& latest = one.arrives[from < to ? 0 : 1];
  latest = std::max({latest, queue_.now() + Duration{takes}, one.healed + one.base});
  ++messages_;
  bytes_ += bytes;
  return latest - queue_.now();
}

kj::Promise<Bytes> Network::call(std::size_t from, std::size_t to, Method method, Bytes request) {
  auto made = std::make_shared<Call>();
  made->from = from;
  made->to = to;
  made->method = method;
  made->request = std::move(request);
  made->wire = wire(from, to).number;
  made->id = ++made_;
  calls_.emplace(made->id, made);
  auto promise = kj::newAdaptedPromise<Bytes, Adapter>(*this, made);
  if (wire(from, to).down_until > queue_.now() || !up_[to]) {
    fail(made, wire(from, to).base, "the link is down");
    return promise;
  }
  queue_.after(arrival(from, to, made->request.size()), [this, made] { deliver(made); });
  return promise;
}

bool Network::broken(const Call& call) {
  return wire(call.from, call.to).number != call.wire || !calls_.contains(call.id);
}

void Network::deliver(const SharedCall& call) {
  if (broken(*call) || !up_[call->to]) return;
  auto served = serve_(call->to, call->from, call->method, call->request);
  const auto id = call->id;
  call->serving = served.then([this, id](Bytes bytes) { reply(calls_.at(id), std::move(bytes)); })
                      .eagerlyEvaluate([this, id](kj::Exception&& fault) {
                        const auto known = calls_.find(id);
                        if (known != calls_.end()) refuse(known->second, kj::mv(fault));
                      });
}

void Network::refuse(const SharedCall& call, kj::Exception&& fault) {
  auto kept = std::make_shared<kj::Exception>(kj::mv(fault));
  queue_.after(arrival(call->to, call->from, 64), [this, call, kept] {
    if (broken(*call)) return;
    if (call->waiting != nullptr) call->waiting->reject(kj::cp(*kept));
    settle(call);
  });
}

void Network::reply(const SharedCall& call, Bytes bytes) {
  queue_.after(arrival(call->to, call->from, bytes.size()),
               [this, call, bytes = std::move(bytes)]() mutable {
                 if (broken(*call)) return;
                 if (call->waiting != nullptr) call->waiting->fulfill(std::move(bytes));
                 settle(call);
               });
}

void Network::fail(const SharedCall& call, Duration in, const char* why) {
  queue_.after(in, [this, call, why] {
    if (!calls_.contains(call->id)) return;
    if (call->waiting != nullptr) call->waiting->reject(disconnected(why));
    settle(call);
  });
}

void Network::settle(const SharedCall& call) {
  calls_.erase(call->id);
  call->serving = nullptr;
}

// The caller gave up: the callee hears of it a wire's time later.
void Network::dropped(const SharedCall& call) {
  if (!calls_.contains(call->id)) return;
  queue_.after(wire(call->from, call->to).base, [this, call] {
    if (calls_.contains(call->id)) settle(call);
  });
}

void Network::cut(std::size_t a, std::size_t b) {
  Wire& one = wire(a, b);
  ++one.number;
  one.down_until = queue_.now() + queue_.between(Duration{}, kReconnects);
  std::vector<SharedCall> lost;
  for (const auto& [id, call] : calls_) {
    if (std::minmax(call->from, call->to) == std::minmax(a, b)) lost.push_back(call);
  }
  for (const SharedCall& call : lost) {
    call->serving = nullptr;
    fail(call, one.base, "the connection was lost");
  }
}

void Network::partition(std::size_t a, std::size_t b, Duration until) {
  wire(a, b).healed = std::max(wire(a, b).healed, until);
}

void Network::slow(std::size_t node, int factor, Duration until) {
  slow_[node] = {factor, until};
}

void Network::crashed(std::size_t node) {
  up_[node] = false;
  for (std::size_t other = 0; other < nodes_; ++other) {
    if (other == node) continue;
    // Those that it had called are not told; those that had called it are, or hear nothing.
    std::vector<SharedCall> own;
    for (const auto& [id, call] : calls_) {
      if (call->from == node && call->to == other) own.push_back(call);
    }
    for (const SharedCall& call : own) settle(call);
    cut(node, other);
  }
}

void Network::started(std::size_t node) {
  up_[node] = true;
}

void Network::heal() {
  for (auto& [pair, one] : wires_) {
    one.healed = one.down_until = one.arrives[0] = one.arrives[1] = Duration{};
  }
  for (Slowness& one : slow_) one = {};
}

void Network::clear() {
  auto calls = std::exchange(calls_, {});
  for (auto& [id, call] : calls) {
    call->serving = nullptr;
    call->waiting = nullptr;
  }
}

}  // namespace entente::simulation
