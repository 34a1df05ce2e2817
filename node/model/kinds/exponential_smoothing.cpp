#include "node/model/forecast_model.h"

namespace entente::node {

ModelKind kind_exponential_smoothing();

namespace {

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  ParameterReader parameters(spec);
  const ForecastShape shape = read_shape(parameters, spec);
  const bool trend = parameters.count("trend", 1, {0, 1}) == 1;
  if (Outcome fine = parameters.finish(); !fine) return std::move(fine).error();
  std::unique_ptr<Forecaster> method = exponential_smoothing({shape.periods, trend, shape.horizon});
  return forecast_model(spec, shape, std::move(method));
}

}  // namespace

ModelKind kind_exponential_smoothing() {
  return {
      "exponential_smoothing",
      "Level, damped trend and any number of additive seasons that change slowly (Holt-Winters).",
      make};
}

}  // namespace entente::node
