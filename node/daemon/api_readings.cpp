// A twin's readings page by page.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

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
  auto keys = history.series(query.twin);
  // A derived signal is read by its name only, so that what is exported whole can be taken again.
  if (!query.signal.empty()) keys = {{query.twin, query.signal}};
  for (const SeriesKey& key : keys) {
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
}

}  // namespace entente::node
