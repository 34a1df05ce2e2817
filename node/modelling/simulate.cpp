#include "node/modelling/simulate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numbers>

#include "node/modelling/limits.h"
#include "schemas/base/random.h"

namespace entente::node {
namespace {

constexpr std::size_t kErrorPathsLeast = 8;

double uniform(Random& random) {
  return (static_cast<double>(random.u64() >> 11) + 0.5) * 0x1p-53;
}

double normal(Random& random) {
  const double radius = std::sqrt(-2 * std::log(uniform(random)));
  return radius * std::cos(2 * std::numbers::pi * uniform(random));
}

bool number_of(std::string_view text, double& value) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && std::isfinite(value);
}

Outcome check_inputs(const ModelSpec& spec, const std::vector<PlannedInput>& inputs) {
  std::string names;
  for (const std::string& name : spec.inputs) names += (names.empty() ? "" : ", ") + name;
  for (const PlannedInput& one : inputs) {
    if (std::count(spec.inputs.begin(), spec.inputs.end(), one.input) == 0) {
      return make_error(
          ErrorCode::invalid_argument, "the model has no input '" + one.input + "'",
          names.empty() ? "identify it with --input SIGNAL first" : "its inputs are: " + names);
    }
  }
  return {};
}

Outcome check(const Model& model, const Trial& trial, const SimulationPlan& plan) {
  if (auto fine = check_inputs(model.spec(), plan.inputs); !fine) return fine;
  if (plan.runs < 1 || plan.runs > limits::kSimulatedRuns || plan.steps < 1 ||
      plan.runs * plan.steps > limits::kSimulatedPoints) {
    return make_error(ErrorCode::invalid_argument, "that many runs and steps are too much at once",
                      "ask for at most 10000 runs and 2000000 runs times steps");
  }
  if (trial.errors.size() < kErrorPathsLeast) {
    return make_error(ErrorCode::not_found,
                      "there are " + std::to_string(trial.errors.size()) +
                          " past forecasts of that length to draw errors from, and it takes " +
                          std::to_string(kErrorPathsLeast),
                      "give a shorter --for, or wait for more readings");
  }
  return {};
}

InputPlan drawn_plan(const ModelSpec& spec, const std::vector<double>& last,
                     const SimulationPlan& plan, Random& random) {
  if (spec.inputs.empty()) return {};
  std::vector<double> row = last;
  row.resize(spec.inputs.size(), kMissing);
  for (const PlannedInput& one : plan.inputs) {
    const auto at = std::find(spec.inputs.begin(), spec.inputs.end(), one.input);
    row[static_cast<std::size_t>(at - spec.inputs.begin())] =
        one.deviation > 0 ? one.value + one.deviation * normal(random) : one.value;
  }
  return {row};  // the last row of a plan is held
}

double quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto at = static_cast<std::size_t>(place);
  if (at + 1 >= sorted.size()) return sorted.back();
  return sorted[at] + (place - static_cast<double>(at)) * (sorted[at + 1] - sorted[at]);
}

}  // namespace

Result<PlannedInput> planned_input(std::string_view text) {
  const auto refuse =
      make_error(ErrorCode::invalid_argument, "'" + std::string(text) + "' is no planned input",
                 "write INPUT=VALUE, or INPUT=VALUE~DEVIATION");
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return refuse;
  PlannedInput planned{std::string(text.substr(0, equals))};
  std::string_view rest = text.substr(equals + 1);
  const auto wave = rest.find('~');
  if (!number_of(rest.substr(0, wave), planned.value)) return refuse;
  if (wave == std::string_view::npos) return planned;
  if (!number_of(rest.substr(wave + 1), planned.deviation) || planned.deviation < 0) return refuse;
  return planned;
}

Result<std::vector<double>> planned_row(const ModelSpec& spec, const std::vector<double>& last,
                                        const std::vector<PlannedInput>& inputs) {
  if (auto fine = check_inputs(spec, inputs); !fine) return std::move(fine).error();
  const auto ahead = spec.parameters.find("planned_inputs");
  const bool looks = spec.kind == "linear_state_space" ||
                     (ahead != spec.parameters.end() && ahead->second == std::vector<double>{1});
  if (!looks && !inputs.empty()) {
    return make_error(ErrorCode::invalid_argument,
                      "this model looks at inputs that were, not at those to come",
                      "take one of the kind linear_state_space, or with planned_inputs = 1");
  }
  std::vector<double> row = last;
  row.resize(spec.inputs.size(), kMissing);
  for (const PlannedInput& one : inputs) {
    const auto at = std::find(spec.inputs.begin(), spec.inputs.end(), one.input);
    row[static_cast<std::size_t>(at - spec.inputs.begin())] = one.value;
  }
  return row;
}

Result<Simulated> simulate(const Model& model, const std::vector<double>& last_inputs,
                           const Trial& trial, const SimulationPlan& plan) {
  if (auto fine = check(model, trial, plan); !fine) return std::move(fine).error();
  SeededRandom random(plan.seed);
  const Duration horizon = model.spec().step * static_cast<std::int64_t>(plan.steps);
  const bool uncertain = std::any_of(plan.inputs.begin(), plan.inputs.end(),
                                     [](const PlannedInput& one) { return one.deviation > 0; });
  std::vector<std::vector<double>> at_step(plan.steps);
  std::size_t above = 0, below = 0;
  Result<Prediction> path =
      model.predict(horizon, drawn_plan(model.spec(), last_inputs, plan, random));
  Simulated out;
  for (std::size_t run = 0; run < plan.runs; ++run) {
    if (uncertain && run > 0) {
      path = model.predict(horizon, drawn_plan(model.spec(), last_inputs, plan, random));
    }
    if (!path) return std::move(path).error();
    const auto& points = path->paths.front();
    const auto& errors = trial.errors[random.below(trial.errors.size())];
    bool over = false, under = false;
    for (std::size_t k = 0; k < plan.steps; ++k) {
      const double value = points[k].mean + errors[k];
      at_step[k].push_back(value);
      over = over || (plan.limit && value > *plan.limit);
      under = under || (plan.limit && value < *plan.limit);
    }
    above += over;
    below += under;
  }
  for (std::size_t k = 0; k < plan.steps; ++k) {
    auto& values = at_step[k];
    std::sort(values.begin(), values.end());
    double sum = 0;
    for (const double value : values) sum += value;
    out.path.push_back({path->paths.front()[k].time,
                        sum / static_cast<double>(values.size()),
                        {quantile(values, 0.25), quantile(values, 0.75)},
                        {quantile(values, 0.05), quantile(values, 0.95)}});
  }
  out.runs = plan.runs;
  out.errors = trial.errors.size();
  out.seed = plan.seed;
  out.median_last = quantile(at_step.back(), 0.5);
  if (plan.limit) {
    out.above = static_cast<double>(above) / static_cast<double>(plan.runs);
    out.below = static_cast<double>(below) / static_cast<double>(plan.runs);
  }
  return out;
}

}  // namespace entente::node
