#include "node/model/model_kinds.h"

#include <algorithm>

#include "node/model/model_archive.h"

namespace entente::node {

std::vector<ModelKind> all_kinds();  // made by CMake from the files in kinds/

namespace {

Outcome check_spec(const ModelSpec& spec) {
  const auto refuse = [&](const char* why) {
    return make_error(ErrorCode::config_invalid, "model '" + spec.kind + "': " + why);
  };
  if (spec.signals.empty() || spec.signals.size() > kModelSignals) {
    return refuse("it has between 1 and 64 signals");
  }
  if (spec.inputs.size() > kModelSignals) return refuse("it has at most 64 inputs");
  if (spec.step.ns < 0) return refuse("its step is not negative");
  std::size_t numbers = 0;
  for (const auto& [name, values] : spec.parameters) numbers += values.size();
  if (numbers > kModelParameters) return refuse("it has more numbers than a model may have");
  return {};
}

}  // namespace

ModelKinds::ModelKinds() : kinds_(all_kinds()) {
  std::sort(kinds_.begin(), kinds_.end(),
            [](const ModelKind& a, const ModelKind& b) { return a.name < b.name; });
}

Result<std::unique_ptr<Model>> ModelKinds::make(const ModelSpec& spec) const {
  for (const ModelKind& kind : kinds_) {
    if (kind.name != spec.kind) continue;
    if (Outcome fine = check_spec(spec); !fine) return std::move(fine).error();
    return kind.make(spec);
  }
  std::string names;
  for (const ModelKind& kind : kinds_) {
    names += (names.empty() ? "" : ", ") + std::string(kind.name);
  }
  return make_error(ErrorCode::not_found, "there is no kind of model '" + spec.kind + "'",
                    "the kinds are: " + names);
}

Result<std::unique_ptr<Model>> ModelKinds::load(ByteView bytes) const {
  Result<ModelArchive> archive = ModelArchive::reader(bytes);
  if (!archive) return std::move(archive).error();
  ModelSpec spec;
  archive->spec(spec);
  Error unreadable =
      make_error(ErrorCode::input_unreadable,
                 "a saved model of kind '" + spec.kind + "' does not have the state of that kind",
                 "identify the model again");
  if (archive->failed()) return unreadable;
  Result<std::unique_ptr<Model>> model = make(spec);
  if (!model) return model;
  (*model)->archive(*archive);
  if (archive->failed() || !archive->at_end()) return unreadable;
  return model;
}

}  // namespace entente::node
