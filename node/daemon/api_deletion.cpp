// Deleting twins with all that is kept of them.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "node/daemon/api.h"
#include "node/daemon/await.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/twin_query.h"
#include "node/limits.h"
#include "node/store/audit_log.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::size_t kRecordsAtOnce = 1'000;  // of the audit log, in one transaction

struct DeletionRequest {
  std::vector<std::string> ids;
  std::string key, value;  // or the twins with this property
  bool dry_run = false;
};

struct SeriesToErase {
  SeriesKey key;
  SeriesId series;
  std::uint64_t readings = 0;
};

struct Deletion {
  std::vector<std::string> ids;      // in order
  std::vector<std::string> present;  // of those, in the registry
  std::vector<SeriesToErase> erasures;
};

Result<DeletionRequest> deletion_request(const Call& call) {
  DeletionRequest request;
  request.dry_run = call.dry_run;
  const auto refuse = [] {
    return make_error(
        ErrorCode::invalid_argument,
        R"(name twins as {"ids": [...]} or {"where": {"key": "...", "value": "..."}})");
  };
  const auto* body = call.json.if_object();
  if (body == nullptr) return refuse();
  for (const auto& member : *body) {
    if (member.key() == "ids" && member.value().is_array()) {
      for (const json::value& id : member.value().get_array()) {
        if (!id.is_string()) return refuse();
        request.ids.emplace_back(id.get_string());
      }
    } else if (member.key() == "where" && member.value().is_object()) {
      const auto& where = member.value().get_object();
      const auto* key = where.if_contains("key");
      const auto* value = where.if_contains("value");
      if (where.size() != 2 || key == nullptr || value == nullptr) return refuse();
      if (!key->is_string() || !value->is_string() || key->get_string().empty()) return refuse();
      request.key = std::string(key->get_string());
      request.value = std::string(value->get_string());
    } else {
      return refuse();
    }
  }
  if (request.ids.empty() == request.key.empty()) return refuse();
  return request;
}

std::vector<std::string> selected(const TwinGraph& graph, const DeletionRequest& request) {
  std::set<std::string> ids(request.ids.begin(), request.ids.end());
  if (!request.key.empty()) {
    for (const Twin& twin : graph.twins()) {
      const auto found = twin.properties.find(request.key);
      if (found != twin.properties.end() && to_text(found->second) == request.value) {
        ids.insert(twin.id);
      }
    }
  }
  return {ids.begin(), ids.end()};
}

// Every series of the twins that has a reading, of signals that their type no longer has as well.
void find_erasures(const History& history, Deletion& deletion) {
  deletion.erasures.clear();
  for (const std::string& id : deletion.ids) {
    for (SeriesKey& key : history.series(id)) {
      const auto series = history.find(key.twin, key.signal);
      if (!series) continue;
      Summary summary;
      history.aggregate({&*series, 1}, kAllTime, Figures::moments, {&summary, 1});
      deletion.erasures.push_back({std::move(key), *series, summary.partial.readings});
    }
  }
}

// A twin that is no longer in the registry and still has readings is one whose deletion was cut
// off, and counts. Refuses: not_found; conflict (a twin that stays points at one of them);
// payload_too_large.
Result<Deletion> plan_deletion(const Core& core, const DeletionRequest& request) {
  Deletion deletion;
  const auto state = core.twins->state();
  deletion.ids = selected(state->graph, request);
  if (deletion.ids.empty()) {
    return make_error(ErrorCode::not_found,
                      "no twin has " + request.key + " = '" + request.value + "'",
                      "see 'entente twin show' for the properties of one");
  }
  if (deletion.ids.size() > limits::kDeletedTwins) {
    return make_error(ErrorCode::payload_too_large,
                      std::to_string(deletion.ids.size()) + " twins are more than the " +
                          std::to_string(limits::kDeletedTwins) + " of one request",
                      "delete them in parts");
  }
  for (const std::string& id : deletion.ids) {
    if (state->graph.find(id) != nullptr) {
      deletion.present.push_back(id);
    } else if (core.history->named(id).empty()) {
      return make_error(ErrorCode::not_found, "there is no twin '" + id + "'",
                        "see 'entente twin list'");
    }
  }
  if (!deletion.present.empty()) {
    if (auto change = core.twins->plan_removal(deletion.present); !change) {
      return std::move(change).error();
    }
  }
  find_erasures(*core.history, deletion);
  return deletion;
}

// What a deletion has come to.
struct Deleted {
  std::vector<SeriesToErase> erased;
  bool complete = true;
};

json::array what_remains(const Core& core) {
  json::array remains{"backups and copies of the data folder that were made before",
                      "releases already made: noisy, signed, kept for audit",
                      "the audit log's records of this: names of twins, who, how many readings",
                      "the bytes of freed pages of history.db, until they are written over"};
  const auto& exports = core.declarations.exports;
  const bool counted = std::any_of(exports.begin(), exports.end(),
                                   [](const auto& one) { return one.second->unit != "twin"; });
  if (counted) {
    remains.push_back(
        "which privacy unit each twin was counted to and since when: what was charged for the "
        "unit's blocks rests on it, also when a twin comes back under its id");
  }
  return remains;
}

json::value deletion_json(const Core& core, const Deletion& deletion, const Deleted& deleted) {
  json::array items;
  std::uint64_t readings = 0;
  for (const SeriesToErase& one : deleted.erased) {
    readings += one.readings;
    items.push_back(
        {{"twin", one.key.twin}, {"signal", one.key.signal}, {"readings", one.readings}});
  }
  return {{"twins", json::value_from(deletion.ids)},
          {"items", std::move(items)},
          {"readings", readings},
          {"complete", deleted.complete},
          {"remains", what_remains(core)}};
}

// What is recorded of each twin: names and amounts.
struct Recorded {
  std::string twin;
  std::uint64_t series = 0;
  std::uint64_t readings = 0;
};

std::vector<Recorded> by_twin(const std::vector<std::string>& twins,
                              const std::vector<SeriesToErase>& erased) {
  std::map<std::string, Recorded> found;
  for (const std::string& id : twins) found[id].twin = id;
  for (const SeriesToErase& one : erased) {
    Recorded& recorded = found[one.key.twin];
    recorded.twin = one.key.twin;
    ++recorded.series;
    recorded.readings += one.readings;
  }
  std::vector<Recorded> all;
  for (auto& [id, recorded] : found) all.push_back(std::move(recorded));
  return all;
}

// A record a twin, kRecordsAtOnce a transaction, so that others get their turn.
awaitable<Outcome> record(Core& core, const std::string& actor, security::AuditOutcome outcome,
                          std::vector<Recorded> twins) {
  const Instant now = core.clock.now();
  for (std::size_t from = 0; from < twins.size(); from += kRecordsAtOnce) {
    const std::size_t to = std::min(twins.size(), from + kRecordsAtOnce);
    const std::vector<Recorded> part(twins.begin() + static_cast<std::ptrdiff_t>(from),
                                     twins.begin() + static_cast<std::ptrdiff_t>(to));
    auto job = [=](Database& database) -> Result<int> {
      for (const Recorded& one : part) {
        security::AuditRecord record;
        record.time = now;
        record.actor = actor;
        record.action = "twin.delete";
        record.object = "twin:" + one.twin;
        record.outcome = outcome;
        record.detail = {{"readings", std::to_string(one.readings)},
                         {"series", std::to_string(one.series)}};
        append_audit(database, std::move(record));
      }
      return 0;
    };
    auto start = [&core, job](std::function<void(Result<int>)> done) {
      core.store->post<int>(job, std::move(done));
    };
    if (auto done = co_await await_result<int>(core.loop, std::move(start)); !done) {
      co_return std::move(done).error();
    }
  }
  co_return Outcome{};
}

// Adds what it erases to `deleted`; complete is false when the time was over before.
awaitable<Outcome> erase_all(Core& core, const std::vector<SeriesToErase>& erasures,
                             Duration deadline, Deleted& deleted) {
  if (erasures.empty()) co_return Outcome{};
  Erasure erasure;
  erasure.window = kAllTime;
  erasure.patience = std::max(Duration{0}, deadline - core.clock.steady());
  for (const SeriesToErase& one : erasures) erasure.series.push_back(one.series);
  auto start = [&core, &erasure](std::function<void(Result<Erased>)> done) {
    core.history->erase(erasure, std::move(done));
  };
  auto erased = co_await await_result<Erased>(core.loop, std::move(start));
  if (!erased) co_return std::move(erased).error();
  for (std::size_t i = 0; i < erasures.size(); ++i) {
    if (erased->readings[i] == 0) continue;
    deleted.erased.push_back({erasures[i].key, erasures[i].series, erased->readings[i]});
  }
  deleted.complete = erased->complete;
  co_return Outcome{};
}

// Every name that a series of the twins ever had here.
awaitable<Outcome> forget_names(Core& core, const std::vector<std::string>& twins) {
  auto start = [&core, &twins](std::function<void(Result<std::uint64_t>)> done) {
    std::vector<SeriesId> series;
    for (const std::string& twin : twins) {
      for (const SeriesId id : core.history->named(twin)) series.push_back(id);
    }
    core.history->forget(std::move(series), std::move(done));
  };
  auto forgotten = co_await await_result<std::uint64_t>(core.loop, std::move(start));
  co_return forgotten ? Outcome{} : Outcome(std::move(forgotten).error());
}

// First the readings, then the twin, then what came in between, then the names: a twin goes last,
// so that the same request finds it again and finishes what was cut off anywhere.
awaitable<Outcome> carry_out(Core& core, Deletion& deletion, Deleted& deleted) {
  const Duration deadline = core.clock.steady() + limits::kDeletionTime;
  auto erased = co_await erase_all(core, deletion.erasures, deadline, deleted);
  if (!erased || !deleted.complete) co_return erased;
  if (!deletion.present.empty()) {
    auto plan = [&core, &deletion] { return core.twins->plan_removal(deletion.present); };
    auto change = co_await on_worker<TwinChange>(core, std::move(plan));
    if (!change) co_return std::move(change).error();
    if (auto done = co_await commit_twins(core, std::move(*change)); !done) co_return done;
  }
  auto look = [&core, &deletion]() -> Result<int> {
    find_erasures(*core.history, deletion);
    return 0;
  };
  if (auto found = co_await on_worker<int>(core, std::move(look)); !found) {
    co_return std::move(found).error();
  }
  erased = co_await erase_all(core, deletion.erasures, deadline, deleted);
  if (!erased || !deleted.complete) co_return erased;
  co_return co_await forget_names(core, deletion.ids);
}

// The intent is durable before anything goes, and what became of it before the answer.
awaitable<Outcome> carry_out_recorded(Core& core, const std::string& actor, Deletion& deletion,
                                      Deleted& deleted) {
  using security::AuditOutcome;
  auto intended =
      co_await record(core, actor, AuditOutcome::intent, by_twin(deletion.ids, deletion.erasures));
  if (!intended) co_return intended;
  auto carried = co_await carry_out(core, deletion, deleted);
  // Of a deletion that is to be repeated, those that lost readings in this part of it.
  const bool whole = carried.has_value() && deleted.complete;
  const auto twins = whole ? deletion.ids : std::vector<std::string>();
  const auto outcome = carried.has_value() ? AuditOutcome::done : AuditOutcome::failed;
  auto noted = co_await record(core, actor, outcome, by_twin(twins, deleted.erased));
  co_return carried.has_value() ? noted : carried;
}

awaitable<Result<Reply>> delete_selected(Core& core, const Call& call, DeletionRequest request) {
  auto job = [&core, request] { return plan_deletion(core, request); };
  auto deletion = co_await on_worker<Deletion>(core, std::move(job));
  if (!deletion) co_return std::move(deletion).error();
  Deleted deleted;
  if (request.dry_run) {
    deleted.erased = deletion->erasures;
  } else {
    const std::string actor = "user:" + call.subject.name;
    auto done = co_await carry_out_recorded(core, actor, *deletion, deleted);
    if (!done) co_return std::move(done).error();
  }
  co_return Reply::json(deletion_json(core, *deletion, deleted));
}

awaitable<Result<Reply>> delete_twin(Core& core, const Call& call) {
  DeletionRequest request;
  request.ids.push_back(call.path.at("id"));
  request.dry_run = call.dry_run;
  co_return co_await delete_selected(core, call, std::move(request));
}

awaitable<Result<Reply>> delete_twins(Core& core, const Call& call) {
  auto request = deletion_request(call);
  if (!request) co_return std::move(request).error();
  co_return co_await delete_selected(core, call, std::move(*request));
}

}  // namespace

void add_deletion_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::delete_, "/api/v1/twins/{id}", Verb::write_twins, "deleteTwin",
             "Deletes a twin and all readings, summaries and corrections of it", BodyKind::none,
             with(delete_twin)});
  table.add({Method::post, "/api/v1/twins/delete", Verb::write_twins, "deleteTwins",
             "Deletes several twins, by id or by a property; to be repeated until it is complete",
             BodyKind::json, with(delete_twins)});
}

}  // namespace entente::node
