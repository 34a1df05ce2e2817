#include "node/ingest/ingest.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "node/limits.h"
#include "node/quality/quality_gate.h"

namespace entente::node {
namespace {

// Batches that are being written; shared with callbacks that may outlive a stopped run.
struct Outstanding {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t count = 0;
  AppendReport durable;
  std::optional<Error> failure;
};

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string all = "\"";
  for (char c : text) {
    if (c == '"') all += '"';
    all += c;
  }
  return all + "\"";
}

class Run {
 public:
  Run(RowReader& reader, const TwinGraph& graph, History& history, const Clock& clock,
      const IngestOptions& options)
      : reader_(reader),
        graph_(graph),
        history_(history),
        clock_(clock),
        options_(options),
        gate_(options.gate != nullptr ? *options.gate : own_gate_) {}

  Result<IngestReport> run() {
    while (true) {
      auto step = reader_.next();
      if (!step) return finish(std::move(step).error());
      if (*step == RowReader::Step::end) break;
      if (*step == RowReader::Step::reject) {
        reject(reader_.reject());
        continue;
      }
      take(reader_.row());
      if (batch_.size() < limits::kIngestReadings) continue;
      if (!send()) return finish(std::nullopt);
    }
    if (batch_.size() > 0) send();
    return finish(std::nullopt);
  }

 private:
  // Where readings of one twin and signal go.
  struct Series {
    std::optional<SeriesId> id;
  };

  void reject(const Reject& reject) {
    ++report_.rejected;
    if (options_.on_reject) options_.on_reject(reject);
  }

  Series& series_of(const Row& row) {
    key_.assign(row.twin).append(1, '\n').append(row.signal);
    const auto found = series_.find(key_);
    if (found != series_.end()) return found->second;
    Series series;
    const auto* twin = graph_.find(row.twin);
    const auto* type = twin == nullptr ? nullptr : graph_.type_of(*twin);
    const auto* signal = type == nullptr ? nullptr : type->signal(row.signal);
    if (signal != nullptr && signal->numeric) {
      if (auto opened = history_.open_series(row.twin, row.signal)) series.id = *opened;
      if (series.id) watch(*series.id, *type, *signal, row.twin);
    } else if (options_.on_reject) {
      const auto why = twin == nullptr     ? "no twin \"" + row.twin + "\" is known"
                       : signal == nullptr ? type->id + " has no signal \"" + row.signal + "\""
                                           : "the signal \"" + row.signal + "\" is no number";
      options_.on_reject({row.line, row.column, why, row.twin + " " + row.signal});
    }
    return series_.emplace(key_, series).first->second;
  }

  // A gate that sees a series for the first time hears where it stood.
  void watch(SeriesId id, const ResolvedType& type, const Signal& signal, const std::string& twin) {
    if (!gate_.watch(id, type, signal, twin)) return;
    if (const auto newest = history_.latest(id)) gate_.prime(id, *newest);
  }

  void take(const Row& row) {
    auto& series = series_of(row);
    if (!series.id) {
      ++report_.rejected;
      return;
    }
    batch_.add(*series.id, {row.time, row.value, Quality::good});
  }

  // Sends the batch when there is room; false when writing has failed or the caller wants to stop.
  bool send() {
    gate_.judge(batch_, clock_.now());
    auto shared = outstanding_;
    {
      std::unique_lock guard(shared->mutex);
      shared->changed.wait(
          guard, [&] { return shared->count < limits::kIngestBatchesAhead || shared->failure; });
      if (shared->failure) return false;
      ++shared->count;
    }
    history_.append(std::move(batch_), [shared](Result<AppendReport> written) {
      std::lock_guard guard(shared->mutex);
      --shared->count;
      if (!written) {
        if (!shared->failure) shared->failure = std::move(written).error();
      } else {
        shared->durable += *written;
      }
      shared->changed.notify_all();
    });
    batch_ = {};
    return tell();
  }

  bool tell() {
    if (!options_.on_progress) return true;
    IngestProgress progress;
    progress.bytes = reader_.bytes();
    progress.rejected = report_.rejected;
    {
      std::lock_guard guard(outstanding_->mutex);
      const auto& durable = outstanding_->durable;
      progress.readings = durable.added + durable.repeated + durable.corrected;
    }
    return options_.on_progress(progress);
  }

  Result<IngestReport> finish(std::optional<Error> failure) {
    std::unique_lock guard(outstanding_->mutex);
    outstanding_->changed.wait(guard, [&] { return outstanding_->count == 0; });
    if (!failure) failure = outstanding_->failure;
    report_.durable = outstanding_->durable;
    guard.unlock();
    report_.missing = reader_.missing();
    report_.bytes = reader_.bytes();
    if (!failure) {
      tell();
      return report_;
    }
    const auto& durable = report_.durable;
    failure->what += "; " + std::to_string(durable.added + durable.repeated + durable.corrected) +
                     " readings before it are durable";
    return *failure;
  }

  RowReader& reader_;
  const TwinGraph& graph_;
  History& history_;
  const Clock& clock_;
  const IngestOptions& options_;
  QualityGate own_gate_;
  QualityGate& gate_;
  IngestReport report_;
  std::unordered_map<std::string, Series> series_;
  std::string key_;
  Batch batch_;
  std::shared_ptr<Outstanding> outstanding_ = std::make_shared<Outstanding>();
};

}  // namespace

Result<IngestReport> ingest(RowReader& reader, const TwinGraph& graph, History& history,
                            const Clock& clock, const IngestOptions& options) {
  return Run(reader, graph, history, clock, options).run();
}

std::string reject_line(const Reject& reject) {
  return std::to_string(reject.line) + "," +
         (reject.column > 0 ? std::to_string(reject.column) : "") + "," + quoted(reject.reason) +
         "," + quoted(reject.text) + "\n";
}

}  // namespace entente::node
