// Simulated time: everything that happens in a federation, one event after the other.
//
// An event is work with the time at which it runs. Events of one time run in the order in which
// they were put there, so that equal seeds give equal runs. Nothing takes time by itself: whoever
// wants a disk, a worker or a wire to be slow puts the rest of its work later. Threads: one; the
// newest queue of a thread is the one that the replaced loop and workers (loop.cpp) use.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "schemas/base/random.h"
#include "schemas/base/time.h"

namespace entente::simulation {

class EventQueue {
 public:
  explicit EventQueue(std::uint64_t seed);
  ~EventQueue();
  EventQueue(const EventQueue&) = delete;
  EventQueue& operator=(const EventQueue&) = delete;
  static EventQueue& current();

  using Work = std::function<void()>;
  // True time since the beginning.
  Duration now() const { return now_; }
  void after(Duration delay, Work work);
  // Without effect once `alive` is gone: what a crashed node had in hand.
  void after(Duration delay, std::weak_ptr<const void> alive, Work work);

  // Runs the earliest event that is not later than `until`. False: there is none, and it is `until`
  // now.
  bool step(Duration until);
  std::uint64_t events() const { return events_; }
  // Destroys what has not run.
  void clear() { waiting_.clear(); }

  // Uniform in [least, most]: how long a piece of work takes.
  Duration between(Duration least, Duration most);
  // What a timer of the product waits when it asks for `delay`; a mutation may bend it.
  std::function<Duration(Duration)> timer = {};

 private:
  struct Event {
    Work work;
    std::weak_ptr<const void> alive;
    bool bound = false;
  };
  std::map<std::pair<std::int64_t, std::uint64_t>, Event> waiting_;
  Duration now_{};
  std::uint64_t order_ = 0;
  std::uint64_t events_ = 0;
  SeededRandom random_;
  EventQueue* before_;
};

}  // namespace entente::simulation
