// The node's side of collectors, assembled: register, certificates, port, and their readings' way
// into the history. Threads: loop.
#pragma once

#include <memory>

#include "node/collect/collector_port.h"
#include "node/collect/collector_register.h"
#include "security/identity/certificate_verifier.h"

namespace entente::node {

struct Core;

class Collectors {
 public:
  // `core` has its stores, history, twins, certificates and charter, and outlives this.
  explicit Collectors(Core& core);
  [[nodiscard]] Outcome load();

  const CollectorRegister& entries() const { return register_; }
  CollectorRegister& entries() { return register_; }
  const CollectorPort& port() const { return *port_; }
  // Opens the port when a collector may come, and closes it when none may any more.
  [[nodiscard]] Outcome refresh();
  // This organisation's charter went on: collectors are judged by it from now on.
  void charter_changed();

  // Ends all connections and runs what the workers have; answers of the history may still come.
  void stop();

  // A new certificate and batch key for a collector, and the bundle that carries them; nothing is
  // enrolled yet. Opens the port. Refuses: invalid_argument (name, life), port_in_use.
  struct Made {
    CollectorEntry entry;
    Bytes bundle;  // secret
  };
  [[nodiscard]] Result<Made> make(const std::string& name, Duration life);
  std::string bundle_path(const std::string& name) const;

 private:
  Result<SeriesId> resolve(std::string_view twin, std::string_view signal);
  Outcome open();

  Core& core_;
  CollectorRegister register_;
  security::CollectorVerifier verifier_;
  federation::Workers workers_;
  CollectParts parts_;
  std::unique_ptr<CollectorPort> port_;
};

}  // namespace entente::node
