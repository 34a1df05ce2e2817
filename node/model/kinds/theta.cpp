#include "node/model/forecast_model.h"

namespace entente::node {

ModelKind kind_theta();

namespace {

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  ParameterReader parameters(spec);
  const ForecastShape shape = read_shape(parameters, spec);
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();
  std::unique_ptr<Forecaster> method = theta(shape.periods.empty() ? 1 : shape.periods.back());
  return forecast_model(spec, shape, std::move(method));
}

}  // namespace

ModelKind kind_theta() {
  return {"theta",
          "A season that stays, a smoothed level and half the linear trend; for short series.",
          make};
}

}  // namespace entente::node
