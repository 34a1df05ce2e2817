// Keeps a number of asks in flight over any Questions capability.
#pragma once

#include <kj/async.h>

#include <chrono>
#include <string>

#include "schemas/wire/gate.capnp.h"
#include "tests/bench/rpc_systems.h"

namespace entente::bench {

class CapnpLoad {
 public:
  CapnpLoad(wire::Questions::Client desk, Load load) : desk_(kj::mv(desk)), load_(load) {
    blob_.assign(static_cast<std::size_t>(load.bytes), 'x');
  }
  // Fulfilled with the number of answers once the time is over and nothing is in flight.
  kj::Promise<std::uint64_t> run(double seconds) {
    answers_ = 0;
    end_ = std::chrono::steady_clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                  std::chrono::duration<double>(seconds));
    const auto in_flight = static_cast<std::size_t>(load_.in_flight);
    auto chains = kj::heapArrayBuilder<kj::Promise<void>>(in_flight);
    for (int i = 0; i < load_.in_flight; ++i) chains.add(chain());
    return kj::joinPromises(chains.finish()).then([this] { return answers_; });
  }

 private:
  using Clock = std::chrono::steady_clock;
  kj::Promise<void> chain() {
    auto request = desk_.askRequest(capnp::MessageSize{blob_.size() / 8 + 8, 0});
    request.setEnvelope(
        kj::arrayPtr(reinterpret_cast<const kj::byte*>(blob_.data()), blob_.size()));
    return request.send().then([this](auto&& response) -> kj::Promise<void> {
      if (response.getOutcome().getSealed().size() != blob_.size()) {
        return kj::Exception(kj::Exception::Type::FAILED, "bench", 0,
                             kj::heapString("a wrong answer"));
      }
      ++answers_;
      if (Clock::now() >= end_) return kj::READY_NOW;
      return chain();
    });
  }

  wire::Questions::Client desk_;
  Load load_;
  std::string blob_;
  std::uint64_t answers_ = 0;
  Clock::time_point end_;
};

// The same service without our choke point.
class PlainEcho final : public wire::Questions::Server {
  kj::Promise<void> ask(AskContext context) override {
    const auto envelope = context.getParams().getEnvelope();
    context.getResults(capnp::MessageSize{envelope.size() / 8 + 8, 0})
        .initOutcome()
        .setSealed(envelope);
    return kj::READY_NOW;
  }
};

}  // namespace entente::bench
