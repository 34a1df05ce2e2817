#include "node/ingest/batch_sender.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace entente::node {

struct BatchSender::Shared {
  enum class State { flying, refused, durable, failed };
  struct Flight {
    Batch batch;
    State state = State::refused;  // not yet sent
    bool counted = false;
  };

  void answer(std::uint64_t serial, Result<AppendReport> written) {
    std::lock_guard guard(mutex);
    auto& flight = flights[static_cast<std::size_t>(serial - first)];
    --flying;
    if (written) {
      if (!flight.counted) durable += *written;
      flight.counted = true;
      flight.state = State::durable;
      ++answered;
    } else if (written.error().code == ErrorCode::overloaded) {
      flight.state = State::refused;
      refusal = std::move(written).error();
    } else {
      flight.state = State::failed;
      if (!failure) failure = std::move(written).error();
    }
    changed.notify_all();
  }

  // What is at the front and answered is done with.
  void drop_done() {
    while (!flights.empty() && flights.front().state >= State::durable) {
      flights.pop_front();
      ++first;
    }
  }
  bool any_refused() const {
    return std::any_of(flights.begin(), flights.end(),
                       [](const Flight& flight) { return flight.state == State::refused; });
  }

  mutable std::mutex mutex;
  std::condition_variable changed;
  std::deque<Flight> flights;
  std::uint64_t first = 0;  // the serial of the front
  std::size_t flying = 0;
  std::uint64_t answered = 0;  // batches that went in
  AppendReport durable;
  std::optional<Error> refusal;
  std::optional<Error> failure;
};

BatchSender::BatchSender(History& history, SendOptions options)
    : history_(history), options_(std::move(options)), shared_(std::make_shared<Shared>()) {}
BatchSender::~BatchSender() = default;

AppendReport BatchSender::durable() const {
  std::lock_guard guard(shared_->mutex);
  return shared_->durable;
}

std::optional<Error> BatchSender::failure() const {
  std::lock_guard guard(shared_->mutex);
  return shared_->failure;
}

void BatchSender::fly(std::uint64_t serial) {
  Batch copy;
  {
    std::lock_guard guard(shared_->mutex);
    auto& flight = shared_->flights[static_cast<std::size_t>(serial - shared_->first)];
    flight.state = Shared::State::flying;
    ++shared_->flying;
    copy = flight.batch;
  }
  history_.append(std::move(copy), [shared = shared_, serial](Result<AppendReport> written) {
    shared->answer(serial, std::move(written));
  });
}

bool BatchSender::send(Batch batch) {
  if (!settle(limits::kIngestBatchesAhead - 1)) return false;
  std::uint64_t serial = 0;
  {
    std::lock_guard guard(shared_->mutex);
    serial = shared_->first + shared_->flights.size();
    shared_->flights.push_back({std::move(batch)});
  }
  fly(serial);
  return true;
}

bool BatchSender::finish() {
  const bool good = settle(0);
  std::unique_lock guard(shared_->mutex);
  shared_->changed.wait(guard, [&] { return shared_->flying == 0; });
  return good && !shared_->failure;
}

// Waits until at most `room` batches are unanswered and none is refused.
bool BatchSender::settle(std::size_t room) {
  while (true) {
    std::unique_lock guard(shared_->mutex);
    shared_->drop_done();
    if (shared_->failure) return false;
    const bool refused = shared_->any_refused();
    if (!refused && shared_->flights.size() <= room) return true;
    if (refused && shared_->flying == 0) {
      guard.unlock();
      if (!send_again()) return false;
      continue;
    }
    const auto flying = shared_->flying;
    shared_->changed.wait(guard, [&] { return shared_->flying < flying; });
  }
}

// All that is unanswered or overtook something that is, in order. Nothing is flying.
bool BatchSender::send_again() {
  std::uint64_t answered = 0, first = 0, end = 0;
  {
    std::lock_guard guard(shared_->mutex);
    if (waited_ >= options_.patience) {
      shared_->failure = shared_->refusal;
      return false;
    }
    answered = shared_->answered;
    first = shared_->first;
    end = first + shared_->flights.size();
  }
  if (options_.pause) {
    options_.pause(pause_);
  } else {
    std::this_thread::sleep_for(std::chrono::nanoseconds(pause_.ns));
  }
  waited_ = waited_ + pause_;
  pause_ = std::min(pause_ * 2, limits::kOverloadPauseMost);
  for (auto serial = first; serial < end; ++serial) {
    fly(serial);
    std::unique_lock guard(shared_->mutex);
    auto& flight = shared_->flights[static_cast<std::size_t>(serial - first)];
    // The next waits for this one's answer: a queue that is full takes nobody out of turn.
    shared_->changed.wait(guard, [&] { return flight.state != Shared::State::flying; });
    if (flight.state != Shared::State::durable) break;
  }
  std::lock_guard guard(shared_->mutex);
  if (shared_->answered > answered) {
    pause_ = limits::kOverloadPauseFirst;
    waited_ = {};
  }
  return true;
}

}  // namespace entente::node
