// Readings on their way from files to the node: batches, their rejects, progress, the end of it.
// What `ingest` and `replay` share.
#pragma once

#include <signal.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "node/cli/followed_file.h"
#include "node/cli/limits.h"
#include "node/cli/render.h"
#include "node/cli/session.h"
#include "node/cli/terminal_text.h"
#include "node/ingest/ingest.h"

namespace entente::node {

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

// What a run works with, file after file. Neither copied nor moved.
struct Delivery {
  Session& session;
  Totals totals{};
  Rejects rejects{totals};
  Progress progress{session};
  std::string rejects_path{};
};

// Sends a batch of `file`, patiently when the node has too much to do, and keeps what it refuses. A
// batch may be sent twice: what the node already has comes back as a duplicate.
Outcome deliver_batch(Delivery& work, const std::string& file, const ReadingBatch& batch);

void show_totals(Session& session, const Totals& totals, double took, bool several);

// The error of a run that had begun.
Error cut_short(Error error, const Totals& totals);

// Turns Ctrl-C into the end of a run, as long as this lives.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;

 private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

// The session's own waiting and ending, else the process's.
FollowedFile::Hooks hooks_of(Session& session);

}  // namespace entente::node
