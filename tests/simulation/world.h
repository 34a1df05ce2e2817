// One seed, one federation, one run: who takes part, what they agree on, what goes wrong and when.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/context.h"
#include "tests/simulation/network.h"
#include "tests/simulation/node.h"
#include "tests/simulation/referee.h"
#include "tests/simulation/users.h"

namespace entente::simulation {

struct RunOptions {
  std::uint64_t seed = 1;
  Mutation mutation = Mutation::none;
  bool keeps_trace = false;
};

struct RunResult {
  std::optional<std::string> violation;
  std::uint64_t trace_hash = 0;
  std::vector<std::string> trace;  // when kept
  std::uint64_t events = 0, messages = 0, bytes = 0;
  std::uint64_t crashes = 0, faults = 0, misuses = 0;
  Duration simulated{};
  Referee::Counts counts;
};

// Equal options give equal results, whatever ran before in this process. Threads: one at a time a
// process.
RunResult run_federation(const RunOptions& options);

}  // namespace entente::simulation
