// Time as an interface, so that tests and the simulator own it.
#pragma once

#include <atomic>

#include "schemas/base/time.h"

namespace entente {

// Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall time, which may be set back by an administrator.
  virtual Instant now() const = 0;
  // Monotonic time since an arbitrary start, for deadlines and ages.
  virtual Duration steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  Duration steady() const override;
};

// Moves only when told to.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Instant start) : now_ns_(start.ns) {}
  Instant now() const override { return {now_ns_.load()}; }
  Duration steady() const override { return {steady_ns_.load()}; }
  void advance(Duration by) { now_ns_ += by.ns, steady_ns_ += by.ns; }
  void set_wall(Instant to) { now_ns_ = to.ns; }

 private:
  std::atomic<std::int64_t> now_ns_;
  std::atomic<std::int64_t> steady_ns_{0};
};

}  // namespace entente
