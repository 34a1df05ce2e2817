#include "node/model/forecast_model.h"

namespace entente::node {

ModelKind kind_arx();

namespace {

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  ParameterReader parameters(spec);
  const ForecastShape shape = read_shape(parameters, spec);
  const double forgetting = parameters.number("forgetting", 1, {0.9, 1});
  const double ridge = parameters.number("ridge", 1e-3, {0, 10});
  const bool planned = parameters.count("planned_inputs", 0, {0, 1}) == 1;
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();
  std::unique_ptr<Forecaster> method = direct_regression(
      {shape.periods, shape.horizon, spec.inputs.size(), forgetting, ridge, planned});
  return forecast_model(spec, shape, std::move(method));
}

}  // namespace

ModelKind kind_arx() {
  return {"arx",
          "Linear in recent and seasonal values and in exogenous signals; needs weeks of history.",
          make};
}

}  // namespace entente::node
