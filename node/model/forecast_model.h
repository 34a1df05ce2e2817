// A forecaster as a model: put on the grid, fitted once enough was seen, with calibrated bands.
//
// Life: the first `warm_up` steps are kept; then two thirds of them are fitted, the last third is
// forecast from origins spread over it, which calibrates the bands, and all of them are fitted
// again. From then on the parameters stay, the state moves, and bands learn from every issued path
// as truth arrives; the kept steps are let go. Refitting is a new model (a proposal), not a habit.
// Grid: an observation belongs to the step that begins nearest to it; the first of a step counts.
// Steps without one are missing. After a gap of more than kGapSteps everything begins anew.
#pragma once

#include "node/model/forecaster.h"
#include "node/model/model_kinds.h"

namespace entente::node {

inline constexpr std::int64_t kGapSteps = 10'000;
inline constexpr double kWarmUpStepsMost = 200'000;

struct ForecastShape {
  std::vector<std::size_t> periods;  // in steps, ascending
  std::size_t horizon = 24;          // steps for which bands are calibrated
  std::size_t warm_up = 0;           // steps
  bool logarithms = false;
};

// The parameters all of these kinds have: periods, horizon, warm_up, logarithms.
ForecastShape read_shape(ParameterReader& parameters, const ModelSpec& spec);

// Refuses: config_invalid (not one signal, no step, a warm_up below what the method wants).
[[nodiscard]] Result<std::unique_ptr<Model>> forecast_model(const ModelSpec& spec,
                                                            const ForecastShape& shape,
                                                            std::unique_ptr<Forecaster> method);

}  // namespace entente::node
