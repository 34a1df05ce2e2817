// A collector's end: opens a session with its node, names series, keeps signed batches in flight.
//
// Not a spool: what is in memory when the process ends is lost unless append answered. A batch that
// the node is too busy for is signed anew and sent again when the node said to come back.
#pragma once

#include <memory>
#include <optional>

#include "federation/link/loop.h"
#include "node/collect/collector_bundle.h"
#include "node/collect/upload.h"
#include "node/history/history.h"
#include "schemas/base/clock.h"

namespace entente::node {

struct UploadReport {
  AppendReport kept;          // all of it durable
  std::uint64_t missing = 0;  // batches the node says it never saw
};

// Threads: loop. Every promise breaks with DISCONNECTED when the link ends; then make a new one.
// The loop outlives it.
class CollectorClient {
 public:
  // Dials, verifies that the bundle's organisation answers, and opens a session; where the bundle's
  // charters do not know the node's CA key, after asking for newer ones (charter_fetch.h). Breaks:
  // FAILED with the reason when either side refuses the other, DISCONNECTED when nobody answers.
  static kj::Promise<kj::Own<CollectorClient>> connect(federation::Loop& loop, const Clock& clock,
                                                       const CollectorBundle& bundle);
  ~CollectorClient();
  // The charters that were learned on the way, for the bundle (save_bundle); nothing when it had
  // them.
  const std::optional<security::PinnedOrganisation>& newer() const;

  // Numbers of series, in the order of `names`, or why a name has none.
  kj::Promise<std::vector<Result<std::uint32_t>>> series(std::vector<SeriesKey> names);

  // Whether a further batch may go out: at most limits::kUploadsAhead and kUploadBytesAhead do.
  bool has_room() const;
  // Fulfilled at the next answer, or at once when nothing is in flight.
  kj::Promise<void> next_answer();
  std::size_t in_flight() const;
  // One batch of at most limits::kUploadReadings readings; only while there is room. Answered
  // once it is durable, or refused: overloaded after limits::kUploadRetriesNs of trying.
  kj::Promise<Result<UploadReport>> append(UploadColumns columns);

  // One reading of a named series, answered once it is durable. What is put in one turn of the loop
  // goes as one batch, and so does what is put while limits::kUploadsOfSingles batches are under
  // way: a signature and a commit for many, an answer for each. All of a batch are refused
  // together, as append refuses it; and overloaded at once when limits::kSinglesWaiting wait.
  kj::Promise<Outcome> put(std::uint32_t series, Instant time, double value);

  struct Impl;
  explicit CollectorClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::node
