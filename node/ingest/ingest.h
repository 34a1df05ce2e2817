// Readings on their way from a reader into the history: found, judged, batched, acknowledged.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/ingest/batch_sender.h"
#include "node/ingest/row_reader.h"
#include "node/ingest/series_names.h"
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
  // Names that were looked up before bring theirs.
  QualityGate* gate = nullptr;
  // Told every reject. Of readings for one unknown twin or signal only the first is told; the rest
  // is counted in the report.
  std::function<void(const Reject&)> on_reject;
  // Told after each durable batch. Returning false stops: what is durable stays.
  std::function<bool(const IngestProgress&)> on_progress;
  SendOptions sending;
  // Everything but the writing: `durable` then says what would have been taken, all as added.
  bool dry_run = false;
};

// Reads to the end. Runs on a worker or a tool's thread, blocks, and keeps at most
// limits::kIngestBatchesAhead batches in memory, so that a slow disk slows the source.
// Refuses: what the reader refuses; what the history refuses (store_failed, disk_full; overloaded
// after SendOptions::patience); each says how far it came, and what was acknowledged stays.
[[nodiscard]] Result<IngestReport> ingest(RowReader& reader, const TwinGraph& graph,
                                          History& history, const Clock& clock,
                                          const IngestOptions& options);
// The same with names that were looked up before; the caller begins the run.
[[nodiscard]] Result<IngestReport> ingest(RowReader& reader, SeriesNames& names, const Clock& clock,
                                          const IngestOptions& options);

// The line of a rejects file: CSV of line, column, reason, text.
std::string reject_line(const Reject& reject);
std::string csv_field(const std::string& text);  // in quotes where it needs them
constexpr std::string_view kRejectHeader = "line,column,reason,text\n";

}  // namespace entente::node
