#include "node/modelling/identify.h"

#include <algorithm>
#include <cmath>

#include "node/history/reading_page.h"
#include "node/model/backtest.h"
#include "node/modelling/identify_dynamics.h"
#include "node/modelling/limits.h"
#include "schemas/base/ids.h"

namespace entente::node {
namespace {

constexpr std::size_t kGapsLookedAt = 200;
constexpr std::size_t kWeeksForWeekly = 6;
constexpr std::size_t kDetectorValues = 400;

// How a method of backtest.h is written as a kind; methods that are no kind are not tried.
struct Written {
  std::string_view method, kind;
  std::map<std::string, std::vector<double>> parameters;
};

const std::vector<Written>& written() {
  static const std::vector<Written> all{
      {"seasonal naive", "seasonal_naive", {}},
      {"seasonal naive, longest", "seasonal_naive", {}},
      {"smoothing", "exponential_smoothing", {}},
      {"theta", "theta", {}},
      {"arx", "arx", {}},
      {"arx fading", "arx", {{"forgetting", {0.9995}}, {"ridge", {1e-2}}}},
      {"arx planned", "arx", {{"planned_inputs", {1}}}},
      {"log smoothing", "exponential_smoothing", {{"logarithms", {1}}}},
      {"log arx", "arx", {{"logarithms", {1}}}},
      {"log arx fading",
       "arx",
       {{"forgetting", {0.9995}}, {"logarithms", {1}}, {"ridge", {1e-2}}}}};
  return all;
}

const Written* written_as(std::string_view method) {
  for (const Written& one : written()) {
    if (one.method == method) return &one;
  }
  return nullptr;
}

Error no_readings(const IdentifyRequest& request) {
  return make_error(ErrorCode::not_found,
                    "'" + request.twin + "' has no reading of '" + request.signal + "'",
                    "see 'entente twin history'");
}

// Everything in steps.
struct Shape {
  std::vector<std::size_t> periods;
  std::size_t horizon = 0;
};

Result<Shape> shape_of(const IdentifyRequest& request, Duration step, std::size_t values) {
  Shape shape;
  std::vector<Duration> periods = request.periods;
  if (periods.empty() && step < days(1)) {
    periods.push_back(days(1));
    if (step * static_cast<std::int64_t>(values) >= days(7 * kWeeksForWeekly)) {
      periods.push_back(days(7));
    }
  }
  for (const Duration period : periods) {
    if (period < step * 2 || period.ns % step.ns != 0) {
      return make_error(ErrorCode::invalid_argument,
                        "the period " + to_text(period) + " is no multiple of the step " +
                            to_text(step) + ", or only one step",
                        "give another --period or --step");
    }
    shape.periods.push_back(static_cast<std::size_t>(period.ns / step.ns));
  }
  std::sort(shape.periods.begin(), shape.periods.end());
  const std::int64_t usual = step < days(1) ? days(1).ns / step.ns : 7;
  const std::int64_t horizon = request.horizon.ns > 0 ? request.horizon.ns / step.ns : usual;
  shape.horizon = static_cast<std::size_t>(horizon);
  if (horizon < 1 || (request.horizon.ns > 0 && shape.horizon > limits::kIdentifyHorizon)) {
    return make_error(ErrorCode::invalid_argument,
                      "a horizon is from one step to " + std::to_string(limits::kIdentifyHorizon) +
                          " steps of " + to_text(step),
                      "give another --horizon, or a longer --step");
  }
  shape.horizon = std::min(shape.horizon, limits::kIdentifyHorizon);
  return shape;
}

std::vector<Candidate> candidates_for(std::span<const double> values, const Shape& shape,
                                      std::size_t inputs) {
  const std::size_t shortest = shape.periods.empty() ? 1 : shape.periods.front();
  std::vector<Candidate> all{{"seasonal naive", [shortest] { return seasonal_naive(shortest); }}};
  for (Candidate& one : usual_candidates(values, shape.periods, shape.horizon, inputs)) {
    const bool regression = one.name.find("arx") != std::string::npos;
    if (one.name == "seasonal naive") {  // of the longest period
      if (shape.periods.size() < 2) continue;
      one.name = "seasonal naive, longest";
    }
    if (written_as(one.name) == nullptr) continue;
    if (regression && shape.horizon > limits::kRegressionHorizon) continue;
    all.push_back(std::move(one));
  }
  if (inputs > 0 && shape.horizon <= limits::kRegressionHorizon) {
    all.push_back(
        {"arx planned", [shape, inputs] {
           return direct_regression({shape.periods, shape.horizon, inputs, 1, 1e-3, true});
         }});
  }
  return all;
}

InputColumns input_columns(const std::vector<Seen>& seen, std::size_t inputs, std::size_t length,
                           Duration step) {
  InputColumns columns(inputs, std::vector<double>(length, kMissing));
  for (const Seen& one : seen) {
    const auto at = static_cast<std::size_t>((one.time - seen.front().time).ns / step.ns);
    for (std::size_t j = 0; j < inputs && at < length; ++j) columns[j][at] = one.inputs[j];
  }
  return columns;
}

std::vector<std::string> split(const std::string& names) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at <= names.size();) {
    const std::size_t end = std::min(names.find(',', at), names.size());
    all.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

// A signal as a local id.
std::string name_after(const std::string& signal) {
  std::string name;
  for (const char c : signal.substr(0, 40)) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    name += is_local_id(std::string(1, lower)) ? lower : '-';
  }
  return is_local_id(name) ? name : "m" + name;
}

ModelDefinition definition_of(const IdentifyRequest& request, Duration step, Instant from) {
  ModelDefinition definition;
  definition.twin = request.twin;
  definition.name = request.name;
  if (request.name.empty()) {
    definition.name = name_after(request.signal) + (request.detector ? "-anomalies" : "");
  }
  definition.spec.signals = split(request.signal);
  definition.spec.inputs = request.inputs;
  definition.spec.step = step;
  definition.from = from;
  definition.late = usual_lateness(step);
  return definition;
}

IdentifiedRow row_of(const BacktestRow& tried, const ModelKinds& kinds, const ModelSpec& spec) {
  IdentifiedRow row;
  row.method = tried.name;
  row.kind = spec.kind;
  row.points = tried.score.points;
  row.fitted = tried.fitted && row.points > 0 && kinds.make(spec).has_value();
  if (!row.fitted) return row;
  row.mean_absolute_error = tried.score.mae();
  row.mase = tried.mase;
  if (tried.score.banded == 0) return row;
  row.coverage_half = tried.score.coverage_half();
  row.coverage_ninety = tried.score.coverage_ninety();
  return row;
}

Result<Identified> identify_forecast(const std::vector<Seen>& seen, const ModelKinds& kinds,
                                     const IdentifyRequest& request, Identified found) {
  ModelSpec& spec = found.definition.spec;
  const std::vector<double> values = gridded(seen, spec.step);
  auto shape = shape_of(request, spec.step, values.size());
  if (!shape) return std::move(shape).error();
  const std::size_t longest = shape->periods.empty() ? 1 : shape->periods.back();
  const std::size_t least = std::max({limits::kIdentifyLeast, 6 * longest, 12 * shape->horizon});
  found.values = values.size();
  found.missing = static_cast<std::size_t>(
      std::count_if(values.begin(), values.end(), [](double v) { return !std::isfinite(v); }));
  if (values.size() < least) {
    return make_error(ErrorCode::not_found,
                      "there are " + std::to_string(values.size()) + " steps of " +
                          to_text(spec.step) + ", and it takes " + std::to_string(least) +
                          " to choose a model with this period and horizon",
                      "wait for more readings, or give a shorter --period or --horizon");
  }
  const InputColumns inputs = input_columns(seen, request.inputs.size(), values.size(), spec.step);
  BacktestOptions options;
  options.horizon = shape->horizon;
  options.from = values.size() / 2;
  options.to = values.size();
  options.scored_from = values.size() * 2 / 3;
  options.every = std::max<std::size_t>(
      std::min(shape->horizon / 2, (options.scored_from - options.from) / 24), 1);
  options.refit_every = values.size();
  options.history_most = limits::kIdentifySteps;
  options.scale_period = shape->periods.empty() ? 1 : shape->periods.front();
  const auto tried =
      backtest(values, inputs, candidates_for(values, *shape, inputs.size()), options);
  std::vector<ModelSpec> specs;
  for (const BacktestRow& one : tried) {
    const Written* as = written_as(one.name);
    ModelSpec& made = specs.emplace_back(spec);
    made.kind = as->kind;
    made.parameters = as->parameters;
    made.parameters["periods"].assign(shape->periods.begin(), shape->periods.end());
    if (one.name == "seasonal naive" && !shape->periods.empty()) {
      made.parameters["periods"].resize(1);  // the shortest
    }
    made.parameters["horizon"] = {static_cast<double>(shape->horizon)};
    made.parameters["warm_up"] = {static_cast<double>(options.scored_from)};
    found.rows.push_back(row_of(one, kinds, made));
    const IdentifiedRow& best = found.rows[found.chosen];
    const bool better =
        found.rows.back().fitted &&
        (!best.fitted || found.rows.back().mean_absolute_error < best.mean_absolute_error);
    if (better) found.chosen = found.rows.size() - 1;
  }
  if (!found.rows[found.chosen].fitted) {
    return make_error(ErrorCode::not_found, "no method could be fitted: too much is missing",
                      "see 'entente twin health'");
  }
  spec = specs[found.chosen];
  return found;
}

Result<Identified> identify_detector(const std::vector<Seen>& seen, const ModelKinds& kinds,
                                     Identified found) {
  ModelSpec& spec = found.definition.spec;
  spec.kind = "detector";
  spec.inputs.clear();
  const std::size_t learning = std::min(kDetectorValues, seen.size() / 4);
  if (learning < 40) {
    return make_error(ErrorCode::not_found,
                      "there are " + std::to_string(seen.size()) +
                          " readings, and a detector takes 160 to learn from and be tried on",
                      "wait for more readings");
  }
  spec.parameters["learning"] = {static_cast<double>(learning)};
  auto trial = try_definition(kinds, found.definition, seen, {});
  if (!trial) return std::move(trial).error();
  found.values = seen.size();
  found.alarms = trial->alarms;
  IdentifiedRow row;
  row.method = row.kind = spec.kind;
  row.points = seen.size() - learning;
  found.rows.push_back(row);
  return found;
}

}  // namespace

std::optional<Duration> usual_step(const History& history, SeriesId series) {
  const auto latest = history.latest(series);
  if (!latest) return std::nullopt;
  std::vector<std::int64_t> gaps;
  // The newest ones, looked for over ever longer times.
  for (Duration over = hours(1); gaps.size() < kGapsLookedAt && over < days(20'000);
       over = over * 8) {
    gaps.clear();
    std::int64_t last = 0;
    const auto page = read_page(history, series, {latest->time - over, latest->time + seconds(1)},
                                10 * kGapsLookedAt, Keep::good);
    for (const Reading& reading : page) {
      if (last != 0) gaps.push_back(reading.time.ns - last);
      last = reading.time.ns;
    }
  }
  if (gaps.empty()) return std::nullopt;
  std::nth_element(gaps.begin(), gaps.begin() + static_cast<int>(gaps.size() / 2), gaps.end());
  const std::int64_t median = gaps[gaps.size() / 2];
  constexpr Duration kRound[] = {seconds(1),  seconds(10), seconds(30), minutes(1), minutes(5),
                                 minutes(10), minutes(15), minutes(30), hours(1),   hours(2),
                                 hours(3),    hours(4),    hours(6),    hours(12)};
  for (const Duration step : kRound) {
    if (static_cast<double>(step.ns) >= 0.9 * static_cast<double>(median)) return step;
  }
  return days(1);
}

Result<Identified> identify(const History& history, const ModelKinds& kinds,
                            const IdentifyRequest& request, Instant now) {
  if (!request.kind.empty() && !is_dynamic_kind(request.kind)) {
    return make_error(ErrorCode::invalid_argument, "there is no kind '" + request.kind + "'",
                      "take thermal (or thermal_1, thermal_2, thermal_3), tank or subspace");
  }
  const auto series = history.find(request.twin, split(request.signal).front());
  const auto latest = series ? history.latest(*series) : std::nullopt;
  const auto usual = series ? usual_step(history, *series) : std::nullopt;
  if (!latest || !usual) return no_readings(request);
  const Duration width = request.step.ns > 0 ? request.step : *usual;
  const Instant newest = std::min(latest->time, now);
  const Instant begin = newest - width * static_cast<std::int64_t>(limits::kIdentifySteps);
  // The first reading since then is where the definition begins.
  const auto first = read_page(history, *series, {begin, newest + nanoseconds(1)}, 1, Keep::good);
  if (first.empty()) return no_readings(request);
  Identified found;
  found.definition = definition_of(request, request.detector ? request.step : width,
                                   floor_to(first.front().time, width));
  const auto seen = trial_observations(history, found.definition, now);
  if (seen.empty()) return no_readings(request);
  found.of = {seen.front().time, seen.back().time};
  if (!request.kind.empty()) return identify_dynamics(seen, kinds, request, std::move(found));
  return request.detector ? identify_detector(seen, kinds, std::move(found))
                          : identify_forecast(seen, kinds, request, std::move(found));
}

}  // namespace entente::node
