#include "tests/simulation/store.h"

#include <utility>

#include "node/limits.h"

namespace entente::simulation {

using node::Database;
using node::GroupCommit;

Result<std::unique_ptr<SimulatedStore>> SimulatedStore::open(Options options, EventQueue& queue,
                                                             Times times,
                                                             std::function<void()> committed) {
  auto database = Database::open(options.path, Database::Mode::read_write, Database::Check::always);
  if (!database) return std::move(database).error();
  if (auto migrated = node::migrate(*database, options.migrations); !migrated) {
    return std::move(migrated).error();
  }
  return std::unique_ptr<SimulatedStore>(new SimulatedStore(
      std::move(options), queue, times, std::move(committed), std::move(*database)));
}

SimulatedStore::SimulatedStore(Options options, EventQueue& queue, Times times,
                               std::function<void()> committed, Database database)
    : options_(std::move(options)),
      queue_(queue),
      times_(times),
      committed_(std::move(committed)),
      writer_(options_, std::move(database)) {}

void SimulatedStore::deliver(std::function<void()> report) const {
  options_.deliver(std::move(report));
}

Result<Database> SimulatedStore::reader() const {
  return Database::open(options_.path, Database::Mode::read_only);
}

void SimulatedStore::enqueue(Job job) {
  const bool direct = job.direct;
  waiting_.push_back(
      {std::move(job.run), std::move(job.settled), std::move(job.report), job.direct});
  if (direct) return commit();
  if (waiting_.size() > 1) return;
  queue_.after(queue_.between(times_.least, times_.most), std::weak_ptr<const void>(alive_),
               [this] { commit(); });
}

void SimulatedStore::commit() {
  if (waiting_.empty()) return;
  ++batches_;
  writer_.run(std::exchange(waiting_, {}));
  writer_.tidy(false);
  if (committed_) committed_();
  copy_wal_when_quiet();
}

void SimulatedStore::copy_wal_when_quiet() {
  if (!writer_.wal_waits() || std::exchange(awaits_quiet_, true)) return;
  queue_.after(milliseconds(node::limits::kIdleCheckpointMs), std::weak_ptr<const void>(alive_),
               [this, seen = batches_] {
                 awaits_quiet_ = false;
                 if (batches_ != seen) return copy_wal_when_quiet();
                 writer_.tidy(true);
               });
}

}  // namespace entente::simulation
