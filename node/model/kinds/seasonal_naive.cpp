#include "node/model/forecast_model.h"

namespace entente::node {

ModelKind kind_seasonal_naive();

namespace {

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  ParameterReader parameters(spec);
  const ForecastShape shape = read_shape(parameters, spec);
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();
  const std::size_t period = shape.periods.empty() ? 1 : shape.periods.back();
  std::unique_ptr<Forecaster> method = seasonal_naive(period);
  return forecast_model(spec, shape, std::move(method));
}

}  // namespace

ModelKind kind_seasonal_naive() {
  return {"seasonal_naive",
          "The value one period ago; the baseline that every other model has to beat.", make};
}

}  // namespace entente::node
