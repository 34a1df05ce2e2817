#include "node/cli/delivery.h"

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <thread>

#include "node/cli/json_fields.h"

namespace entente::node {
namespace {

namespace json = boost::json;

std::uint64_t whole(const json::value& object, std::string_view name) {
  return static_cast<std::uint64_t>(std::max(0.0, number_of_field(object, name).value_or(0)));
}

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

volatile std::sig_atomic_t interrupted = 0;  // a signal handler reaches nothing else

}  // namespace

Outcome deliver_batch(Delivery& work, const std::string& file, const ReadingBatch& batch) {
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

Error cut_short(Error error, const Totals& totals) {
  if (totals.accepted == 0) return error;
  error.what += " (after " + std::to_string(totals.accepted) + " accepted readings)";
  if (error.remedy.empty()) error.remedy = std::string(reaction(error.code));
  error.remedy += "; the same file may be ingested again, nothing is kept twice";
  return error;
}

Interrupt::Interrupt() {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  ::sigaction(SIGINT, &action, &before_int_);
  ::sigaction(SIGTERM, &action, &before_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
}

FollowedFile::Hooks hooks_of(Session& session) {
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

}  // namespace entente::node
