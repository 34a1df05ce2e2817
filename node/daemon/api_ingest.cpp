// Routes that write readings.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>

#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"
#include "node/ingest/ingest.h"
#include "node/ingest/jsonl_reader.h"
#include "node/ingest/line_protocol_reader.h"
#include "node/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// Names looked up for one state of the twins, handed from request to request.
struct Names {
  Names(std::shared_ptr<const TwinState> given, History& history, QualityGate& gate)
      : state(std::move(given)), series(state->graph, history, gate) {}
  // A rehearsal is judged by the same rules and leaves no trace in the gate.
  Names(std::shared_ptr<const TwinState> given, History& history, const RuleBook& book)
      : state(std::move(given)),
        rehearsal(std::make_unique<QualityGate>(book)),
        series(state->graph, history, *rehearsal) {}
  const std::shared_ptr<const TwinState> state;
  const std::unique_ptr<QualityGate> rehearsal;
  SeriesNames series;
};

// What the requests that write share. Loop only.
struct Desk {
  explicit Desk(WriteParts given) : parts(std::move(given)) {}
  const WriteParts parts;
  std::size_t active = 0;
  std::vector<std::shared_ptr<Names>> idle;  // at most limits::kNamesKept
};

// One request's place at the desk.
class Seat {
 public:
  Seat(std::shared_ptr<Desk> desk, bool dry_run) : desk_(std::move(desk)) {
    ++desk_->active;
    auto state = desk_->parts.twins();
    if (dry_run) {
      names_ = std::make_shared<Names>(std::move(state), desk_->parts.history,
                                       *desk_->parts.gate.book());
      return;
    }
    std::erase_if(desk_->idle, [&](const auto& names) { return names->state != state; });
    if (desk_->idle.empty()) {
      names_ = std::make_shared<Names>(std::move(state), desk_->parts.history, desk_->parts.gate);
    } else {
      names_ = std::move(desk_->idle.back());
      desk_->idle.pop_back();
    }
    names_->series.begin_run();
  }
  ~Seat() {
    --desk_->active;
    if (names_->rehearsal == nullptr && desk_->idle.size() < limits::kNamesKept)
      desk_->idle.push_back(std::move(names_));
  }
  Seat(const Seat&) = delete;
  const std::shared_ptr<Names>& names() const { return names_; }

 private:
  std::shared_ptr<Desk> desk_;
  std::shared_ptr<Names> names_;
};

// What became of the lines of one request.
struct Taken {
  struct Refused {
    std::uint64_t line = 0;
    std::string reason;
  };
  AppendReport durable;
  std::uint64_t lines = 0;
  std::uint64_t rejected = 0;
  std::vector<Refused> told;  // at most limits::kWriteRejectsTold

  std::uint64_t accepted() const { return durable.added + durable.corrected + durable.repeated; }
};

using MakeReader = std::function<std::unique_ptr<RowReader>(std::string_view lines)>;

// On a worker: one part of the body goes in durably, or is refused as a whole.
Outcome take_lines(const Desk& desk, Names& names, const std::string& lines,
                   const MakeReader& reader_of, bool dry_run, Taken& total) {
  const auto first = total.lines;
  IngestOptions options;
  options.dry_run = dry_run;
  options.sending.patience = limits::kWriteOverloadPatience;
  options.sending.pause = desk.parts.pause;
  options.on_reject = [&](const Reject& reject) {
    if (total.told.size() < limits::kWriteRejectsTold) {
      total.told.push_back({first + reject.line, reject.reason});
    }
  };
  const auto reader = reader_of(lines);
  auto report = ingest(*reader, names.series, desk.parts.clock, options);
  if (!report) return std::move(report).error();
  total.durable += report->durable;
  total.rejected += report->rejected;
  total.lines += static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  if (!dry_run && desk.parts.count) {
    const auto& durable = report->durable;
    desk.parts.count(durable.added + durable.corrected + durable.repeated, report->rejected);
  }
  return {};
}

Error too_many_writes() {
  return make_error(ErrorCode::overloaded, std::to_string(limits::kWritesAtOnce) +
                                               " requests are already writing readings");
}

// The whole body, part by part: the next is read when the one before is on the disk.
awaitable<Result<Taken>> take_body(std::shared_ptr<Desk> desk, const Call& call,
                                   MakeReader reader_of) {
  if (desk->active >= limits::kWritesAtOnce) co_return too_many_writes();
  const Seat seat(desk, call.dry_run);
  const auto names = seat.names();
  const bool dry_run = call.dry_run;
  auto total = std::make_shared<Taken>();
  bool more = true;
  while (more) {
    std::string lines;
    while (more && lines.size() < limits::kWriteJobBytes) {
      auto chunk = co_await call.lines->next_lines();
      if (!chunk) co_return std::move(chunk).error();
      more = !chunk->empty();
      lines += *chunk;
    }
    if (lines.empty()) break;
    WriteParts::Job job = [desk, names, lines = std::move(lines), reader_of, dry_run, total] {
      return take_lines(*desk, *names, lines, reader_of, dry_run, *total);
    };
    auto taken = co_await desk->parts.on_worker(std::move(job));
    if (!taken) {
      Error error = std::move(taken).error();
      error.what += "; " + std::to_string(total->accepted()) + " readings before line " +
                    std::to_string(total->lines + 1) + " are durable";
      co_return error;
    }
  }
  co_return std::move(*total);
}

awaitable<Result<Reply>> take_readings(std::shared_ptr<Desk> desk, const Call& call) {
  MakeReader reader_of = [](std::string_view lines) -> std::unique_ptr<RowReader> {
    return std::make_unique<JsonLinesReader>(source_of(lines));
  };
  auto taken = co_await take_body(std::move(desk), call, std::move(reader_of));
  if (!taken) co_return std::move(taken).error();
  json::array rejected;
  for (const auto& bad : taken->told) {
    rejected.push_back({{"line", bad.line}, {"reason", bad.reason}});
  }
  co_return Reply::json({{"accepted", taken->accepted()},
                         {"duplicates", taken->durable.repeated},
                         {"bad", taken->durable.bad},
                         {"rejected", std::move(rejected)},
                         {"rejected_rows", taken->rejected}});
}

// --- InfluxDB's words ----------------------------------------------------------------------------

// The code that InfluxDB's clients know for a status.
std::string_view influx_code(int status) {
  if (status == 413) return "too large";
  if (status == 503 || status == 507) return "unavailable";
  if (status >= 500) return "internal error";
  return "invalid";
}

Reply influx_refusal(const Error& error) {
  const int status = std::max(400, http_status(error.code));
  const auto message = error.what + ": " + std::string(error.advice());
  Reply reply = Reply::json({{"code", influx_code(status)}, {"message", message}}, status);
  if (status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

Result<LineOptions> line_options(const Call& call, Instant now) {
  LineOptions options;
  options.arrival = now;
  if (const auto word = call.parameter("precision"); !word.empty()) {
    const auto unit = precision_ns(word);
    if (!unit) {
      return make_error(ErrorCode::invalid_argument,
                        "the precision '" + std::string(word) + "' is unknown",
                        "use ns, us, ms or s");
    }
    options.unit_ns = *unit;
  }
  if (const auto tag = call.parameter("twin"); !tag.empty()) options.naming.twin_tag = tag;
  if (const auto word = call.parameter("signal"); !word.empty()) {
    const auto signal = line_signal_of(word);
    if (!signal) {
      return make_error(ErrorCode::invalid_argument,
                        "the signal '" + std::string(word) + "' is unknown",
                        "use field, measurement or measurement.field");
    }
    options.naming.signal = *signal;
  }
  return options;
}

awaitable<Result<Reply>> take_line_protocol(std::shared_ptr<Desk> desk, const Call& call) {
  auto options = line_options(call, desk->parts.clock.now());
  if (!options) co_return influx_refusal(options.error());
  MakeReader reader_of = [options = *options](std::string_view lines) {
    return std::unique_ptr<RowReader>(
        std::make_unique<LineProtocolReader>(source_of(lines), options));
  };
  auto taken = co_await take_body(std::move(desk), call, std::move(reader_of));
  if (!taken) co_return influx_refusal(taken.error());
  if (taken->rejected == 0) co_return Reply::no_content();
  const Taken::Refused none;
  const auto& first = taken->told.empty() ? none : taken->told.front();
  const std::string message = "partial write: line " + std::to_string(first.line) + ": " +
                              first.reason + "; " + std::to_string(taken->rejected) +
                              " rejected, " + std::to_string(taken->accepted()) + " written";
  co_return Reply::json({{"code", "invalid"}, {"message", message}, {"line", first.line}}, 400);
}

}  // namespace

WriteParts write_parts(Core& core) {
  return {[&core] { return core.twins->state(); },
          *core.history,
          *core.quality,
          core.clock,
          [&core](WriteParts::Job job) -> awaitable<Outcome> {
            auto work = [job = std::move(job)]() -> Result<int> {
              if (auto done = job(); !done) return std::move(done).error();
              return 0;
            };
            auto done = co_await on_worker<int>(core, std::move(work));
            if (!done) co_return std::move(done).error();
            co_return Outcome();
          },
          [&core](std::uint64_t accepted, std::uint64_t rejected) {
            core.metrics.readings(accepted, rejected);
          }};
}

void add_ingest_routes(RouteTable& table, WriteParts parts) {
  const auto desk = std::make_shared<Desk>(std::move(parts));
  table.add({Method::post, "/api/v1/readings", Verb::write_readings, "writeReadings",
             "Takes readings as JSON Lines; acknowledged after the commit", BodyKind::lines,
             [desk](const Call& call) { return take_readings(desk, call); }});
  table.add({Method::post,
             "/api/v2/write",
             Verb::write_readings,
             "writeLineProtocol",
             "Takes readings as InfluxDB line protocol; acknowledged after the commit",
             BodyKind::lines,
             [desk](const Call& call) { return take_line_protocol(desk, call); },
             Access::token,
             {{"precision", "ns, us, ms or s: the unit of the timestamps"},
              {"twin", "the tag that names the twin; 'twin' when not said"},
              {"signal", "what names the signal: field, measurement or measurement.field"},
              {"bucket", "accepted and not used"},
              {"org", "accepted and not used"}}});
}

}  // namespace entente::node
