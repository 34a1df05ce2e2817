// The product's store without its thread: jobs wait for the disk as an event, and are then run and
// committed by the product's GroupCommit.
//
// A direct job (Store::run, at start-up and for tools) runs at once, behind those that wait. What
// waits when the node crashes is gone; nobody was told of it. Threads: one
// at a time.
#pragma once

#include <functional>
#include <memory>

#include "node/store/group_commit.h"
#include "node/store/store.h"
#include "tests/simulation/event_queue.h"

namespace entente::simulation {

class SimulatedStore final : public node::Store {
 public:
  struct Times {
    Duration least, most;  // from the first waiting job to its commit
  };
  // As node::Store::open; no other process writes a simulated disk. `committed` follows each batch.
  static Result<std::unique_ptr<SimulatedStore>> open(Options options, EventQueue& queue,
                                                      Times times, std::function<void()> committed);

  void deliver(std::function<void()> report) const override;
  Result<node::Database> reader() const override;

 protected:
  void enqueue(Job job) override;

 private:
  SimulatedStore(Options options, EventQueue& queue, Times times, std::function<void()> committed,
                 node::Database database);
  void commit();
  void copy_wal_when_quiet();

  const Options options_;
  EventQueue& queue_;
  const Times times_;
  const std::function<void()> committed_;
  node::GroupCommit writer_;
  std::vector<node::GroupCommit::Job> waiting_;
  std::uint64_t batches_ = 0;
  bool awaits_quiet_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace entente::simulation
