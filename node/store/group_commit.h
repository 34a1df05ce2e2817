// The work of a store on its thread: many jobs in one transaction, one commit, and what becomes of
// each. `store.h` says what its callers are promised; whoever owns a GroupCommit owns the queue,
// the thread and the moment of each step.
//
// Every job runs in a savepoint of one transaction that is committed once (synchronous=FULL). A job
// that refuses or faults is undone alone; a commit that fails undoes all of them but for refusals,
// which keep their reasons; when SQLite undoes the whole transaction on its way, the jobs behind it
// run in a new one. After an I/O error nothing is written any more. Threads: one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/store/sqlite.h"
#include "node/store/store.h"

namespace entente::node {

class GroupCommit {
 public:
  // Of `options`: path (for the log), crash_prefix, deliver, on_broken, on_full.
  GroupCommit(const Store::Options& options, Database database)
      : options_(options), database_(std::move(database)) {}

  struct Job {
    std::function<bool(Database&)> run;  // false: undo this job alone
    std::function<void(bool committed)> settled;
    std::function<void(const Error*)> report;  // null: committed or refused by its own error
    bool direct = false;                       // report at once, not through deliver
  };

  // Runs and commits all, and reports each: as Store promises.
  void run(std::vector<Job> jobs);
  // Copies the WAL into the file when it is long, when there was no room, or when `quiet`. One that
  // fails loses nothing: the WAL stays the durable copy.
  void tidy(bool quiet);
  bool wal_waits() const { return database_.wal_pages() > 0; }

 private:
  enum class State { pending, done, refused, failed };
  struct Run {
    Job job;
    State state = State::pending;
    std::optional<Error> failure;
  };
  std::size_t commit(std::vector<Run>& batch, std::size_t from);
  bool run_one(Run& run);
  static void fail(std::vector<Run>& batch, std::size_t from, std::size_t to, const Error& error);
  void report(Job& job, std::optional<Error> failure);
  void pass_crash_point(const char* name) const;
  void note(const StoreFault& fault);
  void undo(const char* sql);
  void checkpoint();

  const Store::Options& options_;
  Database database_;
  std::optional<StoreFault> broken_;
  bool full_ = false;  // the disk was, during the last jobs or the last checkpoint
};

}  // namespace entente::node
