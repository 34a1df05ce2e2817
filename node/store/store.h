// The thread that owns a database's writing connection, with group commit.
//
// Jobs queue; the thread takes all that wait, runs each in its own savepoint of one transaction,
// commits once (synchronous=FULL), and only then reports. So a reported job is durable, a job that
// failed left nothing, and many jobs share one sync. Reports are handed to `deliver`, which posts
// them to the loop. Stop runs what is queued and then ends.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/store/sqlite.h"

namespace entente::node {

class Store {
 public:
  using Deliver = std::function<void(std::function<void()>)>;
  struct Options {
    std::string path;
    std::vector<const char*> migrations;
    Deliver deliver;
    std::size_t queue_max = 4'096;
    // Reads a file through at opening however large it is.
    bool always_checked = false;
    // Names passed to crash_point() just before and just after each commit; empty = none.
    std::string crash_prefix;
    // Delivered once, after the disk failed for good (StoreFault::fatal): every later job is
    // answered store_failed, and the process should end, so that a restart verifies the file.
    std::function<void(const Error&)> on_broken;
    // Called on the store thread each time the disk was full, before the WAL is copied into the
    // file so that commits find room in it again. May make room.
    std::function<void()> on_full;
  };
  // Opens, checks and migrates the file, then starts the thread. Refuses: conflict (another process
  // writes this file; a lock on `path`.lock says so), store_failed, version_too_new.
  static Result<std::unique_ptr<Store>> open(Options options);
  virtual ~Store() = default;

  template <class T>
  using Settled = std::function<void(const T*)>;

  // Any thread. Runs `job` on the store thread inside the batch's transaction; an Error or a
  // StoreFault undoes it alone. `done` is delivered after the commit, with the job's value or
  // error. `settled`, if any, runs on the store thread between the two, for every job that ran, in
  // their order: with the value after its commit, so that what it publishes is durable and seen
  // before anybody is told; with null when the job was undone. Refuses by delivering overloaded
  // when the queue is full. `T` must be copyable.
  template <class T>
  void post(std::function<Result<T>(Database&)> job, std::function<void(Result<T>)> done,
            Settled<T> settled = {}) {
    auto outcome = std::make_shared<std::optional<Result<T>>>();
    Job queued;
    queued.run = [job = std::move(job), outcome](Database& database) -> bool {
      outcome->emplace(job(database));
      return outcome->value().has_value();
    };
    if (settled) queued.settled = settling(std::move(settled), outcome);
    queued.report = [done = std::move(done), outcome](const Error* failure) {
      if (failure != nullptr || !outcome->has_value()) {
        done(Result<T>(failure != nullptr ? *failure : Error{}));
      } else {
        done(std::move(**outcome));
      }
    };
    enqueue(std::move(queued));
  }

  // Runs `job` and waits for its commit. Never on the loop: for start-up, tests and tools.
  template <class T>
  Result<T> run(std::function<Result<T>(Database&)> job, Settled<T> settled = {});

  // Hands over a report of somebody else's, as this store hands over its own.
  virtual void deliver(std::function<void()> report) const = 0;

  // A new query-only connection to the same file, for one reading thread.
  virtual Result<Database> reader() const = 0;

 protected:
  struct Job {
    std::function<bool(Database&)> run;  // false: undo this job alone
    std::function<void(bool committed)> settled;
    std::function<void(const Error*)> report;  // null: committed or refused by its own error
    bool direct = false;                       // report on the store thread, not through deliver
  };
  virtual void enqueue(Job job) = 0;

  template <class T>
  static std::function<void(bool)> settling(Settled<T> settled,
                                            std::shared_ptr<std::optional<Result<T>>> outcome) {
    return [settled = std::move(settled), outcome = std::move(outcome)](bool committed) {
      settled(committed ? &***outcome : nullptr);
    };
  }
};

}  // namespace entente::node

#include "node/store/store_run.h"
