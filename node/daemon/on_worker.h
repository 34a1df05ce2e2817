// A handler's work on a worker thread.
#pragma once

#include <memory>
#include <utility>

#include "federation/link/bridge.h"
#include "node/daemon/await.h"
#include "node/daemon/core.h"

namespace entente::node {

// Runs `job` on a worker and waits; a full queue or a fault becomes an error. Jobs are named before
// they are handed over: GCC 12 destroys a closure twice that is made inside a co_await expression.
template <class T, class Job>
boost::asio::awaitable<Result<T>> on_worker(Core& core, Job job) {
  using Shared = std::shared_ptr<Result<T>>;
  try {
    auto work = [job = std::move(job)]() mutable { return std::make_shared<Result<T>>(job()); };
    auto promise = federation::off_loop<Shared>(core.loop, *core.workers, std::move(work));
    Shared got = co_await federation::to_awaitable<Shared>(core.loop, kj::mv(promise));
    co_return std::move(*got);
  } catch (const kj::Exception& fault) {
    const bool busy = fault.getType() == kj::Exception::Type::OVERLOADED;
    co_return make_error(busy ? ErrorCode::overloaded : ErrorCode::internal,
                         busy ? "the node has too much to do" : fault.getDescription().cStr());
  }
}

}  // namespace entente::node
