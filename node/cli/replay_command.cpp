// `replay`: recorded readings to the node in the order and at the pace of their times.
#include <algorithm>

#include "node/cli/command.h"
#include "node/cli/delivery.h"
#include "node/cli/file_source.h"
#include "node/cli/limits.h"
#include "node/cli/replay.h"
#include "schemas/base/clock.h"

namespace entente::node {
namespace {

using Form = OptionSpec::Form;

Outcome read_files(Delivery& work, const std::vector<std::string>& paths, Recording& recording) {
  Session& session = work.session;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const ReadingFiles files{paths[i], session.value("map"), session.value("format"),
                             session.value("precision"), false};
    const auto& given = session.local().open_readings;
    auto source = given && !files.map_path.empty()
                      ? given(files)
                      : open_source(files, session.streams().in, hooks_of(session));
    if (!source) return std::move(source).error();
    while (true) {
      auto batch = (*source)->next(limits::kIngestBatchRows, limits::kIngestBatchBytes);
      if (!batch) return std::move(batch).error();
      if (!*batch) break;
      auto rejects = recording.add(static_cast<std::uint32_t>(i), **batch);
      if (!rejects) return std::move(rejects).error();
      for (const auto& bad : *rejects) work.rejects.add(paths[i], bad);
    }
  }
  recording.sort();
  return {};
}

// Sends entries [from, to): a request for each stretch of one file, so that what the node refuses
// is named by its place.
Outcome send_part(Delivery& work, const std::vector<std::string>& paths, const Recording& recording,
                  std::size_t from, std::size_t to, Duration shift) {
  const auto& entries = recording.entries();
  while (from < to) {
    std::size_t end = from + 1;
    while (end < to && entries[end].file == entries[from].file) ++end;
    const auto& path = paths[entries[from].file];
    if (auto sent = deliver_batch(work, path, recording.batch(from, end, shift)); !sent) {
      return sent;
    }
    from = end;
  }
  return {};
}

struct Plan {
  Pace pace;
  bool shift = false;
};

// Plays until the end or until it is stopped; says how many readings were sent.
Result<std::size_t> play(Delivery& work, const std::vector<std::string>& paths,
                         const Recording& recording, const Plan& plan) {
  static const SystemClock system;
  const auto& local = work.session.local();
  const Clock& clock = local.clock != nullptr ? *local.clock : system;
  const auto hooks = hooks_of(work.session);
  const auto& entries = recording.entries();
  if (entries.empty()) return std::size_t{0};
  const Instant first{entries.front().time}, last{entries.back().time};
  const Duration begun = clock.steady();
  const Duration shift = plan.shift ? plan.pace.shift_to(clock.now(), first, last) : Duration{};
  std::size_t sent = 0;
  while (sent < entries.size() && !hooks.stopped()) {
    const Instant position = plan.pace.position(first, clock.steady() - begun);
    std::size_t to = sent;
    while (to < entries.size() && to - sent < limits::kIngestBatchRows &&
           entries[to].time <= position.ns) {
      ++to;
    }
    if (to == sent) {
      const Duration wait = plan.pace.wait(position, {entries[sent].time});
      hooks.sleep(std::clamp(wait, limits::kReplayPauseLeast, limits::kReplayPauseMost));
      continue;
    }
    if (auto done = send_part(work, paths, recording, sent, to, shift); !done) {
      return std::move(done).error();
    }
    sent = to;
    work.progress.update(work.totals,
                         static_cast<double>(sent) / static_cast<double>(entries.size()));
  }
  return sent;
}

Result<Plan> plan_of(const Session& session) {
  Plan plan;
  const std::string speed = session.value("speed");
  // Nothing is shown by waiting for what is not kept.
  auto pace = Pace::parse(session.dry_run() ? "max" : speed.empty() ? "1" : speed);
  if (!pace) return std::move(pace).error();
  plan.pace = *pace;
  const std::string shift = session.value("shift");
  if (!shift.empty() && shift != "now" && shift != "none") {
    return make_error(ErrorCode::invalid_argument, "--shift " + shift + " is unknown",
                      "use now or none");
  }
  plan.shift = shift == "now";
  return plan;
}

Result<int> replay_files(Session& session) {
  auto plan = plan_of(session);
  if (!plan) return std::move(plan).error();
  const auto& paths = session.values("FILE");
  Delivery work{session};
  const Interrupt interrupt;
  Recording recording;
  if (auto read = read_files(work, paths, recording); !read) return std::move(read).error();
  auto sent = play(work, paths, recording, *plan);
  work.progress.end();
  if (!sent) return cut_short(std::move(sent).error(), work.totals);
  show_totals(session, work.totals, work.progress.seconds_since_start(), paths.size() > 1);
  const std::size_t left = recording.entries().size() - *sent;
  if (left > 0) session.say("Stopped before the last " + std::to_string(left) + " readings.");
  return 0;
}

}  // namespace

void add_replay_command(CommandTable& table) {
  table.push_back(
      {"replay",
       Effect::rw,
       "Feed recorded readings to the node at the pace of their times",
       {{"FILE", Form::positionals, "",
         "tables (CSV), JSON Lines or line protocol; - for standard input"},
        {"map", Form::value, "FILE", "what a table's columns, or a line's names, mean (TOML)"},
        {"format", Form::value, "csv|jsonl|line", "instead of what the file's name says"},
        {"precision", Form::value, "ns|us|ms|s", "of line protocol's timestamps; else ns"},
        {"speed", Form::value, "NUMBER|max", "how many times faster than they were recorded (1)"},
        {"shift", Form::value, "now|none", "now: move the times up to the present; else none"}},
       {"entente replay day.jsonl --speed 10", "entente replay day.jsonl --speed 60 --shift now",
        "entente replay readings.csv --map readings.toml --speed max"},
       replay_files});
}

}  // namespace entente::node
