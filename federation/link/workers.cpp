#include "federation/link/workers.h"

#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>

#include "schemas/base/log.h"

namespace asio = boost::asio;

namespace entente::federation {

struct Workers::Impl {
  Impl(unsigned threads, std::size_t queue) : most(queue), pool(threads) {}
  const std::size_t most;
  std::atomic<std::size_t> waiting{0};
  std::atomic<bool> stopped{false};
  asio::thread_pool pool;
};

Workers::Workers(unsigned threads, std::size_t queue)
    : impl_(std::make_unique<Impl>(threads, queue)) {}
Workers::~Workers() { stop(); }

bool Workers::post(std::function<void()> job) {
  if (impl_->stopped) return false;
  if (impl_->waiting.fetch_add(1) >= impl_->most) {
    impl_->waiting.fetch_sub(1);
    return false;
  }
  asio::post(impl_->pool, [impl = impl_.get(), job = std::move(job)]() mutable {
    impl->waiting.fetch_sub(1);
    try {
      job();
    } catch (const std::exception& e) {
      log::error("workers", "a job failed", {{"what", e.what()}});
    }
    job = nullptr;  // its inputs die here, not when the pool recycles the handler
  });
  return true;
}

void Workers::stop() {
  impl_->stopped = true;
  impl_->pool.join();
}

std::size_t Workers::queued() const { return impl_->waiting; }

}  // namespace entente::federation
