// The caller's own restraint: an honest node never reaches the limits that would cut it off.
//
// At most 96 calls and 448 KiB of parameters are in flight per partner, and starts of each class
// stay below the rate the partner allows; the rest waits in a bounded queue, first come first
// served. The partner's limits (128 open answers, 512 KiB) lie above that with room for messages
// that cross.
#pragma once

#include <capnp/capability.h>
#include <kj/async.h>

#include <deque>
#include <functional>
#include <memory>

#include "federation/limits.h"
#include "federation/link/loop.h"
#include "federation/link/method_table.h"
#include "federation/link/token_bucket.h"
#include "schemas/base/clock.h"

namespace entente::federation {

// Threads: loop.
class CallGuard : public std::enable_shared_from_this<CallGuard> {
 public:
  CallGuard(Loop& loop, const Clock& clock, const LinkLimits& limits);

  // Holds its place until it dies.
  class Permit {
   public:
    Permit(std::shared_ptr<CallGuard> guard, std::size_t bytes)
        : guard_(std::move(guard)), bytes_(bytes) {}
    ~Permit() {
      if (guard_) guard_->give_back(bytes_);
    }
    Permit(Permit&&) = default;
    Permit& operator=(Permit&&) = delete;

   private:
    std::shared_ptr<CallGuard> guard_;
    std::size_t bytes_;
  };

  // Breaks with OVERLOADED when the queue is full or `bytes` alone exceed the limit.
  kj::Promise<Permit> admit(MethodClass klass, std::size_t bytes);
  std::size_t in_flight() const { return calls_; }
  std::size_t queued() const { return waiting_.size(); }

 private:
  struct Waiting {
    MethodClass klass;
    std::size_t bytes;
    kj::Own<kj::PromiseFulfiller<Permit>> go;
  };
  void give_back(std::size_t bytes);
  bool fits(std::size_t bytes) const;
  TokenBucket& bucket(MethodClass klass);
  void serve();

  Loop& loop_;
  const Clock& clock_;
  const LinkLimits limits_;
  TokenBucket ask_, admin_, bulk_;
  std::deque<Waiting> waiting_;
  std::size_t calls_ = 0, bytes_ = 0;
  bool timer_armed_ = false;
};

// A capability that forwards each call to whatever `current` gives at that moment, under the guard.
// `current` may throw: then the call fails at once (DISCONNECTED when there is no link).
capnp::Capability::Client make_guarded(std::shared_ptr<CallGuard> guard,
                                       const MethodTable& methods,
                                       std::function<capnp::Capability::Client()> current);

}  // namespace entente::federation
