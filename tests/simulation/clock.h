// A node's clock: true time, set wrong by as much as somebody says.
#pragma once

#include "schemas/base/clock.h"
#include "tests/simulation/event_queue.h"

namespace entente::simulation {

// When every simulation begins.
inline constexpr Instant kBeginning{1'767'225'600'000'000'000};  // 2026-01-01T00:00:00Z

class NodeClock final : public Clock {
 public:
  explicit NodeClock(const EventQueue& queue) : queue_(queue) {}
  Instant now() const override { return kBeginning + queue_.now() + wrong_by; }
  Duration steady() const override { return queue_.now(); }
  Duration wrong_by{};

 private:
  const EventQueue& queue_;
};

}  // namespace entente::simulation
