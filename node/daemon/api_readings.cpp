// A twin's readings page by page; deleting twins with all that is kept of them.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/twin_query.h"
#include "node/history/reading_page.h"
#include "node/limits.h"
#include "node/service/json_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// --- reading -------------------------------------------------------------------------------------

struct ReadingsQuery {
  std::string twin;
  std::string signal;  // empty: all
  TimeWindow window;
  Keep keep = Keep::all;
  std::size_t limit = limits::kReadingsPage;
  std::optional<SeriesPlace> after;
};

Result<ReadingsQuery> readings_query(const Call& call) {
  ReadingsQuery query;
  query.twin = call.path.at("id");
  query.signal = call.parameter("signal");
  auto window = window_of(call.parameter("from"), call.parameter("to"));
  if (!window) return std::move(window).error();
  query.window = *window;
  const auto quality = call.parameter("quality");
  if (!quality.empty() && quality != "all" && quality != "good") {
    return make_error(ErrorCode::invalid_argument, "quality must be good or all");
  }
  if (quality == "good") query.keep = Keep::good;
  if (const auto text = call.parameter("limit"); !text.empty()) {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), query.limit);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || query.limit == 0 ||
        query.limit > limits::kReadingsPageMax) {
      return make_error(ErrorCode::invalid_argument, "limit must be a number from 1 to " +
                                                         std::to_string(limits::kReadingsPageMax));
    }
  }
  Call only_cursor;
  only_cursor.query["cursor"] = call.parameter("cursor");
  auto page = page_of(only_cursor);
  if (!page) return std::move(page).error();
  if (!page->after.empty()) {
    query.after = SeriesPlace::from_key(page->after);
    if (!query.after) {
      return make_error(ErrorCode::invalid_argument, "this cursor is not of this listing");
    }
  }
  return query;
}

void append_reading(std::string& out, const std::string& signal_json, const Reading& reading) {
  if (out.back() == '}') out += ',';
  out += "{\"signal\":" + signal_json + ",\"time\":\"" + to_text(reading.time) + "\",\"value\":";
  if (std::isfinite(reading.value)) {
    char value[64];
    const auto end = std::to_chars(value, value + sizeof value, reading.value);
    out.append(value, end.ptr);
  } else {
    out += "null";
  }
  out += ",\"quality\":\"";
  out += to_text(reading.quality);
  out += "\"}";
}

// The text of a page. On a worker.
std::string readings_page(const History& history, const ReadingsQuery& query) {
  std::string out = "{\"items\":[";
  std::string next;
  std::size_t left = query.limit;
  for (const SeriesKey& key : history.series(query.twin)) {
    if (!query.signal.empty() && key.signal != query.signal) continue;
    TimeWindow window = query.window;
    if (query.after && key.signal < query.after->signal) continue;
    if (query.after && key.signal == query.after->signal) {
      window.from.ns = std::max(window.from.ns, query.after->time + 1);
    }
    const auto series = history.find(key.twin, key.signal);
    if (!series || window.to <= window.from) continue;
    const auto page = read_page(history, *series, window, left, query.keep);
    const std::string signal_json = json_text(json::value(json::string(key.signal)));
    for (const Reading& reading : page) append_reading(out, signal_json, reading);
    left -= page.size();
    if (left > 0) continue;
    next = cursor_after(SeriesPlace{key.signal, page.back().time.ns}.key());
    break;
  }
  return out + "],\"next\":" + json_text(json::value(json::string(next))) + "}";
}

awaitable<Result<Reply>> twin_readings(Core& core, const Call& call) {
  auto query = readings_query(call);
  if (!query) co_return std::move(query).error();
  auto state = core.twins->state();
  if (auto twin = find_twin(state->graph, query->twin, {}); !twin) {
    co_return std::move(twin).error();
  }
  auto job = [&core, query = std::move(*query)]() -> Result<std::string> {
    return readings_page(*core.history, query);
  };
  auto got = co_await on_worker<std::string>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  Reply reply;
  reply.body = std::move(*got);
  co_return reply;
}

// --- deletion ------------------------------------------------------------------------------------

struct DeletionRequest {
  std::vector<std::string> ids;
  std::string key, value;  // or the twins with this property
  bool dry_run = false;
};

struct Erasure {
  SeriesKey key;
  SeriesId series;
  std::uint64_t readings = 0;
};

struct Deletion {
  std::vector<std::string> ids;      // in order
  std::vector<std::string> present;  // of those, in the registry
  std::vector<Erasure> erasures;
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
    } else if (core.history->series(id).empty()) {
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
  std::vector<Erasure> erased;
  bool complete = true;
};

json::value deletion_json(const Deletion& deletion, const Deleted& deleted) {
  json::array items;
  std::uint64_t readings = 0;
  for (const Erasure& one : deleted.erased) {
    readings += one.readings;
    items.push_back(
        {{"twin", one.key.twin}, {"signal", one.key.signal}, {"readings", one.readings}});
  }
  return {{"twins", json::value_from(deletion.ids)},
          {"items", std::move(items)},
          {"readings", readings},
          {"complete", deleted.complete},
          {"remains",
           {"backups and copies of the data folder that were made before",
            "releases already made: noisy, signed, kept for audit",
            "the names of the twins and signals in history.db",
            "the bytes of freed pages of history.db, until they are written over"}}};
}

// Adds what it erases to `deleted`; complete is false when the time was over before.
awaitable<Outcome> erase_all(Core& core, const std::vector<Erasure>& erasures, Duration deadline,
                             Deleted& deleted) {
  for (const Erasure& one : erasures) {
    if (core.clock.steady() > deadline) {
      deleted.complete = false;
      break;
    }
    auto start = [&core, series = one.series](std::function<void(Result<std::uint64_t>)> done) {
      core.history->erase(series, kAllTime, std::move(done));
    };
    auto erased = co_await await_result<std::uint64_t>(core.loop, std::move(start));
    if (!erased) co_return std::move(erased).error();
    if (*erased > 0) deleted.erased.push_back({one.key, one.series, *erased});
  }
  co_return Outcome{};
}

// First the readings, then the twin, then what came in between: a twin goes last, so that the same
// request finds it again and finishes what was cut off anywhere.
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
  co_return co_await erase_all(core, deletion.erasures, deadline, deleted);
}

awaitable<Result<Reply>> delete_selected(Core& core, DeletionRequest request) {
  auto job = [&core, request] { return plan_deletion(core, request); };
  auto deletion = co_await on_worker<Deletion>(core, std::move(job));
  if (!deletion) co_return std::move(deletion).error();
  Deleted deleted;
  if (request.dry_run) {
    deleted.erased = deletion->erasures;
  } else if (auto done = co_await carry_out(core, *deletion, deleted); !done) {
    co_return std::move(done).error();
  }
  co_return Reply::json(deletion_json(*deletion, deleted));
}

awaitable<Result<Reply>> delete_twin(Core& core, const Call& call) {
  DeletionRequest request;
  request.ids.push_back(call.path.at("id"));
  request.dry_run = call.dry_run;
  co_return co_await delete_selected(core, std::move(request));
}

awaitable<Result<Reply>> delete_twins(Core& core, const Call& call) {
  auto request = deletion_request(call);
  if (!request) co_return std::move(request).error();
  co_return co_await delete_selected(core, std::move(*request));
}

}  // namespace

void add_reading_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get,
             "/api/v1/twins/{id}/readings",
             Verb::read_twins,
             "twinReadings",
             "A twin's readings, signal after signal, in order of time",
             BodyKind::none,
             with(twin_readings),
             Access::token,
             {{"signal", "only of this signal"},
              {"from", "from this time"},
              {"to", "before this time"},
              {"quality", "good, or all (when not said)"},
              {"limit", "readings a page"},
              {"cursor", "where the last page ended"}}});
  table.add({Method::delete_, "/api/v1/twins/{id}", Verb::write_twins, "deleteTwin",
             "Deletes a twin and all readings, summaries and corrections of it", BodyKind::none,
             with(delete_twin)});
  table.add({Method::post, "/api/v1/twins/delete", Verb::write_twins, "deleteTwins",
             "Deletes several twins, by id or by a property; to be repeated until it is complete",
             BodyKind::json, with(delete_twins)});
}

}  // namespace entente::node
