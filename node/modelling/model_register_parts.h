// What the files of ModelRegister share: what it keeps of a model and of a turn. Included by them
// only.
#pragma once

#include <mutex>

#include "node/modelling/model_register.h"

namespace entente::node {

struct ModelRegister::Entry {
  explicit Entry(ModelRow given) : row(std::move(given)) {}
  mutable std::mutex mutex;  // guards all
  ModelRow row;
  std::unique_ptr<LiveModel> live;  // made at its first turn
  Duration next_check;              // steady
  bool removed = false;
  std::string last_error;
};

struct ModelRegister::Turn {
  struct One {
    std::shared_ptr<Entry> entry;
    ModelDefinition definition;
    Told told;
    std::optional<Bytes> checkpoint;
  };
  std::vector<One> all;
  TurnReport report;
};

template <class Use>
auto ModelRegister::read(Use&& use) const -> Result<decltype(use(std::declval<Database&>()))> {
  using Value = decltype(use(std::declval<Database&>()));
  return reader_.with([&](std::optional<Database>& database) -> Result<Value> {
    if (!database) {
      auto opened = parts_.store.reader();
      if (!opened) return std::move(opened).error();
      database.emplace(std::move(*opened));
    }
    return use(*database);
  });
}

inline bool is_fed(ModelLife life) {
  return life == ModelLife::live || life == ModelLife::stale;
}
Error no_model(const std::string& twin, const std::string& name);
// To three digits, for reasons.
std::string short_number(double value);

}  // namespace entente::node
