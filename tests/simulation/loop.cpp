// federation/link/loop.h and workers.h on simulated time. Linked before the federation library,
// these definitions take the place of the product's: same classes, but timers, posted work and
// workers' jobs are events of the EventQueue, and no thread and no socket is made.
#include "federation/link/loop.h"

#include <algorithm>

#include "federation/link/workers.h"
#include "schemas/base/check.h"
#include "schemas/base/log.h"
#include "tests/simulation/event_queue.h"

namespace entente::federation {
namespace {

using simulation::EventQueue;

class Port final : public kj::EventPort {
 public:
  bool wait() override {
    constexpr Duration kForEver{INT64_MAX};
    ENTENTE_CHECK(EventQueue::current().step(kForEver));  // else it would wait for ever
    return false;
  }
  bool poll() override { return false; }
  void wake() const override {}
};

class LogFailures final : public kj::TaskSet::ErrorHandler {
 public:
  void taskFailed(kj::Exception&& exception) override {
    log::error("link", "a background task failed", {{"what", exception.getDescription().cStr()}});
  }
};

// How long a worker takes for a job.
constexpr Duration kJobLeast = microseconds(50), kJobMost = milliseconds(4);

}  // namespace

struct Loop::Impl {
  Port port;
  kj::EventLoop events{port};
  kj::WaitScope scope{events};
  LogFailures failures;
  std::unique_ptr<kj::TaskSet> tasks = std::make_unique<kj::TaskSet>(failures);
};

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() {
  impl_->tasks.reset();
}

void Loop::post(std::function<void()> work) {
  EventQueue::current().after(Duration{}, std::move(work));
}

kj::Promise<void> Loop::after(Duration delay) {
  struct State {
    kj::PromiseFulfiller<void>* fulfiller = nullptr;  // null once the promise is gone
  };
  struct Adapter {
    Adapter(kj::PromiseFulfiller<void>& fulfiller, Duration wait)
        : state(std::make_shared<State>()) {
      state->fulfiller = &fulfiller;
      EventQueue::current().after(wait, std::weak_ptr<const void>(state),
                                  [one = state.get()] { one->fulfiller->fulfill(); });
    }
    ~Adapter() { state->fulfiller = nullptr; }
    std::shared_ptr<State> state;
  };
  const auto& bend = EventQueue::current().timer;
  return kj::newAdaptedPromise<void, Adapter>(bend ? bend(delay) : delay);
}

void Loop::run(kj::Promise<void> stop) {
  stop.wait(impl_->scope);
}
void Loop::at_turn_end(TurnEnd&) {}
void Loop::forget(TurnEnd&) {}
void Loop::keep(kj::Promise<void> work) {
  impl_->tasks->add(kj::mv(work));
}
kj::WaitScope& Loop::wait_scope() {
  return impl_->scope;
}
boost::asio::io_context& Loop::io() {
  log::error("simulation", "there are no sockets in simulated time");
  std::abort();
}

// A node's workers end with it, and what they had in hand with them: a crash.
struct Workers::Impl {
  std::size_t most;
  std::size_t waiting = 0;
  bool stopped = false;
  std::shared_ptr<int> alive = std::make_shared<int>(0);
};

Workers::Workers(unsigned, std::size_t queue) : impl_(std::make_unique<Impl>(Impl{queue})) {}
Workers::~Workers() = default;

bool Workers::post(std::function<void()> job) {
  if (impl_->stopped || impl_->waiting >= impl_->most) return false;
  ++impl_->waiting;
  auto& queue = EventQueue::current();
  queue.after(queue.between(kJobLeast, kJobMost), std::weak_ptr<const void>(impl_->alive),
              [impl = impl_.get(), job = std::move(job)] {
                --impl->waiting;
                job();
              });
  return true;
}

void Workers::stop() {
  impl_->stopped = true;
}
std::size_t Workers::queued() const {
  return impl_->waiting;
}

}  // namespace entente::federation
