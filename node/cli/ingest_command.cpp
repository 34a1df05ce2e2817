// `ingest`: files' readings to the node, batch by batch, with progress, keeping bad rows aside.
#include <optional>

#include "node/cli/command.h"
#include "node/cli/delivery.h"
#include "node/cli/file_source.h"
#include "node/cli/limits.h"

namespace entente::node {
namespace {

using Form = OptionSpec::Form;

// `index` of `count` files.
Outcome ingest_file(Delivery& work, const std::string& file, ReadingSource& source,
                    std::size_t index, std::size_t count) {
  while (true) {
    auto batch = source.next(limits::kIngestBatchRows, limits::kIngestBatchBytes);
    if (!batch) return std::move(batch).error();
    if (!*batch) return {};
    if (auto sent = deliver_batch(work, file, **batch); !sent) return sent;
    const double part = (*batch)->progress;
    const double all = (static_cast<double>(index) + part) / static_cast<double>(count);
    work.progress.update(work.totals, part < 0 ? part : all);
  }
}

Outcome ingest_files(Delivery& work, const std::vector<std::string>& paths) {
  Session& session = work.session;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const ReadingFiles files{paths[i], session.value("map"), session.value("format"),
                             session.value("precision"), session.flag("follow")};
    const auto& given = session.local().open_readings;
    auto source = given && !files.map_path.empty()
                      ? given(files)
                      : open_source(files, session.streams().in, hooks_of(session));
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
  Delivery work{session};
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
  if (!outcome) return cut_short(std::move(outcome).error(), totals);
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
