// Threads for work that would block the loop, behind a bounded queue.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "federation/limits.h"
#include "federation/link/loop.h"

namespace entente::federation {

// A fixed number of threads. A job owns its inputs and touches no KJ object. Jobs that were
// accepted run; the destructor waits for them. Threads: `post` from any.
class Workers {
 public:
  explicit Workers(unsigned threads, std::size_t queue = limits::kWorkerQueue);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // False when the queue is full or `stop` was called: the caller answers the refusal.
  [[nodiscard]] bool post(std::function<void()> job);
  // Refuses from now on and waits for the jobs accepted so far.
  void stop();
  std::size_t queued() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {

template <class T>
struct JobOutcome {
  std::optional<T> value;
  std::optional<kj::Exception> fault;
};
template <>
struct JobOutcome<void> {
  std::optional<kj::Exception> fault;
};

template <class T, class Job>
JobOutcome<T> run_catching(Job& job) {
  JobOutcome<T> outcome;
  try {
    if constexpr (std::is_void_v<T>) {
      job();
    } else {
      outcome.value.emplace(job());
    }
  } catch (const kj::Exception& e) {
    outcome.fault.emplace(e);
  } catch (const std::exception& e) {
    outcome.fault.emplace(kj::Exception(kj::Exception::Type::FAILED, "workers", 0,
                                        kj::heapString(e.what())));
  }
  return outcome;
}

template <class T>
void settle(kj::PromiseFulfiller<T>& fulfiller, JobOutcome<T> outcome) {
  if (outcome.fault) {
    fulfiller.reject(kj::mv(*outcome.fault));
  } else if constexpr (std::is_void_v<T>) {
    fulfiller.fulfill();
  } else {
    fulfiller.fulfill(std::move(*outcome.value));
  }
}

}  // namespace detail

// Loop thread. Runs `job` on a worker; its value or its fault comes back to this loop as a KJ
// promise. A full queue is an OVERLOADED fault at once. Dropping the promise does not stop the job.
template <class T, class Job>
kj::Promise<T> off_loop(Loop& loop, Workers& workers, Job job) {
  auto pair = kj::newPromiseAndFulfiller<T>();
  // Shared, because std::function copies; the last copy that matters dies on the loop.
  auto out = std::make_shared<kj::Own<kj::PromiseFulfiller<T>>>(kj::mv(pair.fulfiller));
  auto work = std::make_shared<Job>(std::move(job));
  const bool queued = workers.post([&loop, out, work]() mutable {
    auto outcome = std::make_shared<detail::JobOutcome<T>>(detail::run_catching<T>(*work));
    loop.post([out = std::move(out), outcome = std::move(outcome)] {
      detail::settle<T>(**out, std::move(*outcome));
    });
  });
  if (!queued) {
    return kj::Exception(kj::Exception::Type::OVERLOADED, "workers", 0,
                         kj::heapString("the worker queue is full"));
  }
  return kj::mv(pair.promise);
}

}  // namespace entente::federation
