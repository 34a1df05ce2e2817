// What all parts of one simulated federation share.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "federation/link/loop.h"
#include "federation/ask/site.h"
#include "tests/simulation/event_queue.h"
#include "tests/simulation/mutations.h"
#include "tests/simulation/trace.h"

namespace entente::simulation {

class Network;
class Referee;

struct Context {
  EventQueue& queue;
  federation::Loop& loop;
  Trace& trace;
  const Mutation mutation;
  const std::uint64_t seed;
  const std::size_t nodes;
  bool noisy = true;                // otherwise releases are exact
  Duration grid{};                  // of answers' times
  std::vector<RhoUnits> caps = {};  // of each node's domain, per block
  Network* network = nullptr;
  Referee* referee = nullptr;

  void note(const std::string& who, const std::string& what) { trace.note(queue.now(), who, what); }
};

}  // namespace entente::simulation
