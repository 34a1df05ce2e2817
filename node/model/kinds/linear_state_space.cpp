#include "node/model/linear_model.h"
#include "node/model/model_kinds.h"

namespace entente::node {

ModelKind kind_linear_state_space();

namespace {

Result<std::unique_ptr<Model>> make(const ModelSpec& spec) {
  const Result<LinearModels> models = LinearModels::of(spec);
  if (!models) return models.error();
  return models->make();
}

}  // namespace

ModelKind kind_linear_state_space() {
  return {
      "linear_state_space",
      "Known linear dynamics with Gaussian noise; states that are not measured (Kalman filter).",
      make};
}

}  // namespace entente::node
