// `ingest`: files' readings to the node, batch by batch, with progress, keeping bad rows aside.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <csignal>
#include <fstream>
#include <optional>
#include <ostream>
#include <thread>

#include "node/cli/command.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/cli/file_source.h"
#include "node/cli/terminal_text.h"
#include "node/ingest/ingest.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

struct Totals {
  struct Kept {
    std::string file;
    std::uint64_t line = 0;
    std::string reason;
  };
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;
  std::vector<Kept> rejects;  // the first kIngestRejectsKept
};

// What could not go in, for people to repair: CSV of file, line, column, reason, text. Of rows for
// one unknown twin or signal the node names the first of each request.
class Rejects {
 public:
  explicit Rejects(Totals& totals) : totals_(totals) {}
  Outcome open(const std::string& path) {
    out_.open(path, std::ios::binary | std::ios::trunc);
    out_ << "file," << kRejectHeader << std::flush;
    return written(path);
  }
  void add(const std::string& file, const ReadingBatch::Reject& reject) {
    ++totals_.rejected;
    if (totals_.rejects.size() < limits::kIngestRejectsKept) {
      totals_.rejects.push_back({file, reject.line, reject.reason});
    }
    if (!out_.is_open()) return;
    out_ << csv_field(file) << ','
         << reject_line(
                {static_cast<std::size_t>(reject.line), reject.column, reject.reason, reject.text});
  }
  Outcome flush(const std::string& path) {
    if (!out_.is_open()) return {};
    out_ << std::flush;
    return written(path);
  }

 private:
  Outcome written(const std::string& path) const {
    if (out_) return {};
    return make_error(ErrorCode::invalid_argument, "cannot write the rejects to " + path);
  }
  Totals& totals_;
  std::ofstream out_;
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

// What a run works with, file after file.
struct Work {
  Session& session;
  Totals totals{};
  Rejects rejects{totals};
  Progress progress{session};
  std::string rejects_path{};
};

Outcome ingest_batch(Work& work, const std::string& file, const ReadingBatch& batch) {
  for (const auto& bad : batch.rejects) work.rejects.add(file, bad);
  if (batch.json_lines.empty()) return work.rejects.flush(work.rejects_path);
  auto got = send_batch(work.session, batch);
  if (!got) return std::move(got).error();
  work.totals.accepted += whole(*got, "accepted");
  work.totals.duplicates += whole(*got, "duplicates");
  std::uint64_t told = 0;
  std::size_t at = 0;  // where the line `number` begins
  std::uint64_t number = 1;
  for (const json::value& bad : array_of_field(*got, "rejected")) {
    // The node counts lines of the request; people look for lines of the file.
    const std::uint64_t line = whole(bad, "line");
    ReadingBatch::Reject reject{0, text_of_field(bad, "reason"), 0, {}};
    if (line >= 1 && line <= batch.sources.size()) {
      reject.line = batch.sources[line - 1];
      if (line < number) at = 0, number = 1;
      while (number < line) at = batch.json_lines.find('\n', at) + 1, ++number;
      reject.text = batch.json_lines.substr(at, batch.json_lines.find('\n', at) - at);
    }
    work.rejects.add(file, reject);
    ++told;
  }
  work.totals.rejected += std::max(told, whole(*got, "rejected_rows")) - told;
  return work.rejects.flush(work.rejects_path);
}

// `index` of `count` files.
Outcome ingest_file(Work& work, const std::string& file, ReadingSource& source, std::size_t index,
                    std::size_t count) {
  while (true) {
    auto batch = source.next(limits::kIngestBatchRows, limits::kIngestBatchBytes);
    if (!batch) return std::move(batch).error();
    if (!*batch) return {};
    if (auto sent = ingest_batch(work, file, **batch); !sent) return sent;
    const double part = (*batch)->progress;
    const double all = (static_cast<double>(index) + part) / static_cast<double>(count);
    work.progress.update(work.totals, part < 0 ? part : all);
  }
}

void show_totals(Session& session, const Totals& totals, double took, bool several) {
  const double rate = took > 0 ? static_cast<double>(totals.accepted) / took : 0;
  json::array rejects;
  for (const auto& bad : totals.rejects) {
    rejects.push_back(json::object{{"file", bad.file}, {"line", bad.line}, {"reason", bad.reason}});
  }
  json::object payload{{"accepted", totals.accepted},
                       {"duplicates", totals.duplicates},
                       {"rejected_rows", totals.rejected},
                       {"rejected", std::move(rejects)},
                       {"seconds", took},
                       {"readings_per_s", rate}};
  Table table{{{"accepted", "accepted", Kind::integer},
               {"duplicates", "already there", Kind::integer},
               {"rejected_rows", "kept aside", Kind::integer},
               {"seconds", "seconds", Kind::number},
               {"readings_per_s", "readings/s", Kind::number}},
              {{json::value(totals.accepted), json::value(totals.duplicates),
                json::value(totals.rejected), json::value(took), json::value(rate)}}};
  session.show({std::move(payload), std::move(table), "", false});
  if (!session.for_people()) return;
  const std::size_t shown = std::min(totals.rejects.size(), limits::kIngestRejectsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& bad = totals.rejects[i];
    session.say("  " + (several ? bad.file + ", " : std::string()) + "line " +
                std::to_string(bad.line) + ": " + bad.reason);
  }
  if (totals.rejected > shown) {
    session.say("  and " + std::to_string(totals.rejected - shown) +
                " more: -o json lists them, --rejects keeps them");
  }
  if (session.dry_run()) session.say("Nothing was kept (--dry-run).");
}

volatile std::sig_atomic_t interrupted = 0;  // a signal handler reaches nothing else

// Turns Ctrl-C into the end of a followed file, as long as this lives.
class Interrupt {
 public:
  Interrupt() {
    interrupted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    ::sigaction(SIGINT, &action, &before_int_);
    ::sigaction(SIGTERM, &action, &before_term_);
  }
  ~Interrupt() {
    ::sigaction(SIGINT, &before_int_, nullptr);
    ::sigaction(SIGTERM, &before_term_, nullptr);
  }
  Interrupt(const Interrupt&) = delete;

 private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

FollowedFile::Hooks follow_hooks(Session& session) {
  FollowedFile::Hooks hooks;
  hooks.stopped = session.local().stopped;
  hooks.sleep = session.local().sleep;
  if (!hooks.stopped) hooks.stopped = [] { return interrupted != 0; };
  if (!hooks.sleep) {
    hooks.sleep = [](Duration pause) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(pause.ns));
    };
  }
  return hooks;
}

Outcome ingest_files(Work& work, const std::vector<std::string>& paths) {
  Session& session = work.session;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const ReadingFiles files{paths[i], session.value("map"), session.value("format"),
                             session.value("precision"), session.flag("follow")};
    const auto& given = session.local().open_readings;
    auto source = given && !files.map_path.empty()
                      ? given(files)
                      : open_source(files, session.streams().in, follow_hooks(session));
    if (!source) return std::move(source).error();
    if (auto done = ingest_file(work, paths[i], **source, i, paths.size()); !done) {
      Error error = std::move(done).error();
      if (paths.size() > 1) error.what = paths[i] + ": " + error.what;
      return error;
    }
  }
  return {};
}

Result<int> ingest_command(Session& session) {
  const auto& paths = session.values("FILE");
  if (session.flag("follow") && (paths.size() != 1 || paths.front() == "-")) {
    return make_error(ErrorCode::invalid_argument, "--follow takes one file",
                      "run one command for each file");
  }
  Work work{session};
  work.rejects_path = session.value("rejects");
  if (!work.rejects_path.empty()) {
    if (auto opened = work.rejects.open(work.rejects_path); !opened) {
      return std::move(opened).error();
    }
  }
  std::optional<Interrupt> interrupt;
  if (session.flag("follow")) interrupt.emplace();
  auto outcome = ingest_files(work, paths);
  work.progress.end();
  const Totals& totals = work.totals;
  if (!outcome) {
    Error error = std::move(outcome).error();
    if (totals.accepted > 0) {
      error.what += " (after " + std::to_string(totals.accepted) + " accepted readings)";
      if (error.remedy.empty()) error.remedy = std::string(reaction(error.code));
      error.remedy += "; the same file may be ingested again, nothing is kept twice";
    }
    return error;
  }
  show_totals(session, totals, work.progress.seconds_since_start(), paths.size() > 1);
  return 0;
}

}  // namespace

void add_ingest_command(CommandTable& table) {
  table.push_back(
      {"ingest",
       Effect::rw,
       "Bring a file's readings into the node",
       {{"FILE", Form::positionals, "",
         "tables (CSV), JSON Lines or line protocol; - for standard input"},
        {"map", Form::value, "FILE", "what a table's columns, or a line's names, mean (TOML)"},
        {"format", Form::value, "csv|jsonl|line", "instead of what the file's name says"},
        {"precision", Form::value, "ns|us|ms|s", "of line protocol's timestamps; else ns"},
        {"rejects", Form::value, "FILE", "keeps every row that did not go in, with its reason"},
        {"follow", Form::flag, "", "reads on as the file grows, over rotations, until Ctrl-C"}},
       {"entente ingest readings.csv --map readings.toml",
        "entente ingest day-1.jsonl day-2.jsonl --rejects rejects.csv",
        "entente ingest metrics.lp --follow"},
       ingest_command});
}

}  // namespace entente::node
