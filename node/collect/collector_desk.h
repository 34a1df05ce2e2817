// What a collector talks to: it opens a session, names its series, and hands in signed batches.
//
// A batch's signature is checked and its columns are decoded on a worker; then, in the order in
// which the batches came, its session and sequence number are checked, its readings are judged and
// handed to the history; the answer goes out after the commit. So a slow disk makes answers late,
// and a collector that has enough of them outstanding stops sending. Threads: loop.
#pragma once

#include <functional>

#include "federation/link/governor.h"
#include "federation/link/workers.h"
#include "node/history/history.h"
#include "schemas/base/random.h"
#include "schemas/wire/collect.capnp.h"

namespace entente::node {

// What all collectors' desks share; outlives them and the history's last answer.
struct CollectParts {
  federation::Loop& loop;
  federation::Workers& workers;
  Random& random;
  History& history;
  // The series of a twin's signal, known to `judge` from now on.
  // Refuses: not_found (what: the twin or the signal), unsupported (no number), overloaded.
  std::function<Result<SeriesId>(std::string_view twin, std::string_view signal)> resolve;
  // Sets every reading's verdict; called on the loop, each collector's batches in their order.
  std::function<void(Batch& batch, Instant now)> judge;
  // Told of every durable batch.
  std::function<void(const std::string& collector, const AppendReport&)> kept;
};

// The rows of schemas/wire/collect.capnp.
const federation::MethodTable& collect_methods();

// The bootstrap object of one connection. `batch_key` verifies the batches. The parts outlive it.
wire::CollectGate::Client make_collect_gate(federation::Caller caller, CollectParts& parts,
                                            PublicKey batch_key);

}  // namespace entente::node
