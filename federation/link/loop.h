// The one loop of the process: Boost.Asio's io_context with KJ's event loop riding on it.
//
// KJ asks its EventPort to wait whenever its queue is empty; ours runs one Asio handler and then
// all that are ready. So RPC, HTTP, WebSocket and timers share one thread and need no locks.
// Source of the idea and of its cost (as fast as KJ's own port): security.md section 1.
#pragma once

#include <kj/async.h>

#include <functional>
#include <memory>

#include "schemas/base/time.h"

namespace boost::asio {
class io_context;
}

namespace entente::federation {

// Told when KJ's queue has run empty, just before the thread would sleep: the end of a loop turn.
class TurnEnd {
 public:
  virtual void on_turn_end() = 0;

 protected:
  ~TurnEnd() = default;
};

// Threads: made, used and destroyed on one thread, which becomes the loop thread; only `post` is
// for others. Everything that uses the loop dies before it. At its end the io_context is drained
// and destroyed while KJ's WaitScope still stands, so handlers that own KJ objects may remain.
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Any thread. Runs `work` on the loop; an exception it throws is logged and swallowed. Work
  // posted after the loop's last turn is destroyed unrun.
  void post(std::function<void()> work);

  // Fulfilled after `delay`; dropping the promise cancels the timer.
  [[nodiscard]] kj::Promise<void> after(Duration delay);

  // Drives everything until `stop` is fulfilled; rethrows what breaks it. Never from a handler.
  void run(kj::Promise<void> stop);

  // Calls `member` once at the end of this turn; `forget` before it dies.
  void at_turn_end(TurnEnd& member);
  void forget(TurnEnd& member);

  // Keeps a background promise until it is done or the loop ends; a failure is logged.
  void keep(kj::Promise<void> work);

  boost::asio::io_context& io();
  kj::WaitScope& wait_scope();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::federation
