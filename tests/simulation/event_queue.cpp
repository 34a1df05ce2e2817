#include "tests/simulation/event_queue.h"

#include <algorithm>

#include "schemas/base/check.h"

namespace entente::simulation {
namespace {
thread_local EventQueue* current_queue = nullptr;
}  // namespace

EventQueue::EventQueue(std::uint64_t seed) : random_(seed), before_(current_queue) {
  current_queue = this;
}

EventQueue::~EventQueue() {
  current_queue = before_;
}

EventQueue& EventQueue::current() {
  ENTENTE_CHECK(current_queue != nullptr);
  return *current_queue;
}

void EventQueue::after(Duration delay, Work work) {
  const std::int64_t at = now_.ns + std::max<std::int64_t>(delay.ns, 0);
  waiting_.emplace(std::pair{at, order_++}, Event{std::move(work), {}, false});
}

void EventQueue::after(Duration delay, std::weak_ptr<const void> alive, Work work) {
  const std::int64_t at = now_.ns + std::max<std::int64_t>(delay.ns, 0);
  waiting_.emplace(std::pair{at, order_++}, Event{std::move(work), std::move(alive), true});
}

bool EventQueue::step(Duration until) {
  while (!waiting_.empty() && waiting_.begin()->first.first <= until.ns) {
    auto next = waiting_.extract(waiting_.begin());
    now_ = {next.key().first};
    Event& event = next.mapped();
    const auto held = event.alive.lock();
    if (event.bound && !held) continue;
    ++events_;
    event.work();
    return true;
  }
  now_ = std::max(now_, until);
  return false;
}

Duration EventQueue::between(Duration least, Duration most) {
  if (most.ns <= least.ns) return least;
  return {least.ns +
          static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(most.ns - least.ns)))};
}

}  // namespace entente::simulation
