// Batches on their way to the disk: a few ahead, in order, and none lost to a full queue.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "node/history/history.h"
#include "node/limits.h"

namespace entente::node {

struct SendOptions {
  // How long a batch that the history refuses for load is sent again before the run gives up:
  // counted since the last batch that went in.
  Duration patience = limits::kOverloadPatience;
  // Waits between two attempts; empty: sleeps.
  std::function<void(Duration)> pause;
};

// At most limits::kIngestBatchesAhead batches are unanswered; whoever sends more waits, so that a
// slow disk slows the source. A refused batch (overloaded) is sent again when the others are
// answered, after a pause that grows while nothing goes in. Because the last writer wins, batches
// that overtook a refused one are sent again behind it, and counted once. Blocks: for workers and
// tools. Threads: one.
class BatchSender {
 public:
  BatchSender(History& history, SendOptions options);
  ~BatchSender();

  // False when writing has failed, or the patience has ended; this batch is then not sent.
  bool send(Batch batch);
  // Waits for every answer; the same.
  bool finish();

  AppendReport durable() const;
  std::optional<Error> failure() const;

 private:
  struct Shared;
  bool settle(std::size_t room);
  bool send_again();
  void fly(std::uint64_t serial);

  History& history_;
  const SendOptions options_;
  Duration pause_ = limits::kOverloadPauseFirst;
  Duration waited_;
  std::shared_ptr<Shared> shared_;  // with callbacks that may outlive a stopped run
};

}  // namespace entente::node
