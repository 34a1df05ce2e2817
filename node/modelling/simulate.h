// What-if on one twin: many possible futures of its first signal under a plan of its inputs.
//
// Each run is the model's path under that run's inputs plus one of the errors that the same
// definition made over a whole horizon on history (trial.h), drawn with the seed: so the errors of
// one run hang together over time as they did, and the share of runs that cross a limit means
// something. An input given with a deviation is drawn anew for each run, and held. It assumes that
// errors under the plan are like those of the past. Equal seeds, equal results.
// Source: Efron, bootstrap methods (Annals of Statistics 7, 1979), with whole paths as units.
#pragma once

#include "node/modelling/trial.h"

namespace entente::node {

struct PlannedInput {
  std::string input;
  double value = 0;
  double deviation = 0;  // of a normal distribution; 0: it is certain
};
// "inlet=5", "inlet=5~0.5". Refuses: invalid_argument.
[[nodiscard]] Result<PlannedInput> planned_input(std::string_view text);

// The last values of a model's inputs with the planned ones in their places, without deviations.
// Refuses: invalid_argument (an input that the model does not have, or does not look ahead at).
[[nodiscard]] Result<std::vector<double>> planned_row(const ModelSpec& spec,
                                                      const std::vector<double>& last,
                                                      const std::vector<PlannedInput>& inputs);

struct SimulationPlan {
  std::vector<PlannedInput> inputs;  // the others are held at their last value
  std::size_t steps = 24;
  std::size_t runs = 200;
  std::uint64_t seed = 1;
  std::optional<double> limit;
};

struct Simulated {
  std::vector<PredictedPoint> path;  // mean, and bands of the runs
  std::size_t runs = 0, errors = 0;  // and from how many past paths they were drawn
  std::uint64_t seed = 0;
  // With a limit: the share of runs that are above (below) it at some step.
  double above = kMissing, below = kMissing;
  double median_last = kMissing;
};

// `model` is at the present; `trial` gives its past errors. Refuses: invalid_argument (an input
// that the model does not have; too much at once), not_found (too few past errors), and as
// Model::predict.
[[nodiscard]] Result<Simulated> simulate(const Model& model, const std::vector<double>& last_inputs,
                                         const Trial& trial, const SimulationPlan& plan);

}  // namespace entente::node
