// Rolling-origin comparison of forecasting methods on a series, and the choice of one.
//
// From each origin every method continues the series over the horizon, knowing only what came
// before; methods are fitted again every `refit_every` steps. Bands come from the errors of earlier
// origins whose truth had arrived. Source: Tashman, Out-of-sample tests (IJF 16, 2000).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "node/model/forecast_score.h"
#include "node/model/forecaster.h"

namespace entente::node {

struct Candidate {
  std::string name;
  std::function<std::unique_ptr<Forecaster>()> make;
};

struct BacktestOptions {
  std::size_t horizon = 24;
  std::size_t from = 0, to = 0;  // origins lie in [from, to); all of the path counts
  std::size_t every = 24;        // between origins
  std::size_t refit_every = 720;
  std::size_t history_most = 9'000;  // values a fit looks back
  std::size_t scale_period = 24;     // of the seasonal naive that MASE divides by
  std::size_t scored_from = 0;       // origins before it calibrate the bands and are not scored
};

struct BacktestRow {
  std::string name;
  ForecastScore score;
  double mase = kMissing;
  bool fitted = true;  // false: the history did not suffice, nothing was scored
};

// One row a candidate, in their order. Computes long: for workers.
std::vector<BacktestRow> backtest(std::span<const double> values, const InputColumns& inputs,
                                  const std::vector<Candidate>& candidates,
                                  const BacktestOptions& options);

// The row of the least mean absolute error among those that scored; the first if none did.
std::size_t best_of(const std::vector<BacktestRow>& rows);

// What is tried by default: seasonal naive (first), smoothing, Theta, ARX with and without inputs,
// where nothing is negative their logarithms, and means of the best families.
std::vector<Candidate> usual_candidates(std::span<const double> values,
                                        const std::vector<std::size_t>& periods,
                                        std::size_t horizon, std::size_t inputs);

}  // namespace entente::node
