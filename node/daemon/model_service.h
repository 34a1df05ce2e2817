// The models of the running node: the register, workers of its own so that a fit never delays a
// question or a reading, and a turn each second.
#pragma once

#include <atomic>
#include <memory>

#include "federation/link/loop.h"
#include "federation/link/workers.h"
#include "node/modelling/model_register.h"

namespace entente::node {

// Threads: loop, but for what says otherwise.
class ModelService {
 public:
  explicit ModelService(ModelRegister::Parts parts) : register_(std::move(parts)), workers_(2) {}
  // Refuses: store_failed.
  [[nodiscard]] Outcome load() { return register_.load(); }

  // For workers() only.
  ModelRegister& entries() { return register_; }
  federation::Workers& workers() { return workers_; }
  // Begins a turn unless one is under way.
  void tend();
  // Runs for ever: a turn each second.
  kj::Promise<void> tend_for_ever(federation::Loop& loop);
  // Waits for what was begun.
  void stop() { workers_.stop(); }

 private:
  ModelRegister register_;
  std::atomic<bool> turning_{false};
  federation::Workers workers_;  // last: its jobs use the rest
};

}  // namespace entente::node
