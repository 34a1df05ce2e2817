#include "node/store/group_commit.h"

#include <utility>

#include "node/limits.h"
#include "schemas/base/crash_point.h"
#include "schemas/base/log.h"

namespace entente::node {

void GroupCommit::run(std::vector<Job> jobs) {
  std::vector<Run> batch;
  batch.reserve(jobs.size());
  for (Job& job : jobs) batch.push_back({std::move(job), State::pending, std::nullopt});
  std::size_t from = 0;
  while (from < batch.size()) {
    const auto to = commit(batch, from);
    for (; from < to; ++from) {
      auto& one = batch[from];
      if (one.job.settled) one.job.settled(one.state == State::done);
    }
  }
  for (auto& one : batch) report(one.job, std::move(one.failure));
}

void GroupCommit::tidy(bool quiet) {
  const bool was_full = std::exchange(full_, false);
  if (was_full && options_.on_full) options_.on_full();
  if (was_full || quiet || database_.wal_pages() >= limits::kWalCheckpointPages) checkpoint();
}

void GroupCommit::report(Job& job, std::optional<Error> failure) {
  if (job.direct || !options_.deliver) {
    job.report(failure ? &*failure : nullptr);
    return;
  }
  options_.deliver([report = std::move(job.report), failure = std::move(failure)] {
    report(failure ? &*failure : nullptr);
  });
}

// Runs jobs from `from` on in one transaction and commits. Returns the first job that has not been
// run: less than all when a fault made SQLite undo the transaction on its way.
std::size_t GroupCommit::commit(std::vector<Run>& batch, std::size_t from) {
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

void GroupCommit::pass_crash_point(const char* name) const {
  if (!options_.crash_prefix.empty()) crash_point(options_.crash_prefix + name);
}

// False: the transaction is gone.
bool GroupCommit::run_one(Run& run) {
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
void GroupCommit::fail(std::vector<Run>& batch, std::size_t from, std::size_t to,
                       const Error& error) {
  const Error reason = error;
  for (std::size_t i = from; i < to; ++i) {
    if (batch[i].state == State::refused || batch[i].failure) continue;
    batch[i].state = State::failed;
    batch[i].failure = reason;
  }
}

void GroupCommit::note(const StoreFault& fault) {
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

void GroupCommit::undo(const char* sql) {
  try {
    database_.exec(sql);
  } catch (const StoreFault& fault) {
    note(fault);
  }
}

void GroupCommit::checkpoint() {
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

}  // namespace entente::node
