// Readings on their way from a reader into the history: found, judged, batched, acknowledged.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/history/history.h"
#include "node/ingest/row_reader.h"
#include "node/twin/twin_graph.h"
#include "schemas/base/clock.h"

namespace entente::node {

class QualityGate;

struct IngestProgress {
  std::uint64_t bytes = 0;     // taken from the source
  std::uint64_t readings = 0;  // durable so far
  std::uint64_t rejected = 0;
};

struct IngestReport {
  AppendReport durable;  // everything here is on the disk
  std::uint64_t rejected = 0;
  std::uint64_t missing = 0;  // fields with a missing mark
  std::uint64_t bytes = 0;
};

struct IngestOptions {
  // Judges the readings, and outlives the run; null: a gate of this run's own, by the types alone.
  QualityGate* gate = nullptr;
  // Told every reject. Of readings for one unknown twin or signal only the first is told; the rest
  // is counted in the report.
  std::function<void(const Reject&)> on_reject;
  // Told after each durable batch. Returning false stops: what is durable stays.
  std::function<bool(const IngestProgress&)> on_progress;
};

// Reads to the end. Runs on a worker or a tool's thread, blocks, and keeps at most
// limits::kIngestBatchesAhead batches in memory, so that a slow disk slows the source.
// Refuses: what the reader refuses; what the history refuses (store_failed, disk_full); each says
// how far it came, and what was acknowledged stays.
[[nodiscard]] Result<IngestReport> ingest(RowReader& reader, const TwinGraph& graph,
                                          History& history, const Clock& clock,
                                          const IngestOptions& options);

// The line of a rejects file: CSV of line, column, reason, text.
std::string reject_line(const Reject& reject);
constexpr std::string_view kRejectHeader = "line,column,reason,text\n";

}  // namespace entente::node
