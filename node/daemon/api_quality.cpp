// Health of sensors, readings in quarantine, judging again, rules learned.
#include <utility>

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>

#include "node/daemon/api.h"
#include "node/daemon/on_worker.h"
#include "node/daemon/rule_reload.h"
#include "node/daemon/twin_query.h"
#include "node/quality/learn.h"
#include "node/quality/rejudge.h"
#include "node/quality/rule_text.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

// A signal of a twin that readings came for.
struct Watched {
  const Signal* signal;
  SeriesId series;
};

// Of one twin; `only` when not empty. `graph` outlives them.
std::vector<Watched> watched_of(const Core& core, const TwinGraph& graph, const Twin& twin,
                                std::string_view only) {
  std::vector<Watched> all;
  for (const Signal& signal : graph.type_of(twin)->signals) {
    if (!signal.numeric || (!only.empty() && signal.name != only)) continue;
    if (const auto series = core.history->find(twin.id, signal.name)) {
      all.push_back({&signal, *series});
    }
  }
  return all;
}

Result<Duration> duration_of(const Call& call, std::string_view name, Duration otherwise) {
  const auto text = call.parameter(name);
  if (text.empty()) return otherwise;
  auto parsed = parse_duration(text);
  if (!parsed || parsed->ns <= 0) {
    return make_error(ErrorCode::invalid_argument,
                      std::string(name) + " must be a duration above 0, such as 24h");
  }
  return *parsed;
}

// The newest `over` of its readings; everything when `over` is longer than there is time.
TimeWindow newest(const History& history, SeriesId series, Duration over) {
  const auto latest = history.latest(series);
  if (!latest || latest->time == kAllTime.to) return kAllTime;
  TimeWindow window{kAllTime.from, latest->time + nanoseconds(1)};
  if (window.to.ns >= kAllTime.from.ns + over.ns) window.from = window.to - over;
  return window;
}

json::value time_json(const std::optional<Instant>& time) {
  return time ? json::value(to_text(*time)) : json::value(nullptr);
}

// What there is of each signal, and for how long.
awaitable<Result<Reply>> twin_history(Core& core, const Call& call) {
  auto state = core.twins->state();
  const auto found = find_twin(state->graph, call.path.at("id"), "");
  if (!found) co_return found.error();
  const Twin* twin = *found;
  auto job = [&core, state, twin, rules = core.retention]() -> Result<json::value> {
    json::array items;
    for (const auto& one : watched_of(core, state->graph, *twin, "")) {
      const auto kept = core.history->kept(one.series);
      const auto rule = rules->of(twin->type, one.signal->name);
      items.push_back({{"signal", one.signal->name},
                       {"readings", kept.readings},
                       {"from", time_json(kept.readings_from)},
                       {"to", time_json(kept.readings_to)},
                       {"summarised", kept.summarised},
                       {"minutes_from", time_json(kept.minutes_from)},
                       {"hours_from", time_json(kept.hours_from)},
                       {"days_from", time_json(kept.days_from)},
                       {"keep_readings", length_text(rule.readings)},
                       {"keep_minutes", length_text(rule.minutes)},
                       {"keep_hours", length_text(rule.hours)}});
    }
    return json::value{{"twin", twin->id}, {"items", std::move(items)}};
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

awaitable<Result<Reply>> twin_health(Core& core, const Call& call) {
  auto state = core.twins->state();
  const std::string id = call.path.at("id");
  if (auto twin = find_twin(state->graph, id, {}); !twin) co_return std::move(twin).error();
  auto over = duration_of(call, "over", days(1));
  if (!over) co_return std::move(over).error();
  auto step = duration_of(call, "step", Duration{});
  if (!step) co_return std::move(step).error();
  auto job = [&core, state, id, over = *over, step = *step]() -> Result<json::value> {
    const Instant now = core.clock.now();
    json::array items;
    for (const Watched& one : watched_of(core, state->graph, *state->graph.find(id), {})) {
      const TimeWindow window = newest(*core.history, one.series, over);
      auto whole = quality_shares(*core.history, one.series, window, {});
      if (!whole) return std::move(whole).error();
      json::object item{{"signal", one.signal->name}};
      item["window"] = share_json(whole->empty() ? QualityShare{window, {}} : whole->front());
      const auto latest = core.history->latest(one.series);
      item["age_s"] = latest ? json::value((now - latest->time).seconds()) : json::value(nullptr);
      const auto health = core.quality->health(one.series);
      item["since_start"] = health ? json::value(health_json(*health)) : json::value(nullptr);
      if (step.ns > 0) {
        auto parts = quality_shares(*core.history, one.series, window, step);
        if (!parts) return std::move(parts).error();
        json::array shown;
        for (const QualityShare& part : *parts) shown.push_back(share_json(part));
        item["parts"] = std::move(shown);
      }
      items.push_back(std::move(item));
    }
    return json::value{{"twin", id}, {"items", std::move(items)}};
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

json::object quarantined_json(const Signal& signal, const Reading& reading) {
  return {
      {"signal", signal.name},
      {"time", to_text(reading.time)},
      {"value", std::isfinite(reading.value) ? json::value(reading.value) : json::value(nullptr)},
      {"unit", signal.unit},
      {"verdict", to_text(verdict_of(reading.quality))},
      {"reason", to_text(reading.quality)}};
}

json::value quarantine_page(const Core& core, const std::vector<Watched>& signals,
                            QuarantineQuery query, const Page& page) {
  const auto ended = SeriesPlace::from_key(page.after);
  const TimeWindow asked = query.window;
  json::array items;
  std::string next;
  for (const Watched& one : signals) {
    query.window = asked;
    if (ended && one.signal->name < ended->signal) continue;
    if (ended && one.signal->name == ended->signal) {
      query.window.from.ns = std::max(asked.from.ns, ended->time + 1);
    }
    query.limit = page.limit - items.size();
    const Quarantined found = quarantine(*core.history, one.series, query);
    for (const Reading& reading : found.readings) {
      items.push_back(quarantined_json(*one.signal, reading));
      if (items.size() == page.limit) {
        next = cursor_after(SeriesPlace{one.signal->name, reading.time.ns}.key());
      }
    }
    if (items.size() == page.limit) break;
  }
  return {{"items", std::move(items)}, {"next", next}};
}

awaitable<Result<Reply>> twin_quarantine(Core& core, const Call& call) {
  auto state = core.twins->state();
  const std::string id = call.path.at("id");
  const std::string signal(call.parameter("signal"));
  if (auto twin = find_twin(state->graph, id, signal); !twin) co_return std::move(twin).error();
  auto page = page_of(call);
  if (!page) co_return std::move(page).error();
  if (!page->after.empty() && !SeriesPlace::from_key(page->after)) {
    co_return make_error(ErrorCode::invalid_argument, "this cursor is not of this listing");
  }
  auto window = window_of(call.parameter("from"), call.parameter("to"));
  if (!window) co_return std::move(window).error();
  const auto word = call.parameter("least");
  if (!word.empty() && word != "bad" && word != "uncertain") {
    co_return make_error(ErrorCode::invalid_argument, "least must be bad or uncertain");
  }
  const QuarantineQuery query{*window, word == "uncertain" ? Verdict::uncertain : Verdict::bad, 0};
  auto job = [&core, state, id, signal, query, page = *page]() -> Result<json::value> {
    const Twin& twin = *state->graph.find(id);
    return quarantine_page(core, watched_of(core, state->graph, twin, signal), query, page);
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

struct RejudgeRequest {
  std::string twin;
  std::string signal;
  RejudgeOptions options;
};

Result<json::value> rejudge_twin(Core& core, const TwinGraph& graph,
                                 const RejudgeRequest& request) {
  const Twin& twin = *graph.find(request.twin);
  const ResolvedType& type = *graph.type_of(twin);
  const auto book = core.quality->book();
  RejudgeReport total;
  json::array items;
  for (const Watched& one : watched_of(core, graph, twin, request.signal)) {
    const Rule rule = book->rule_for(type, *one.signal, twin.id);
    auto report = rejudge(*core.history, one.series, rule, request.options);
    if (!report) return std::move(report).error();
    for (const auto& [change, count] : report->changes) {
      items.push_back({{"signal", one.signal->name},
                       {"from", to_text(change.first)},
                       {"to", to_text(change.second)},
                       {"readings", count}});
    }
    total += *report;
  }
  return json::value{
      {"judged", total.judged}, {"changed", total.changed}, {"items", std::move(items)}};
}

awaitable<Result<Reply>> rejudge_readings(Core& core, const Call& call) {
  auto state = core.twins->state();
  RejudgeRequest request;
  request.twin = call.path.at("id");
  std::string ends[2];
  for (auto [name, into] : {std::pair("signal", &request.signal), std::pair("from", &ends[0]),
                            std::pair("to", &ends[1])}) {
    auto text = call.optional_text_field(name);
    if (!text) co_return std::move(text).error();
    *into = text->value_or("");
  }
  auto twin = find_twin(state->graph, request.twin, request.signal);
  if (!twin) co_return std::move(twin).error();
  auto window = window_of(ends[0], ends[1]);
  if (!window) co_return std::move(window).error();
  request.options = {*window, call.dry_run};
  auto job = [&core, state, request = std::move(request)] {
    return rejudge_twin(core, state->graph, request);
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

json::object learned_json(const std::string& signal, const Learned& learned,
                          const std::string& text) {
  json::object flagged;
  for (const auto& [key, count] : learned.flagged) flagged[key] = count;
  return {{"signal", signal},     {"readings", learned.readings},
          {"good", learned.good}, {"median", learned.median},
          {"mad", learned.mad},   {"flagged", std::move(flagged)},
          {"toml", text}};
}

struct LearnRequest {
  std::string twin;  // or
  std::string type;
  std::string signal;
  TimeWindow window;
};

Result<json::value> learn_rules(const Core& core, const TwinGraph& graph,
                                const LearnRequest& request) {
  const bool by_type = request.twin.empty();
  const ResolvedType& type =
      by_type ? *graph.types().find(request.type) : *graph.type_of(*graph.find(request.twin));
  json::array items, skipped;
  std::string all;
  for (const Signal& signal : type.signals) {
    if (!signal.numeric || (!request.signal.empty() && signal.name != request.signal)) continue;
    std::vector<SeriesId> series;
    const auto take = [&](const std::string& twin) {
      if (const auto id = core.history->find(twin, signal.name)) series.push_back(*id);
    };
    if (by_type) {
      for (const std::size_t i : graph.members(request.type)) take(graph.twins()[i].id);
    } else {
      take(request.twin);
    }
    auto learned = learn(*core.history, series, request.window);
    if (!learned) {
      skipped.push_back({{"signal", signal.name}, {"reason", learned.error().what}});
      continue;
    }
    const std::string header = by_type ? rule_header_for_type(request.type, signal.name)
                                       : rule_header_for_twin(request.twin, signal.name);
    const std::string text = learned_text(*learned, header);
    all += (all.empty() ? "" : "\n") + text;
    items.push_back(learned_json(signal.name, *learned, text));
  }
  return json::value{
      {"items", std::move(items)}, {"skipped", std::move(skipped)}, {"toml", std::move(all)}};
}

awaitable<Result<Reply>> learned_rules(Core& core, const Call& call) {
  auto state = core.twins->state();
  LearnRequest request;
  request.twin = call.parameter("twin");
  request.type = call.parameter("type");
  request.signal = call.parameter("signal");
  if (request.twin.empty() == request.type.empty()) {
    co_return make_error(ErrorCode::invalid_argument, "name a twin or a type");
  }
  if (!request.twin.empty()) {
    auto twin = find_twin(state->graph, request.twin, request.signal);
    if (!twin) co_return std::move(twin).error();
  } else if (state->graph.types().find(request.type) == nullptr) {
    co_return make_error(ErrorCode::not_found, "there is no type '" + request.type + "'",
                         "see 'entente type list'");
  }
  auto window = window_of(call.parameter("from"), call.parameter("to"));
  if (!window) co_return std::move(window).error();
  request.window = *window;
  auto job = [&core, state, request = std::move(request)] {
    return learn_rules(core, state->graph, request);
  };
  auto got = co_await on_worker<json::value>(core, std::move(job));
  if (!got) co_return std::move(got).error();
  co_return Reply::json(*got);
}

json::value reloaded_json(const Reloaded& done, bool dry_run) {
  json::array items, retention, idle;
  for (const RuleChange& change : done.rules) {
    items.push_back({{"of", change.of_twin ? "twin" : "type"},
                     {"owner", change.owner},
                     {"signal", change.signal},
                     {"change", to_text(change.kind)}});
  }
  const auto kept = [](const Retention& rule) {
    return json::value{{"readings", length_text(rule.readings)},
                       {"minutes", length_text(rule.minutes)},
                       {"hours", length_text(rule.hours)}};
  };
  for (const RetentionChange& change : done.retention) {
    retention.push_back({{"type", change.type},
                         {"signal", change.signal},
                         {"before", kept(change.before)},
                         {"now", kept(change.now)}});
  }
  for (const auto& [type, signal] : done.idle) idle.push_back({{"type", type}, {"signal", signal}});
  return {{"items", std::move(items)},
          {"retention", std::move(retention)},
          {"loses", done.loses},
          {"idle", std::move(idle)},
          {"series", done.series},
          {"systems", json::value_from(done.systems)},
          {"needs_restart", done.needs_restart},
          {"dry_run", dry_run}};
}

awaitable<Result<Reply>> reload_rule_files(Core& core, const Call& call) {
  auto done = co_await reload_rules(core, actor_of(call), call.dry_run);
  if (!done) co_return std::move(done).error();
  co_return Reply::json(reloaded_json(*done, call.dry_run));
}

}  // namespace

void add_quality_routes(RouteTable& table, Core& core) {
  const auto with = [&core](auto handler) {
    return [&core, handler](const Call& call) { return handler(core, call); };
  };
  table.add({Method::get, "/api/v1/twins/{id}/history", Verb::read_twins, "twinHistory",
             "What is kept of a twin's readings, and for how long", BodyKind::none,
             with(twin_history)});
  table.add({Method::get,
             "/api/v1/twins/{id}/health",
             Verb::read_twins,
             "twinHealth",
             "How well a twin's sensors do",
             BodyKind::none,
             with(twin_health),
             Access::token,
             {{"over", "the share of good readings over this long, up to the newest (24h)"},
              {"step", "also in parts of this length"}}});
  table.add({Method::get,
             "/api/v1/twins/{id}/quarantine",
             Verb::read_twins,
             "twinQuarantine",
             "Readings that are not good, with the reason",
             BodyKind::none,
             with(twin_quarantine),
             Access::token,
             {{"signal", "only of this signal"},
              {"from", "from this time"},
              {"to", "before this time"},
              {"least", "bad, or uncertain for those as well"},
              {"limit", "rows a page"},
              {"cursor", "where the last page ended"}}});
  table.add({Method::post, "/api/v1/twins/{id}/rejudge", Verb::write_readings, "rejudgeReadings",
             "Judges kept readings again by the present rules", BodyKind::json,
             with(rejudge_readings)});
  table.add({Method::post, "/api/v1/quality/reload", Verb::write_twins, "reloadRules",
             "Puts the rules of quality and retention in force as their files are now",
             BodyKind::json, with(reload_rule_files)});
  table.add({Method::get,
             "/api/v1/quality/learned",
             Verb::read_twins,
             "learnedRules",
             "Rules proposed from what signals usually do",
             BodyKind::none,
             with(learned_rules),
             Access::token,
             {{"twin", "for this twin"},
              {"type", "or for this type, from all of its twins"},
              {"signal", "only for this signal"},
              {"from", "learn from this time"},
              {"to", "learn from before this time"}}});
}

}  // namespace entente::node
