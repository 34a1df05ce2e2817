#include "node/ingest/ingest.h"

#include <optional>

#include "node/limits.h"
#include "node/quality/quality_gate.h"

namespace entente::node {
namespace {

std::uint64_t taken(const AppendReport& report) {
  return report.added + report.repeated + report.corrected;
}

class Run {
 public:
  Run(RowReader& reader, SeriesNames& names, const Clock& clock, const IngestOptions& options)
      : reader_(reader),
        names_(names),
        clock_(clock),
        options_(options),
        sender_(names.history(), options.sending) {}

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
  void reject(const Reject& reject) {
    ++report_.rejected;
    if (options_.on_reject) options_.on_reject(reject);
  }

  void take(const Row& row) {
    auto& place = names_.find(row.twin, row.signal);
    if (!place.id) {
      ++report_.rejected;
      if (!options_.on_reject || !names_.tell(place)) return;
      const auto text = std::string(row.twin) + " " + std::string(row.signal);
      options_.on_reject({row.line, row.column, place.refusal, text});
      return;
    }
    batch_.add(*place.id, {row.time, row.value});
  }

  // False when writing has failed or the caller wants to stop.
  bool send() {
    names_.gate().judge(batch_, clock_.now());
    if (options_.dry_run) {
      imagined_.added += batch_.size();
      for (const auto quality : batch_.qualities) imagined_.bad += quality != Quality::good;
      batch_.clear();
      return tell();
    }
    const auto size = batch_.size();
    if (!sender_.send(std::move(batch_))) return false;
    batch_ = {};
    batch_.reserve(size);  // the next is likely to be as large
    return tell();
  }

  AppendReport durable() const { return options_.dry_run ? imagined_ : sender_.durable(); }

  bool tell() {
    if (!options_.on_progress) return true;
    return options_.on_progress({reader_.bytes(), taken(durable()), report_.rejected});
  }

  Result<IngestReport> finish(std::optional<Error> failure) {
    sender_.finish();
    if (!failure) failure = sender_.failure();
    report_.durable = durable();
    report_.rejected += report_.durable.forgotten;
    report_.missing = reader_.missing();
    report_.bytes = reader_.bytes();
    if (!failure) {
      tell();
      return report_;
    }
    failure->what +=
        "; " + std::to_string(taken(report_.durable)) + " readings before it are durable";
    return *failure;
  }

  RowReader& reader_;
  SeriesNames& names_;
  const Clock& clock_;
  const IngestOptions& options_;
  BatchSender sender_;
  IngestReport report_;
  AppendReport imagined_;  // dry run
  Batch batch_;
};

}  // namespace

Result<IngestReport> ingest(RowReader& reader, SeriesNames& names, const Clock& clock,
                            const IngestOptions& options) {
  return Run(reader, names, clock, options).run();
}

Result<IngestReport> ingest(RowReader& reader, const TwinGraph& graph, History& history,
                            const Clock& clock, const IngestOptions& options) {
  QualityGate by_types;
  SeriesNames names(graph, history, options.gate != nullptr ? *options.gate : by_types);
  return ingest(reader, names, clock, options);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string all = "\"";
  for (char c : text) {
    if (c == '"') all += '"';
    all += c;
  }
  return all + "\"";
}

std::string reject_line(const Reject& reject) {
  return std::to_string(reject.line) + "," +
         (reject.column > 0 ? std::to_string(reject.column) : "") + "," + csv_field(reject.reason) +
         "," + csv_field(reject.text) + "\n";
}

}  // namespace entente::node
