// Methods that continue one regular series. What they share; model kinds and the backtest use them.
//
// Values lie on a grid, NaN where there was none. `inputs` are exogenous signals on the same grid,
// NaN where not known. Everything is deterministic.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

// Column j is input j, as long as the values.
using InputColumns = std::vector<std::vector<double>>;

class Forecaster {
 public:
  virtual ~Forecaster() = default;
  virtual std::string_view name() const = 0;
  // How many values `fit` wants at least.
  virtual std::size_t least() const = 0;
  // Estimates everything from the past; the state is that after the last value. False when the
  // values do not suffice; then the method must not be asked.
  virtual bool fit(std::span<const double> values, const InputColumns& inputs) = 0;
  // One step: the next value, or NaN. Keeps the parameters, moves the state.
  virtual void update(double value, std::span<const double> inputs) = 0;
  // out[k]: k + 1 steps ahead. `plan` as in InputPlan; methods without inputs ignore it.
  virtual void continue_path(std::span<double> out, const InputPlan& plan) const = 0;
  virtual std::unique_ptr<Forecaster> clone() const = 0;
  virtual std::vector<NamedNumber> numbers() const { return {}; }
  virtual void archive(ModelArchive& archive) = 0;
};

// The value one period ago, the youngest known: the baseline that every other has to beat.
std::unique_ptr<Forecaster> seasonal_naive(std::size_t period);

struct SmoothingShape {
  std::vector<std::size_t> periods;  // ascending, each above 1; empty: no season
  bool trend = true;                 // damped
  std::size_t horizon = 1;           // steps ahead for which the parameters are chosen
};
// Additive Holt-Winters with a damped trend, any number of seasons and an AR(1) correction of the
// last error. Source: Taylor, Triple seasonal methods (EJOR 204, 2010), eq. 1-4; damping by Gardner
// and McKenzie (1985). The parameters minimise the mean absolute error of whole paths.
std::unique_ptr<Forecaster> exponential_smoothing(SmoothingShape shape);

// Theta: deseasonalised additively, then simple smoothing with half the linear trend as drift.
// Source: Assimakopoulos and Nikolopoulos (2000); as smoothing with drift, Hyndman and Billah
// (IJF 19, 2003). period 0 or 1: no season.
std::unique_ptr<Forecaster> theta(std::size_t period);

struct RegressionShape {
  std::vector<std::size_t> periods;  // ascending
  std::size_t horizon = 1;
  std::size_t inputs = 0;
  // Weight of a value one step older, in (0, 1].
  double forgetting = 1;
  double ridge = 1e-3;  // relative to the mean square of each regressor
  // True: the plan's inputs at the target time are regressors as well (calendars, schedules).
  bool planned_inputs = false;
};
// ARX, one regression for each step ahead (direct, so that a wrong structure is not iterated):
// recent values, seasonal values, seasonal profiles, means, and exogenous signals, by recursive
// least squares with forgetting and a ridge.
std::unique_ptr<Forecaster> direct_regression(RegressionShape shape);

// The mean of several, each fitted by itself.
std::unique_ptr<Forecaster> combination(std::vector<std::unique_ptr<Forecaster>> parts);

// For values that are never negative: another method on log(value + offset), where the offset is a
// twentieth of the mean of the fitted values. Its path is the median.
std::unique_ptr<Forecaster> on_logarithms(std::unique_ptr<Forecaster> inner);

}  // namespace entente::node
