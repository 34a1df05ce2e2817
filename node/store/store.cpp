#include "node/store/store.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "node/limits.h"
#include "node/store/page_check.h"
#include "node/store/writer_lock.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"

namespace entente::node {
namespace {

class ThreadedStore final : public Store {
 public:
  ThreadedStore(Options options, WriterLock lock, Database database)
      : options_(std::move(options)),
        lock_(std::move(lock)),
        database_(std::move(database)),
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
  enum class State { pending, done, refused, failed };
  struct Run {
    Job job;
    State state = State::pending;
    std::optional<Error> failure;
  };

  void report(Job& job, std::optional<Error> failure) {
    if (job.direct || !options_.deliver) {
      job.report(failure ? &*failure : nullptr);
      return;
    }
    options_.deliver([report = std::move(job.report), failure = std::move(failure)] {
      report(failure ? &*failure : nullptr);
    });
  }

  // Waits for jobs; an empty batch means quiet, no value means stop.
  std::optional<std::vector<Run>> next() {
    std::unique_lock guard(mutex_);
    const auto ready = [this] { return !queue_.empty() || stopping_; };
    if (database_.wal_pages() > 0 && !quiet_) {
      if (!wake_.wait_for(guard, std::chrono::milliseconds(limits::kIdleCheckpointMs), ready)) {
        return std::vector<Run>();
      }
    } else {
      wake_.wait(guard, ready);
    }
    if (queue_.empty()) return std::nullopt;
    std::vector<Run> batch;
    while (!queue_.empty() && batch.size() < limits::kCommitJobs) {
      batch.push_back({std::move(queue_.front()), State::pending, std::nullopt});
      queue_.pop_front();
    }
    return batch;
  }

  void serve() {
    while (auto batch = next()) {
      quiet_ = batch->empty();
      std::size_t from = 0;
      while (from < batch->size()) {
        const auto to = commit(*batch, from);
        for (; from < to; ++from) {
          auto& run = (*batch)[from];
          if (run.job.settled) run.job.settled(run.state == State::done);
        }
      }
      for (auto& run : *batch) report(run.job, std::move(run.failure));
      const bool was_full = std::exchange(full_, false);
      if (was_full && options_.on_full) options_.on_full();
      if (was_full || quiet_ || database_.wal_pages() >= limits::kWalCheckpointPages) checkpoint();
    }
  }

  // Runs jobs from `from` on in one transaction and commits. Returns the first job that has not
  // been run: less than all when a fault made SQLite undo the transaction on its way.
  std::size_t commit(std::vector<Run>& batch, std::size_t from) {
    std::size_t next = from;
    try {
      if (broken_) throw *broken_;
      database_.exec("BEGIN IMMEDIATE");
      while (next < batch.size()) {
        if (run_one(batch[next++])) continue;
        fail(batch, from, next, *batch[next - 1].failure);
        return next;
      }
      if (broken_) throw *broken_;
      pass_crash_point(".before_commit");
      database_.exec("COMMIT");
      pass_crash_point(".after_commit");
    } catch (const StoreFault& fault) {
      note(fault);
      if (database_.in_transaction()) undo("ROLLBACK");
      fail(batch, from, batch.size(), fault.error());
    }
    return batch.size();
  }

  void pass_crash_point(const char* name) const {
    if (!options_.crash_prefix.empty()) crash_point(options_.crash_prefix + name);
  }

  // False: the transaction is gone.
  bool run_one(Run& run) {
    database_.cached("SAVEPOINT job").run();
    try {
      run.state = run.job.run(database_) ? State::done : State::refused;
    } catch (const StoreFault& fault) {
      note(fault);
      run.state = State::failed;
      run.failure = fault.error();
    } catch (const std::exception& fault) {
      run.state = State::failed;
      run.failure =
          make_error(ErrorCode::internal, std::string("a store job failed: ") + fault.what());
    }
    database_.reset_statements();
    if (!database_.in_transaction()) {
      if (!run.failure) {
        run.failure = make_error(ErrorCode::internal, "a store job ended the batch's transaction");
      }
      run.state = State::failed;
      return false;
    }
    if (run.state != State::done) database_.exec("ROLLBACK TO job");
    database_.cached("RELEASE job").run();
    return true;
  }

  // What refused itself keeps its own reason; everything else of the range was undone by `error`.
  static void fail(std::vector<Run>& batch, std::size_t from, std::size_t to, const Error& error) {
    const Error reason = error;
    for (std::size_t i = from; i < to; ++i) {
      if (batch[i].state == State::refused || batch[i].failure) continue;
      batch[i].state = State::failed;
      batch[i].failure = reason;
    }
  }

  void note(const StoreFault& fault) {
    full_ |= fault.disk_full();
    if (!fault.fatal() || broken_) return;
    broken_ = fault;
    log::error("store", "the disk failed; no further write is tried",
               {{"path", options_.path}, {"fault", fault.what()}});
    if (!options_.on_broken) return;
    const auto tell = [hook = options_.on_broken, error = fault.error()] { hook(error); };
    if (options_.deliver) {
      options_.deliver(tell);
    } else {
      tell();
    }
  }

  void undo(const char* sql) {
    try {
      database_.exec(sql);
    } catch (const StoreFault& fault) {
      note(fault);
    }
  }

  // A checkpoint that fails loses nothing: the WAL stays the durable copy.
  void checkpoint() {
    if (broken_) return;
    try {
      pass_crash_point(".before_checkpoint");
      database_.checkpoint();
      pass_crash_point(".after_checkpoint");
    } catch (const StoreFault& fault) {
      note(fault);
      log::warn("store", "the WAL could not be copied into the file",
                {{"path", options_.path}, {"fault", fault.what()}});
    }
  }

  // Constant after construction.
  const Options options_;
  const WriterLock lock_;
  // The store thread only (and the constructor before it starts).
  Database database_;
  std::optional<StoreFault> broken_;
  bool quiet_ = false;
  bool full_ = false;  // the disk was, during this batch or the last checkpoint
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
