// Models of twins: identified, applied, shown; forecasts, anomalies, what-if.
#include <utility>

#include <boost/algorithm/string.hpp>
#include <boost/json.hpp>

#include "node/daemon/api_models.h"
#include "node/daemon/model_desk.h"
#include "node/daemon/model_json.h"
#include "node/daemon/twin_query.h"
#include "node/modelling/limits.h"

namespace entente::node {
namespace {

namespace json = boost::json;
using boost::asio::awaitable;

constexpr std::size_t kAlarmsShown = 100;

awaitable<Result<Reply>> list_models(const Desk& desk, const Call& call) {
  std::string twin;
  if (const auto id = call.path.find("id"); id != call.path.end()) twin = id->second;
  if (!twin.empty()) {
    auto state = desk.core.twins->state();
    if (auto found = find_twin(state->graph, twin, {}); !found) co_return std::move(found).error();
  }
  auto job = [desk, twin]() -> Result<json::value> {
    json::array items;
    for (const ModelView& view : desk.entries().list(twin)) {
      items.push_back(model_json(view));
    }
    return json::value{{"items", std::move(items)}};
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> show_model(const Desk& desk, const Call& call) {
  auto job = [desk, twin = call.path.at("id"),
              name = call.path.at("model")]() -> Result<json::value> {
    ModelRegister& models = desk.entries();
    auto view = models.show(twin, name);
    if (!view) return std::move(view).error();
    auto kept = models.score(view->row.definition);
    if (!kept) return std::move(kept).error();
    json::object out = model_json(*view);
    out["score"] = score_json(*kept, view->row.validation.scale);
    return json::value(std::move(out));
  };
  co_return co_await replied(desk, std::move(job));
}

Result<IdentifyRequest> identify_request(const Call& call) {
  IdentifyRequest request;
  request.twin = call.path.at("id");
  std::string words[4];
  const std::string_view names[] = {"signal", "name", "step", "horizon"};
  for (std::size_t i = 0; i < 4; ++i) {
    auto text = call.optional_text_field(names[i]);
    if (!text) return std::move(text).error();
    words[i] = text->value_or("");
  }
  request.signal = words[0];
  request.name = words[1];
  for (auto [at, into] : {std::pair(2, &request.step), std::pair(3, &request.horizon)}) {
    auto length = length_of(names[at], words[at]);
    if (!length) return std::move(length).error();
    *into = *length;
  }
  auto inputs = texts_of(call, "inputs");
  if (!inputs) return std::move(inputs).error();
  request.inputs = std::move(*inputs);
  auto periods = texts_of(call, "periods");
  if (!periods) return std::move(periods).error();
  for (const std::string& text : *periods) {
    auto period = length_of("periods", text);
    if (!period) return std::move(period).error();
    request.periods.push_back(*period);
  }
  auto purpose = call.optional_text_field("for");
  if (!purpose) return std::move(purpose).error();
  if (*purpose && **purpose != "forecast" && **purpose != "anomalies") {
    return bad_field("for", "forecast or anomalies");
  }
  request.detector = *purpose && **purpose == "anomalies";
  auto kind = call.optional_text_field("kind");
  if (!kind) return std::move(kind).error();
  request.kind = kind->value_or("");
  return request;
}

awaitable<Result<Reply>> identify_model(const Desk& desk, const Call& call) {
  auto request = identify_request(call);
  if (!request) co_return std::move(request).error();
  auto state = desk.core.twins->state();
  auto twin = find_twin(state->graph, request->twin, {});
  if (!twin) co_return std::move(twin).error();
  if (request->signal.empty()) {  // the only one it can be
    for (const Signal& signal : state->graph.type_of(**twin)->signals) {
      if (!signal.numeric || !desk.core.history->find(request->twin, signal.name)) continue;
      if (!request->signal.empty()) {
        co_return make_error(ErrorCode::invalid_argument, "the twin has several signals",
                             "name one with --signal: " + request->signal + ", " + signal.name);
      }
      request->signal = signal.name;
    }
    if (request->signal.empty()) {
      co_return make_error(ErrorCode::not_found, "'" + request->twin + "' has no readings",
                           "see 'entente ingest --help'");
    }
  }
  auto job = [desk, request = std::move(*request)]() -> Result<json::value> {
    ModelRegister& models = desk.entries();
    std::vector<std::string> names;
    boost::split(names, request.signal, boost::is_any_of(","));
    names.insert(names.end(), request.inputs.begin(), request.inputs.end());
    if (auto fine = models.check_names(request.twin, names); !fine) return std::move(fine).error();
    auto found = identify(*desk.core.history, models.kinds(), request, desk.core.clock.now());
    if (!found) return std::move(found).error();
    return json::value(identified_json(*found));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> apply_model(const Desk& desk, const Call& call) {
  ModelRegister& models = desk.entries();
  auto definition = read_definition(call.body, "model", models.kinds());
  if (!definition) co_return std::move(definition).error();
  if (definition->twin != call.path.at("id")) {
    co_return make_error(ErrorCode::config_invalid, "the definition is of the twin '" +
                                                        definition->twin + "', not of '" +
                                                        call.path.at("id") + "'");
  }
  const ModelRegister::ApplyOptions options{call.parameter("hold") == "1", call.dry_run};
  auto job = [&models, actor = actor_of(call), options,
              definition = std::move(*definition)]() -> Result<json::value> {
    auto row = models.apply(actor, definition, options);
    if (!row) return std::move(row).error();
    return json::value(model_json(*row));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> retire_model(const Desk& desk, const Call& call) {
  auto job = [desk, actor = actor_of(call), twin = call.path.at("id"), name = call.path.at("model"),
              dry_run = call.dry_run]() -> Result<json::value> {
    auto row = desk.entries().retire(actor, twin, name, dry_run);
    if (!row) return std::move(row).error();
    return json::value(model_json(*row));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> twin_forecast(const Desk& desk, const Call& call) {
  const std::string twin = call.path.at("id");
  auto state = desk.core.twins->state();
  const bool derived = desk.core.history->find(twin, call.parameter("signal")).has_value();
  auto found = find_twin(state->graph, twin, derived ? "" : call.parameter("signal"));
  if (!found) co_return std::move(found).error();
  auto horizon = length_of("for", call.parameter("for"));
  if (!horizon) co_return std::move(horizon).error();
  std::vector<PlannedInput> set;
  if (const std::string text(call.parameter("set")); !text.empty()) {
    std::vector<std::string> words;
    for (const std::string& word : boost::split(words, text, boost::is_any_of(","))) {
      auto planned = planned_input(word);
      if (!planned) co_return std::move(planned).error();
      set.push_back(std::move(*planned));
    }
  }
  auto job = [desk, twin, signal = std::string(call.parameter("signal")),
              name = std::string(call.parameter("model")), set = std::move(set),
              horizon = *horizon]() -> Result<json::value> {
    auto forecast = desk.entries().forecast(twin, signal, name, horizon, set);
    if (!forecast) return std::move(forecast).error();
    return json::value(forecast_json(*forecast));
  };
  co_return co_await replied(desk, std::move(job));
}

awaitable<Result<Reply>> twin_anomalies(const Desk& desk, const Call& call) {
  const std::string twin = call.path.at("id");
  auto state = desk.core.twins->state();
  if (auto found = find_twin(state->graph, twin, {}); !found) co_return std::move(found).error();
  auto window = window_of(call.parameter("since"), {});
  if (!window) co_return std::move(window).error();
  auto page = page_of(call);
  if (!page) co_return std::move(page).error();
  const std::size_t limit = call.parameter("limit").empty() ? kAlarmsShown : page->limit;
  auto job = [desk, twin, since = window->from, limit]() -> Result<json::value> {
    auto alarms = desk.entries().alarms(twin, since, limit);
    if (!alarms) return std::move(alarms).error();
    json::array items;
    for (const StoredAlarm& one : *alarms) items.push_back(alarm_json(one));
    return json::value{{"twin", twin}, {"items", std::move(items)}};
  };
  co_return co_await replied(desk, std::move(job));
}

Result<SimulationPlan> simulation_plan(const Call& call) {
  SimulationPlan plan;
  auto set = texts_of(call, "set");
  if (!set) return std::move(set).error();
  for (const std::string& text : *set) {
    auto planned = planned_input(text);
    if (!planned) return std::move(planned).error();
    plan.inputs.push_back(std::move(*planned));
  }
  auto runs = count_of(call, "runs", plan.runs);
  if (!runs) return std::move(runs).error();
  plan.runs = *runs;
  auto seed = count_of(call, "seed", plan.seed);
  if (!seed) return std::move(seed).error();
  plan.seed = *seed;
  auto limit = number_of(call, "limit");
  if (!limit) return std::move(limit).error();
  plan.limit = *limit;
  return plan;
}

awaitable<Result<Reply>> simulate_twin(const Desk& desk, const Call& call) {
  auto plan = simulation_plan(call);
  if (!plan) co_return std::move(plan).error();
  auto model = call.optional_text_field("model");
  if (!model) co_return std::move(model).error();
  auto text = call.optional_text_field("for");
  if (!text) co_return std::move(text).error();
  auto horizon = length_of("for", text->value_or(""));
  if (!horizon) co_return std::move(horizon).error();
  auto job = [desk, twin = call.path.at("id"), name = model->value_or(""), plan = std::move(*plan),
              horizon = *horizon]() -> Result<json::value> {
    auto done = desk.entries().simulate(twin, name, plan, horizon);
    if (!done) return std::move(done).error();
    return json::value(simulated_json(done->first, done->second, plan));
  };
  co_return co_await replied(desk, std::move(job));
}

}  // namespace

void add_model_routes(RouteTable& table, Core& core, const std::unique_ptr<ModelService>& models) {
  const Desk shared{core, models};
  const auto with = [shared](auto handler) {
    return [shared, handler](const Call& call) { return handler(shared, call); };
  };
  table.add({Method::get, "/api/v1/models", Verb::read_twins, "listModels",
             "The models of all twins, with their life and backlog", BodyKind::none,
             with(list_models)});
  table.add({Method::get, "/api/v1/twins/{id}/models", Verb::read_twins, "twinModels",
             "The models of a twin", BodyKind::none, with(list_models)});
  table.add({Method::get, "/api/v1/twins/{id}/models/{model}", Verb::read_twins, "showModel",
             "A model: definition, validation, state, score of its forecasts", BodyKind::none,
             with(show_model)});
  table.add({Method::post, "/api/v1/twins/{id}/models/identify", Verb::read_twins, "identifyModel",
             "Proposes a model by its error on values that it has not seen", BodyKind::json,
             with(identify_model)});
  table.add({Method::post,
             "/api/v1/twins/{id}/models",
             Verb::write_twins,
             "applyModel",
             "Validates a model's definition (TOML) and lets it live",
             BodyKind::text,
             with(apply_model),
             Access::token,
             {{"hold", "1: validate only"}}});
  table.add({Method::post, "/api/v1/twins/{id}/models/{model}/retire", Verb::write_twins,
             "retireModel", "Ends a model", BodyKind::json, with(retire_model)});
  table.add({Method::get,
             "/api/v1/twins/{id}/forecast",
             Verb::read_twins,
             "twinForecast",
             "What comes next, with bands of 50 and 90 %",
             BodyKind::none,
             with(twin_forecast),
             Access::token,
             {{"signal", "of this signal"},
              {"model", "by this model"},
              {"for", "how far; the model's own horizon when not said"},
              {"set", "inputs held at other values: INPUT=VALUE,…"}}});
  table.add({Method::get,
             "/api/v1/twins/{id}/anomalies",
             Verb::read_twins,
             "twinAnomalies",
             "What a twin's detectors found unusual, the newest first",
             BodyKind::none,
             with(twin_anomalies),
             Access::token,
             {{"since", "from this time"}, {"limit", "rows"}}});
  table.add({Method::post, "/api/v1/twins/{id}/simulate", Verb::read_twins, "simulateTwin",
             "Possible futures under a plan of inputs", BodyKind::json, with(simulate_twin)});
}

}  // namespace entente::node
