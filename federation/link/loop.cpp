#include "federation/link/loop.h"

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include "schemas/base/log.h"

namespace asio = boost::asio;

namespace entente::federation {
namespace {

// Turns KJ may take before Asio is polled. KJ's default starves an Asio timer through two million.
constexpr unsigned kTurnsPerPoll = 64;
// Polls without an empty queue after which waiting output goes out all the same.
constexpr unsigned kPollsPerFlush = 16;
// Rounds of ready handlers run at the end; what is armed again after them is destroyed unrun.
constexpr int kDrainRounds = 64;

class Port final : public kj::EventPort {
 public:
  explicit Port(asio::io_context& io) : io_(io) {}

  bool wait() override {
    // Output goes first; what it armed on KJ's queue runs before the thread may sleep.
    if (flush()) {
      io_.poll();
    } else {
      io_.run_one();
      io_.poll();
    }
    return woken_.exchange(false);
  }
  bool poll() override {
    if (++polls_ % kPollsPerFlush == 0) flush();
    io_.poll();
    return woken_.exchange(false);
  }
  void wake() const override {
    woken_ = true;
    asio::post(io_, [] {});
  }

  void add(TurnEnd& member) { members_.push_back(&member); }
  void remove(TurnEnd& member) {
    std::replace(members_.begin(), members_.end(), &member, static_cast<TurnEnd*>(nullptr));
    std::replace(flushing_.begin(), flushing_.end(), &member, static_cast<TurnEnd*>(nullptr));
  }

 private:
  bool flush() {
    polls_ = 0;
    if (members_.empty()) return false;
    flushing_.swap(members_);
    for (std::size_t i = 0; i < flushing_.size(); ++i) {
      if (flushing_[i] != nullptr) flushing_[i]->on_turn_end();
    }
    flushing_.clear();
    return true;
  }

  asio::io_context& io_;
  mutable std::atomic<bool> woken_{false};
  std::vector<TurnEnd*> members_;
  std::vector<TurnEnd*> flushing_;
  unsigned polls_ = 0;
};

class LogFailures final : public kj::TaskSet::ErrorHandler {
 public:
  void taskFailed(kj::Exception&& exception) override {
    log::error("link", "a background task failed", {{"what", exception.getDescription().cStr()}});
  }
};

}  // namespace

struct Loop::Impl {
  // A single-threaded hint would break `post` from other threads: Asio keeps its locks.
  std::unique_ptr<asio::io_context> io = std::make_unique<asio::io_context>();
  asio::executor_work_guard<asio::io_context::executor_type> work{io->get_executor()};
  Port port{*io};
  kj::EventLoop events{port};
  kj::WaitScope scope{events};
  LogFailures failures;
  std::unique_ptr<kj::TaskSet> tasks = std::make_unique<kj::TaskSet>(failures);
};

Loop::Loop() : impl_(std::make_unique<Impl>()) { impl_->scope.setBusyPollInterval(kTurnsPerPoll); }

Loop::~Loop() {
  impl_->tasks.reset();
  for (int round = 0; round < kDrainRounds; ++round) {
    impl_->scope.poll();
    if (impl_->io->poll() == 0) break;
  }
  impl_->work.reset();
  impl_->io.reset();
}

void Loop::post(std::function<void()> work) {
  asio::post(*impl_->io, [work = std::move(work)] {
    try {
      work();
    } catch (const kj::Exception& e) {
      log::error("link", "posted work failed", {{"what", e.getDescription().cStr()}});
    } catch (const std::exception& e) {
      log::error("link", "posted work failed", {{"what", e.what()}});
    }
  });
}

kj::Promise<void> Loop::after(Duration delay) {
  struct State {
    explicit State(asio::io_context& io) : timer(io) {}
    asio::steady_timer timer;
    kj::PromiseFulfiller<void>* fulfiller = nullptr;  // null once the promise is gone
  };
  struct Adapter {
    Adapter(kj::PromiseFulfiller<void>& fulfiller, asio::io_context& io, Duration d)
        : state(std::make_shared<State>(io)) {
      state->fulfiller = &fulfiller;
      state->timer.expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(d.ns, 0)));
      state->timer.async_wait([s = state](const boost::system::error_code&) {
        if (s->fulfiller != nullptr) s->fulfiller->fulfill();
      });
    }
    ~Adapter() {
      state->fulfiller = nullptr;
      state->timer.cancel();
    }
    std::shared_ptr<State> state;
  };
  return kj::newAdaptedPromise<void, Adapter>(*impl_->io, delay);
}

void Loop::run(kj::Promise<void> stop) { stop.wait(impl_->scope); }
void Loop::at_turn_end(TurnEnd& member) { impl_->port.add(member); }
void Loop::forget(TurnEnd& member) { impl_->port.remove(member); }
void Loop::keep(kj::Promise<void> work) { impl_->tasks->add(kj::mv(work)); }
asio::io_context& Loop::io() { return *impl_->io; }
kj::WaitScope& Loop::wait_scope() { return impl_->scope; }

}  // namespace entente::federation
