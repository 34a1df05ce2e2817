// `ingest`: a file's readings to the node, batch by batch, with progress, keeping bad rows aside.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <istream>
#include <ostream>
#include <thread>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/cli/table_source.h"
#include "node/cli/terminal_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

// Readings that already are JSON Lines: sent as they are, checked by the node.
class LinesSource final : public ReadingSource {
 public:
  LinesSource(std::istream& in, std::uint64_t size) : in_(in), size_(size) {}

  Result<std::optional<ReadingBatch>> next(std::size_t rows, std::size_t bytes) override {
    ReadingBatch batch;
    std::string line;
    while (batch.sources.size() < rows && batch.json_lines.size() < bytes &&
           std::getline(in_, line)) {
      ++number_;
      read_ += line.size() + 1;
      if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
      batch.json_lines += line;
      batch.json_lines += '\n';
      batch.sources.push_back(number_);
    }
    if (in_.bad()) return make_error(ErrorCode::input_unreadable, "the file cannot be read on");
    if (batch.sources.empty()) return std::optional<ReadingBatch>{};
    if (size_ > 0) {
      batch.progress = std::min(1.0, static_cast<double>(read_) / static_cast<double>(size_));
    }
    return std::optional<ReadingBatch>(std::move(batch));
  }

 private:
  std::istream& in_;
  std::uint64_t size_;
  std::uint64_t number_ = 0;
  std::uint64_t read_ = 0;
};

struct Totals {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::vector<ReadingBatch::Reject> rejects;  // the first kIngestRejectsKept

  void reject(std::uint64_t line, std::string reason) {
    ++rejected;
    if (rejects.size() < limits::kIngestRejectsKept) rejects.push_back({line, std::move(reason)});
  }
};

std::uint64_t whole(const json::value& object, std::string_view name) {
  return static_cast<std::uint64_t>(std::max(0.0, number_of_field(object, name).value_or(0)));
}

// A line on a terminal that is written over; nothing elsewhere.
class Progress {
 public:
  explicit Progress(Session& session)
      : session_(session), shown_(session.streams().err_is_terminal && !session.flag("quiet")) {}
  void update(const Totals& totals, double part) {
    if (!shown_) return;
    const double took = seconds_since_start();
    std::string text = std::to_string(totals.accepted) + " readings";
    if (part >= 0) text += ", " + fixed(part * 100, 0) + " %";
    if (took > 0.2) text += ", " + fixed(static_cast<double>(totals.accepted) / took, 0) + "/s";
    if (totals.rejected > 0) text += ", " + std::to_string(totals.rejected) + " rows kept aside";
    session_.streams().err << '\r' << text << "\x1b[K" << std::flush;
  }
  void end() {
    if (shown_) session_.streams().err << "\r\x1b[K" << std::flush;
  }
  double seconds_since_start() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  Session& session_;
  bool shown_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// A batch may be sent twice: what the node already has comes back as a duplicate.
Result<json::value> send_batch(Session& session, const ReadingBatch& batch) {
  Duration pause = limits::kIngestRetryFirst;
  for (int attempt = 0;; ++attempt) {
    auto got = session.post_text("/api/v1/readings", batch.json_lines, "application/x-ndjson");
    if (got || got.error().code != ErrorCode::overloaded || attempt == limits::kIngestRetries) {
      return got;
    }
    if (session.local().sleep) {
      session.local().sleep(pause);
    } else {
      std::this_thread::sleep_for(std::chrono::nanoseconds(pause.ns));
    }
    pause = std::min(pause * 2, limits::kIngestRetryMost);
  }
}

Outcome ingest_all(Session& session, ReadingSource& source, Totals& totals, Progress& progress) {
  while (true) {
    auto batch = source.next(limits::kIngestBatchRows, limits::kIngestBatchBytes);
    if (!batch) return std::move(batch).error();
    if (!*batch) return {};
    for (auto& bad : (*batch)->rejects) totals.reject(bad.line, std::move(bad.reason));
    if (!(*batch)->json_lines.empty()) {
      auto got = send_batch(session, **batch);
      if (!got) return std::move(got).error();
      totals.accepted += whole(*got, "accepted");
      totals.duplicates += whole(*got, "duplicates");
      for (const json::value& bad : array_of_field(*got, "rejected")) {
        // The node counts lines of the request; people look for lines of the file.
        const std::uint64_t line = whole(bad, "line");
        const auto& sources = (*batch)->sources;
        totals.reject(line >= 1 && line <= sources.size() ? sources[line - 1] : 0,
                      text_of_field(bad, "reason"));
      }
    }
    progress.update(totals, (*batch)->progress);
  }
}

void show_totals(Session& session, const Totals& totals, double took) {
  json::array rejects;
  for (const auto& bad : totals.rejects) {
    rejects.push_back(json::object{{"line", bad.line}, {"reason", bad.reason}});
  }
  json::object payload{{"accepted", totals.accepted},
                       {"duplicates", totals.duplicates},
                       {"rejected_rows", totals.rejected},
                       {"rejected", std::move(rejects)},
                       {"seconds", took}};
  Table table{{{"accepted", "accepted", Kind::integer},
               {"duplicates", "already there", Kind::integer},
               {"rejected_rows", "kept aside", Kind::integer},
               {"seconds", "seconds", Kind::number}},
              {{json::value(totals.accepted), json::value(totals.duplicates),
                json::value(totals.rejected), json::value(took)}}};
  session.show({std::move(payload), std::move(table), "", false});
  if (!session.for_people()) return;
  const std::size_t shown = std::min(totals.rejects.size(), limits::kIngestRejectsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    session.say("  line " + std::to_string(totals.rejects[i].line) + ": " +
                totals.rejects[i].reason);
  }
  if (totals.rejected > shown) {
    session.say("  and " + std::to_string(totals.rejected - shown) + " more: -o json lists them");
  }
  if (session.dry_run()) session.say("Nothing was kept (--dry-run).");
}

Result<int> run(Session& session, ReadingSource& source) {
  Totals totals;
  Progress progress(session);
  auto outcome = ingest_all(session, source, totals, progress);
  progress.end();
  if (!outcome) {
    Error error = std::move(outcome).error();
    if (totals.accepted > 0) {
      error.what += " (after " + std::to_string(totals.accepted) + " accepted readings)";
      if (error.remedy.empty()) error.remedy = std::string(reaction(error.code));
      error.remedy += "; the same file may be ingested again, nothing is kept twice";
    }
    return error;
  }
  show_totals(session, totals, progress.seconds_since_start());
  return 0;
}

Result<int> ingest(Session& session) {
  const std::string path = session.value("FILE");
  const std::string map = session.value("map");
  if (!map.empty()) {
    const ReadingFiles files{path, map};
    auto source = session.local().open_readings ? session.local().open_readings(files)
                                                : open_table(files, session.streams().in);
    if (!source) return std::move(source).error();
    return run(session, **source);
  }
  if (path == "-") {
    LinesSource source(session.streams().in, 0);
    return run(session, source);
  }
  if (!path.ends_with(".jsonl") && !path.ends_with(".ndjson")) {
    return make_error(ErrorCode::invalid_argument, "a table needs a mapping of its columns",
                      "add --map MAP.toml; only .jsonl and .ndjson go without");
  }
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) {
    return make_error(ErrorCode::input_unreadable, "cannot open " + path,
                      "name a file that exists and that you may read");
  }
  const auto size = static_cast<std::uint64_t>(std::max<std::streamoff>(0, file.tellg()));
  file.seekg(0);
  LinesSource source(file, size);
  return run(session, source);
}

}  // namespace

void add_ingest_command(CommandTable& table) {
  table.push_back(
      {"ingest",
       Effect::rw,
       "Bring a file's readings into the node",
       {{"FILE", Form::positional, "", "a table (CSV), or JSON Lines; - for standard input"},
        {"map", Form::value, "FILE", "what the table's columns mean (TOML)"}},
       {"entente ingest readings.csv --map readings.toml", "entente ingest day.jsonl"},
       ingest});
}

}  // namespace entente::node
