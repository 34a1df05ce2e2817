// Collectors: edge processes of this organisation that send readings to its node.
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <ostream>
#include <set>
#include <unordered_map>

#include "federation/query/suggest.h"
#include "node/cli/command.h"
#include "node/cli/connection.h"
#include "node/cli/json_fields.h"
#include "node/cli/limits.h"
#include "node/cli/terminal_text.h"
#include "node/collect/collector_client.h"
#include "node/ingest/csv_reader.h"
#include "node/ingest/jsonl_reader.h"
#include "node/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using Form = OptionSpec::Form;

Result<int> add(Session& session) {
  json::object body{{"name", session.value("NAME")}};
  if (!session.value("expires").empty()) body["expires"] = session.value("expires");
  auto got = session.post("/api/v1/collectors", body);
  if (!got) return std::move(got).error();
  const std::string bundle = text_of_field(*got, "bundle");
  const std::string expires = text_of_field(*got, "expires");
  // Alone on standard output, so that scp "$(entente collector add …)" works.
  Table table{{{"bundle", "bundle"}}, {{json::value(bundle)}}};
  session.show({object_of(std::move(*got)), std::move(table), "", true});
  if (session.dry_run()) {
    session.say("Nobody was enrolled (--dry-run).");
  } else if (session.for_people()) {
    session.say("The file is secret and good until " + expires +
                "; run this again before then, which ends the old one at once.\n"
                "At the collector: entente collector send FILE --bundle BUNDLE");
  }
  return 0;
}

Result<int> list(Session& session) {
  auto got = session.get("/api/v1/collectors");
  if (!got) return std::move(got).error();
  Table table{{{"name", "collector"},
               {"state", "state", Kind::state},
               {"connected", "connected"},
               {"since", "since"},
               {"expires", "certificate until"}},
              {}};
  for (const json::value& one : array_of_field(*got, "items")) {
    table.rows.push_back({field(one, "name"), field(one, "state"), field(one, "connected"),
                          field(one, "since"), field(one, "expires")});
  }
  const bool empty = table.rows.empty();
  session.show({object_of(std::move(*got)), std::move(table), "items", false});
  if (empty && session.for_people()) session.say("No collectors yet: entente collector add NAME");
  return 0;
}

Result<int> revoke(Session& session) {
  const std::string name = session.value("NAME");
  auto sure = session.confirm("Collector " + name + " can send nothing more. Revoke it?");
  if (!sure) return std::move(sure).error();
  if (!*sure) return make_error(ErrorCode::invalid_argument, "nothing was done");
  auto got = session.post("/api/v1/collectors/" + url_encoded(name) + "/revoke", json::object{});
  if (!got) return std::move(got).error();
  const json::value state = field(*got, "state");
  session.show({object_of(std::move(*got)),
                properties_table({{"collector", json::value(name)}, {"state", state}}), "", true});
  if (session.dry_run()) session.say("Nothing was changed (--dry-run).");
  return 0;
}

// Reads files and keeps the client busy; everything runs on this thread, which is the loop's.
class Sending {
 public:
  Sending(Session& session, federation::Loop& loop, CollectorClient& client)
      : session_(session), loop_(loop), client_(client) {}

  Outcome file(RowReader& reader) {
    while (true) {
      auto step = reader.next();
      if (!step) return std::move(step).error();
      if (*step == RowReader::Step::end) break;
      if (*step == RowReader::Step::reject) {
        reject(reader.reject().line, reader.reject().reason);
        continue;
      }
      take(reader.row());
      if (rows_.size() < limits::kUploadReadings) continue;
      if (auto sent = send(); !sent) return sent;
    }
    return send();
  }

  // Waits for what is in flight.
  Outcome finish() {
    while (client_.in_flight() > 0) loop_.run(client_.next_answer());
    loop_.run(loop_.after({1}));  // the last answer's own turn
    if (failure_) return *failure_;
    return {};
  }

  struct Totals {
    AppendReport kept;
    std::uint64_t rejected = 0;
    std::vector<std::pair<std::uint64_t, std::string>> rejects;  // line, reason
  };
  const Totals& totals() const { return totals_; }

 private:
  struct Pending {
    std::uint32_t name;  // in names_
    std::int64_t time;
    double value;
    std::uint64_t line;
  };
  struct Name {
    std::optional<Result<std::uint32_t>> number;
  };

  void reject(std::uint64_t line, const std::string& reason) {
    ++totals_.rejected;
    if (totals_.rejects.size() < limits::kIngestRejectsKept) {
      totals_.rejects.emplace_back(line, reason);
    }
  }

  void take(const Row& row) {
    key_.assign(row.twin).append(1, '\n').append(row.signal);
    const auto next = static_cast<std::uint32_t>(names_.size());
    const auto [found, fresh] = index_.try_emplace(key_, next);
    if (fresh) {
      names_.emplace_back();
      unnamed_.push_back({std::string(row.twin), std::string(row.signal)});
    }
    rows_.push_back({found->second, row.time.ns, row.value, row.line});
  }

  // Gets numbers for names that have none yet, then sends the rows.
  Outcome send() {
    if (rows_.empty()) return {};
    if (!unnamed_.empty()) {
      const std::size_t from = names_.size() - unnamed_.size();
      auto numbers = client_.series(std::move(unnamed_)).wait(loop_.wait_scope());
      unnamed_.clear();
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        names_[from + i].number.emplace(std::move(numbers[i]));
      }
    }
    UploadColumns columns;
    columns.reserve(rows_.size());
    for (const Pending& row : rows_) {
      const auto& number = *names_[row.name].number;
      if (number) {
        columns.add(*number, row.time, row.value);
      } else {
        reject(row.line, number.error().what);
      }
    }
    rows_.clear();
    while (!client_.has_room()) loop_.run(client_.next_answer());
    if (failure_) return *failure_;
    if (columns.size() == 0) return {};
    auto settled = [this](Result<UploadReport>&& report) {
      if (!report) {
        if (!failure_) failure_ = std::move(report).error();
        return;
      }
      totals_.kept += report->kept;
      tell();
    };
    auto broken = [this](kj::Exception&& fault) {
      if (!failure_) failure_ = make_error(ErrorCode::peer_unreachable, text_of_fault(fault));
    };
    loop_.keep(client_.append(std::move(columns)).then(std::move(settled), std::move(broken)));
    return {};
  }

  static std::string text_of_fault(const kj::Exception& fault) {
    return "the node is gone: " + std::string(fault.getDescription().cStr());
  }

  void tell() {
    if (!session_.streams().err_is_terminal || session_.flag("quiet")) return;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start_;
    const auto& kept = totals_.kept;
    const std::uint64_t all = kept.added + kept.repeated + kept.corrected;
    session_.streams().err << '\r' << all << " readings, "
                           << fixed(static_cast<double>(all) / took.count(), 0) << "/s\x1b[K"
                           << std::flush;
  }

  Session& session_;
  federation::Loop& loop_;
  CollectorClient& client_;
  Totals totals_;
  std::optional<Error> failure_;
  std::vector<Pending> rows_;
  std::unordered_map<std::string, std::uint32_t> index_;
  std::vector<Name> names_;
  std::vector<SeriesKey> unnamed_;
  std::string key_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

void show_totals(Session& session, const Sending::Totals& totals) {
  json::array rejects;
  for (const auto& [line, reason] : totals.rejects) {
    rejects.push_back(json::object{{"line", line}, {"reason", reason}});
  }
  const auto& kept = totals.kept;
  json::object payload{
      {"added", kept.added}, {"repeated", kept.repeated},        {"corrected", kept.corrected},
      {"bad", kept.bad},     {"rejected_rows", totals.rejected}, {"rejected", std::move(rejects)}};
  Table table{{{"added", "added", Kind::integer},
               {"repeated", "already there", Kind::integer},
               {"corrected", "corrected", Kind::integer},
               {"bad", "not good", Kind::integer},
               {"rejected_rows", "kept aside", Kind::integer}},
              {{json::value(kept.added), json::value(kept.repeated), json::value(kept.corrected),
                json::value(kept.bad), json::value(totals.rejected)}}};
  session.show({std::move(payload), std::move(table), "", false});
  if (!session.for_people()) return;
  const std::size_t shown = std::min(totals.rejects.size(), limits::kIngestRejectsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    session.say("  line " + std::to_string(totals.rejects[i].first) + ": " +
                totals.rejects[i].second);
  }
}

Outcome send_file(Session& session, Sending& sending, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return make_error(ErrorCode::input_unreadable, "cannot open " + path,
                      "name a file that exists and that you may read");
  }
  if (path.ends_with(".jsonl") || path.ends_with(".ndjson")) {
    JsonLinesReader reader(source_of(file));
    return sending.file(reader);
  }
  if (session.value("map").empty()) {
    return make_error(ErrorCode::invalid_argument, "a table needs a mapping of its columns",
                      "add --map MAP.toml; only .jsonl and .ndjson go without");
  }
  auto text = read_whole(session.value("map"), session.streams(), limits::kMappingBytes);
  if (!text) return std::move(text).error();
  auto mapping = read_mapping(*text, session.value("map"));
  if (!mapping) return std::move(mapping).error();
  CsvReader reader(source_of(file), *std::move(mapping));
  return sending.file(reader);
}

// A refusal of the node's begins with its code; anything else is a node out of reach.
Error error_of(const kj::Exception& fault) {
  const std::string text = fault.getDescription().cStr();
  const bool refused = fault.getType() == kj::Exception::Type::FAILED;
  return make_error(refused ? ErrorCode::certificate_refused : ErrorCode::peer_unreachable,
                    "no session with the node: " + text,
                    refused ? "see 'entente collector list' on the node"
                            : "see that the node runs and its collectors' port is reached");
}

Result<int> send(Session& session) {
  auto bundle = load_bundle(session.value("bundle"));
  if (!bundle) return std::move(bundle).error();
  const SystemClock clock;
  if (clock.now() >= bundle->leaf->not_after) {
    return make_error(ErrorCode::certificate_refused, "this bundle's certificate has expired",
                      "renew it with 'entente collector add' on the node");
  }
  if (session.dry_run()) {
    session.say("The bundle of " + bundle->name + " is sound; nothing was sent (--dry-run).");
    return 0;
  }
  federation::Loop loop;
  try {
    auto client = CollectorClient::connect(loop, clock, *bundle).wait(loop.wait_scope());
    if (client->newer()) {
      // The way over a rotation is short from now on; without it the next connection asks again.
      bundle->organisation = *client->newer();
      if (auto kept = save_bundle(session.value("bundle"), *bundle); !kept) {
        session.say("The bundle was not brought up to date: " + kept.error().what);
      }
    }
    Sending sending(session, loop, *client);
    Outcome outcome;
    for (const std::string& path : session.values("FILE")) {
      if (outcome) outcome = send_file(session, sending, path);
    }
    if (auto finished = sending.finish(); outcome && !finished) outcome = finished;
    if (session.streams().err_is_terminal) session.streams().err << "\r\x1b[K" << std::flush;
    if (!outcome) {
      Error error = outcome.error();
      error.what += " (" + std::to_string(sending.totals().kept.added) +
                    " readings before it are durable; the same file may be sent again)";
      return error;
    }
    show_totals(session, sending.totals());
    return 0;
  } catch (const kj::Exception& fault) {
    return error_of(fault);
  }
}

}  // namespace

void add_collector_commands(CommandTable& table) {
  const OptionSpec name{"NAME", Form::positional, "", "the collector's short name"};
  table.push_back({"collector add",
                   Effect::rw,
                   "Enrol a collector, or renew one, and write its bundle",
                   {name, {"expires", Form::value, "TIME", "like 7d (30d, at most 92d)"}},
                   {"entente collector add gate-3"},
                   add});
  table.push_back({"collector list",
                   Effect::ro,
                   "Collectors: state, connected, certificate",
                   {},
                   {"entente collector list"},
                   list});
  table.push_back({"collector revoke",
                   Effect::rw,
                   "End a collector's right to send",
                   {name},
                   {"entente collector revoke gate-3"},
                   revoke});
  table.push_back({"collector send",
                   Effect::rw,
                   "Send files' readings to the node from afar, signed",
                   {{"FILE", Form::positionals, "", "tables (CSV) or JSON Lines"},
                    {"bundle", Form::value, "FILE", "what 'collector add' wrote"},
                    {"map", Form::value, "FILE", "what a table's columns mean (TOML)"}},
                   {"entente collector send day.jsonl --bundle gate-3.bundle"},
                   send});
}

}  // namespace entente::node
