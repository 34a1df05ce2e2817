#include "node/store/store.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "node/limits.h"
#include "node/store/group_commit.h"
#include "node/store/page_check.h"
#include "node/store/writer_lock.h"

namespace entente::node {
namespace {

class ThreadedStore final : public Store {
 public:
  ThreadedStore(Options options, WriterLock lock, Database database)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        writer_(options_, std::move(database)),
        thread_([this] { serve(); }) {}

  ~ThreadedStore() override {
    {
      std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void deliver(std::function<void()> report) const override {
    if (options_.deliver) {
      options_.deliver(std::move(report));
    } else {
      report();
    }
  }

  Result<Database> reader() const override {
    return Database::open(options_.path, Database::Mode::read_only);
  }

 protected:
  void enqueue(Job job) override {
    {
      std::lock_guard guard(mutex_);
      if (queue_.size() < options_.queue_max) {
        queue_.push_back(std::move(job));
        wake_.notify_one();
        return;
      }
    }
    report(job, make_error(ErrorCode::overloaded, "the store's queue is full"));
  }

 private:
  void report(Job& job, const Error& failure) {
    if (job.direct || !options_.deliver) {
      job.report(&failure);
      return;
    }
    options_.deliver([report = std::move(job.report), failure] { report(&failure); });
  }

  // Waits for jobs; an empty batch means quiet, no value means stop.
  std::optional<std::vector<GroupCommit::Job>> next() {
    std::unique_lock guard(mutex_);
    const auto ready = [this] { return !queue_.empty() || stopping_; };
    if (writer_.wal_waits() && !quiet_) {
      if (!wake_.wait_for(guard, std::chrono::milliseconds(limits::kIdleCheckpointMs), ready)) {
        return std::vector<GroupCommit::Job>();
      }
    } else {
      wake_.wait(guard, ready);
    }
    if (queue_.empty()) return std::nullopt;
    std::vector<GroupCommit::Job> batch;
    while (!queue_.empty() && batch.size() < limits::kCommitJobs) {
      Job& job = queue_.front();
      batch.push_back(
          {std::move(job.run), std::move(job.settled), std::move(job.report), job.direct});
      queue_.pop_front();
    }
    return batch;
  }

  void serve() {
    while (auto batch = next()) {
      quiet_ = batch->empty();
      writer_.run(std::move(*batch));
      writer_.tidy(quiet_);
    }
  }

  // Constant after construction.
  const Options options_;
  const WriterLock lock_;
  // The store thread only (and the constructor before it starts).
  GroupCommit writer_;
  bool quiet_ = false;
  // Guarded by mutex_.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Store>> Store::open(Options options) {
  auto lock = WriterLock::take(options.path);
  if (!lock) return std::move(lock).error();
  if (auto sound = check_wal(options.path); !sound) return std::move(sound).error();
  auto database =
      Database::open(options.path, Database::Mode::read_write,
                     options.always_checked ? Database::Check::always : Database::Check::quick);
  if (!database) return std::move(database).error();
  if (auto migrated = migrate(*database, options.migrations); !migrated) {
    auto error = std::move(migrated).error();
    error.what = options.path + ": " + error.what;
    return error;
  }
  return std::unique_ptr<Store>(
      std::make_unique<ThreadedStore>(std::move(options), std::move(*lock), std::move(*database)));
}

}  // namespace entente::node
