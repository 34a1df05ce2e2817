#include "node/daemon/model_service.h"

#include "node/modelling/limits.h"
#include "schemas/base/log.h"

namespace entente::node {

void ModelService::tend() {
  if (turning_.exchange(true)) return;
  const bool queued = workers_.post([this] {
    try {
      register_.turn();
    } catch (const std::exception& fault) {
      log::warn("models", "a turn ended early", {{"reason", fault.what()}});
    }
    turning_ = false;
  });
  if (!queued) turning_ = false;
}

kj::Promise<void> ModelService::tend_for_ever(federation::Loop& loop) {
  return loop.after(limits::kModelTurn).then([this, &loop] {
    tend();
    return tend_for_ever(loop);
  });
}

}  // namespace entente::node
