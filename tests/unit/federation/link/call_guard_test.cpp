#include "federation/link/call_guard.h"

#include <doctest/doctest.h>

#include <kj/debug.h>

#include <vector>

using namespace entente;
using namespace entente::federation;

namespace {

struct Stage {
  explicit Stage(LinkLimits l = {}) : guard(std::make_shared<CallGuard>(loop, clock, l)) {}
  void admit(MethodClass klass, std::size_t bytes) {
    tasks.push_back(guard->admit(klass, bytes)
                        .then([this](CallGuard::Permit&& permit) {
                          permits.push_back(std::move(permit));
                        },
                              [this](kj::Exception&& fault) {
                                refused += fault.getType() == kj::Exception::Type::OVERLOADED;
                              })
                        .eagerlyEvaluate(nullptr));
  }
  void settle() { loop.run(loop.after(milliseconds(1))); }
  Loop loop;
  SystemClock clock;
  std::shared_ptr<CallGuard> guard;
  int refused = 0;
  std::vector<CallGuard::Permit> permits;
  std::vector<kj::Promise<void>> tasks;
};

}  // namespace

TEST_SUITE("federation/link/call_guard") {
  TEST_CASE("at most 96 calls are in flight, the rest follows in order") {
    Stage stage;
    for (int i = 0; i < 200; ++i) stage.admit(MethodClass::bulk, 8);
    stage.settle();
    CHECK(stage.permits.size() == 96);
    CHECK(stage.guard->queued() == 104);
    while (!stage.permits.empty()) {
      stage.permits.pop_back();
      stage.settle();
      CHECK(stage.guard->in_flight() <= 96);
      if (stage.guard->queued() == 0) break;
    }
    CHECK(stage.refused == 0);
  }

  TEST_CASE("at most 448 KiB of parameters are in flight") {
    Stage stage;
    for (int i = 0; i < 10; ++i) stage.admit(MethodClass::bulk, 100'000);
    stage.settle();
    CHECK(stage.permits.size() == 4);
    stage.admit(MethodClass::bulk, 458'753);
    stage.settle();
    CHECK(stage.refused == 1);
  }

  TEST_CASE("a full queue refuses, and a caller that gives up leaves it") {
    LinkLimits limits;
    limits.calls_in_flight = 1, limits.calls_queued = 2;
    Stage stage(limits);
    for (int i = 0; i < 4; ++i) stage.admit(MethodClass::bulk, 8);
    stage.settle();
    CHECK(stage.permits.size() == 1);
    CHECK(stage.guard->queued() == 2);
    CHECK(stage.refused == 1);
    stage.tasks.erase(stage.tasks.begin() + 1);
    stage.permits.clear();
    stage.settle();
    CHECK(stage.permits.size() == 1);
    CHECK(stage.guard->queued() == 0);
  }

  TEST_CASE("starts are paced below the partner's rate") {
    LinkLimits limits;
    limits.ask_rate = 200, limits.ask_burst = 10;
    Stage stage(limits);
    const Duration began = stage.clock.steady();
    for (int i = 0; i < 20; ++i) stage.admit(MethodClass::ask, 8);
    stage.settle();
    CHECK(stage.permits.size() == 9);  // 95 % of the burst, whole calls
    while (stage.permits.size() < 20) stage.settle();
    CHECK(stage.clock.steady() - began >= milliseconds(50));
    CHECK(stage.refused == 0);
  }
}
