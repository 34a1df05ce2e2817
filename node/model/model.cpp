#include "node/model/model.h"

#include <cmath>

#include "node/model/model_archive.h"

namespace entente::node {

Outcome check_observation(const ModelSpec& spec, const Observation& observation) {
  if (observation.values.size() != spec.signals.size()) {
    return make_error(ErrorCode::invalid_argument,
                      "an observation has " + std::to_string(observation.values.size()) +
                          " values, the model '" + spec.kind + "' has " +
                          std::to_string(spec.signals.size()) + " signals",
                      "give one value for each signal, NaN where there is none");
  }
  if (!observation.inputs.empty() && observation.inputs.size() != spec.inputs.size()) {
    return make_error(ErrorCode::invalid_argument,
                      "an observation has " + std::to_string(observation.inputs.size()) +
                          " inputs, the model '" + spec.kind + "' has " +
                          std::to_string(spec.inputs.size()),
                      "give one value for each input, NaN where there is none");
  }
  return {};
}

Bytes Model::save() const {
  ModelArchive archive = ModelArchive::writer();
  ModelSpec spec = this->spec();
  archive.spec(spec);
  // A writer only reads what it is given.
  const_cast<Model*>(this)->archive(archive);
  return archive.finish();
}

double ParameterReader::number(const std::string& name, double otherwise, Bounds bounds) {
  const std::vector<double> all = numbers(name, {otherwise}, bounds);
  if (all.size() == 1) return all.front();
  if (wrong_.empty()) wrong_ = "parameter '" + name + "' is one number";
  return otherwise;
}

std::size_t ParameterReader::count(const std::string& name, std::size_t otherwise, Bounds bounds) {
  bounds.least = std::max(bounds.least, 0.0);
  bounds.most = std::min(bounds.most, 1e9);
  const double value = number(name, static_cast<double>(otherwise), bounds);
  if (value == std::floor(value)) return static_cast<std::size_t>(value);
  if (wrong_.empty()) wrong_ = "parameter '" + name + "' is a whole number";
  return otherwise;
}

std::vector<double> ParameterReader::numbers(const std::string& name, std::vector<double> otherwise,
                                             Bounds bounds) {
  asked_[name] = true;
  const auto found = spec_.parameters.find(name);
  if (found == spec_.parameters.end()) return otherwise;
  for (const double value : found->second) {
    if (std::isfinite(value) && bounds.least <= value && value <= bounds.most) continue;
    if (wrong_.empty()) wrong_ = "parameter '" + name + "' is out of range";
    return otherwise;
  }
  return found->second;
}

Outcome ParameterReader::finish() const {
  std::string wrong = wrong_;
  for (const auto& [name, values] : spec_.parameters) {
    if (wrong.empty() && !asked_.contains(name)) wrong = "parameter '" + name + "' is not known";
  }
  if (wrong.empty()) return {};
  std::string known;
  for (const auto& [name, asked] : asked_) known += (known.empty() ? "" : ", ") + name;
  return make_error(ErrorCode::config_invalid, "model '" + spec_.kind + "': " + wrong,
                    "its parameters are: " + known);
}

}  // namespace entente::node
