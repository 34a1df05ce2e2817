#include "node/modelling/trial.h"

#include <algorithm>
#include <cmath>

#include "node/modelling/limits.h"
#include "node/modelling/live_model.h"

namespace entente::node {
namespace {

// Truth, inputs and the naive on the grid of the observations.
struct Grid {
  std::vector<double> values;
  std::vector<std::vector<double>> inputs;  // a row a step; empty rows where there was none
  std::vector<std::size_t> periods;

  double naive(std::size_t period, std::size_t origin, std::size_t target) const {
    std::size_t at = target;
    while (at >= origin) {
      if (at < period) return kMissing;
      at -= period;
    }
    return values[at];
  }
};

Grid grid_of(const std::vector<Seen>& seen, const ModelSpec& spec) {
  Grid grid;
  grid.values = gridded(seen, spec.step);
  grid.periods = naive_periods(spec);
  if (spec.inputs.empty()) return grid;
  grid.inputs.resize(grid.values.size());
  for (const Seen& one : seen) {
    const auto at = static_cast<std::size_t>((one.time - seen.front().time).ns / spec.step.ns);
    if (at < grid.inputs.size()) grid.inputs[at] = one.inputs;
  }
  for (std::size_t i = 1; i < grid.inputs.size(); ++i) {
    if (grid.inputs[i].empty()) grid.inputs[i] = grid.inputs[i - 1];
  }
  return grid;
}

// Of the seasonal naive of each period, on the points where all of them say something.
struct Naive {
  std::vector<double> errors;
  std::size_t points = 0;
};

// Where the truth is missing the error before it is held. False: more than half is missing.
bool filled(std::vector<double>& errors) {
  const auto known = [](double error) { return std::isfinite(error); };
  const auto first = std::find_if(errors.begin(), errors.end(), known);
  if (std::count_if(errors.begin(), errors.end(), known) * 2 < std::ssize(errors)) return false;
  double last = *first;
  for (double& error : errors) {
    if (known(error)) last = error;
    error = last;
  }
  return true;
}

// One origin: the forecast after grid place `at`, compared with what came.
void score_origin(const Model& model, const Grid& grid, std::size_t at, std::size_t horizon,
                  Trial& trial, Naive& naive) {
  const Duration step = model.spec().step;
  InputPlan plan;
  for (std::size_t k = 0; k < horizon && !grid.inputs.empty(); ++k) {
    plan.push_back(grid.inputs[std::min(at + 1 + k, grid.inputs.size() - 1)]);
  }
  const auto prediction = model.predict(step * static_cast<std::int64_t>(horizon), plan);
  if (!prediction || prediction->paths.empty()) return;
  const auto& path = prediction->paths.front();
  std::vector<double> errors;
  for (std::size_t k = 0; k < path.size() && at + 1 + k < grid.values.size(); ++k) {
    const double truth = grid.values[at + 1 + k];
    errors.push_back(truth - path[k].mean);
    std::vector<double> repeated;
    for (const std::size_t period : grid.periods) {
      repeated.push_back(std::abs(truth - grid.naive(period, at + 1, at + 1 + k)));
    }
    const bool all = std::all_of(repeated.begin(), repeated.end(),
                                 [](double error) { return std::isfinite(error); });
    if (!std::isfinite(truth) || !all) continue;
    trial.score.add(truth, path[k]);
    for (std::size_t i = 0; i < repeated.size(); ++i) naive.errors[i] += repeated[i];
    ++naive.points;
  }
  if (errors.size() == horizon && filled(errors)) trial.errors.push_back(std::move(errors));
}

}  // namespace

std::vector<std::size_t> naive_periods(const ModelSpec& spec) {
  const auto found = spec.parameters.find("periods");
  if (found != spec.parameters.end() && !found->second.empty()) {
    const auto [least, most] = std::minmax_element(found->second.begin(), found->second.end());
    std::vector<std::size_t> periods{static_cast<std::size_t>(std::max(*least, 1.0))};
    if (*most > *least) periods.push_back(static_cast<std::size_t>(*most));
    return periods;
  }
  const bool daily = spec.step.ns > 0 && spec.step < days(1);
  return {daily ? static_cast<std::size_t>(days(1).ns / spec.step.ns) : std::size_t{1}};
}

std::vector<double> gridded(const std::vector<Seen>& seen, Duration step) {
  if (seen.empty() || step.ns <= 0) return {};
  const auto length = (seen.back().time - seen.front().time).ns / step.ns + 1;
  std::vector<double> values(static_cast<std::size_t>(std::min<std::int64_t>(
                                 length, static_cast<std::int64_t>(limits::kTrialObservations))),
                             kMissing);
  for (const Seen& one : seen) {
    const auto at = static_cast<std::size_t>((one.time - seen.front().time).ns / step.ns);
    if (at < values.size()) values[at] = one.values.front();
  }
  return values;
}

std::vector<Seen> trial_observations(const History& history, const ModelDefinition& definition,
                                     Instant now) {
  const ModelFeed feed(history, definition);
  FeedPlace place = feed.begin();
  const auto until = feed.ready(now);
  if (!until) return {};
  return feed.read_all(place, *until, limits::kTrialObservations);
}

Result<Trial> try_definition(const ModelKinds& kinds, const ModelDefinition& definition,
                             const std::vector<Seen>& seen, const TrialOptions& options) {
  const ModelSpec& spec = definition.spec;
  auto model = kinds.make(spec);
  if (!model) return std::move(model).error();
  Trial trial;
  trial.observations = seen.size();
  if (seen.empty()) return trial;
  const bool predicts = spec.kind != "detector" && spec.step.ns > 0;
  const Grid grid = predicts ? grid_of(seen, spec) : Grid{};
  const auto warm_up = spec.parameters.find("warm_up");
  // Kinds without a warm-up were identified somewhere: a third of the values is not held against
  // them.
  const auto first = warm_up != spec.parameters.end() && !warm_up->second.empty()
                         ? static_cast<std::size_t>(warm_up->second.front())
                         : grid.values.size() / 3;
  Naive naive{std::vector<double>(grid.periods.size()), 0};
  std::size_t next = first;
  for (const Seen& one : seen) {
    (void)(*model)->update({one.time, one.values, one.inputs});
    if (!predicts) continue;
    const auto at = static_cast<std::size_t>((one.time - seen.front().time).ns / spec.step.ns);
    if (at < next || at >= grid.values.size() || one.time < options.scored_from) continue;
    next = at + std::max<std::size_t>(options.every, 1);
    if (trial.of.from == Instant{}) trial.of.from = one.time;
    score_origin(**model, grid, at, options.horizon, trial, naive);
  }
  trial.of.to = seen.back().time;
  if (naive.points > 0) {
    trial.naive_error = *std::min_element(naive.errors.begin(), naive.errors.end()) /
                        static_cast<double>(naive.points);
  }
  if (predicts) {
    trial.scale = naive_scale(
        std::span(grid.values).first(std::min(std::max<std::size_t>(first, 2), grid.values.size())),
        grid.periods.front());
  }
  for (const NamedNumber& number : (*model)->state()) {
    if (number.name == "alarms") trial.alarms = static_cast<std::size_t>(number.value);
  }
  return trial;
}

}  // namespace entente::node
