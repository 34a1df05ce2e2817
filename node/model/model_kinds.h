// Which kinds of models there are. A new one is one file, kinds/NAME.cpp, that defines
// `ModelKind kind_NAME()`: the build finds it by itself.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "node/model/model.h"

namespace entente::node {

struct ModelKind {
  std::string_view name;     // as in ModelSpec::kind
  std::string_view summary;  // what it assumes, one sentence
  // A fresh model. Refuses: config_invalid (parameters, numbers of signals or inputs, step).
  Result<std::unique_ptr<Model>> (*make)(const ModelSpec& spec);
};

// Immutable; threads: any.
class ModelKinds {
 public:
  ModelKinds();  // those of the folder kinds/
  explicit ModelKinds(std::vector<ModelKind> kinds) : kinds_(std::move(kinds)) {}

  const std::vector<ModelKind>& all() const { return kinds_; }
  // Refuses: not_found (no such kind; names those there are), config_invalid.
  [[nodiscard]] Result<std::unique_ptr<Model>> make(const ModelSpec& spec) const;
  // What `save` wrote; goes on bit for bit. Refuses as `make`, and input_unreadable,
  // version_too_new.
  [[nodiscard]] Result<std::unique_ptr<Model>> load(ByteView bytes) const;

 private:
  std::vector<ModelKind> kinds_;
};

}  // namespace entente::node
