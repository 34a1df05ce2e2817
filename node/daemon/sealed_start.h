// A node whose vault wants a pass phrase that is not there yet: it listens on its HTTP port, says
// that it is sealed, and takes the pass phrase. Nothing else of the node exists until it is opened.
//
//   POST /api/v1/vault/unseal {"passphrase": TEXT}   opens it
//   /livez 200, /readyz 503, everything else 503 with ENT-1010
// The pass phrase is what authenticates. Guesses are tried one after the other and each costs its
// hash, half a second; kUnsealWaiters may wait. Threads: its own; one worker hashes.
#pragma once

#include <iosfwd>
#include <optional>

#include "node/config/settings.h"
#include "security/vault/vault.h"

namespace entente::node {

struct SealedStart {
  std::optional<security::Vault> vault;  // none: the process was told to end
  std::uint16_t http_port = 0;           // where it listened
};

// Writes "sealed http=HOST:PORT" to `out`. Refuses: port_in_use, config_invalid (address), and what
// open_vault refuses but for a wrong pass phrase.
[[nodiscard]] Result<SealedStart> wait_unsealed(const Settings& settings, std::ostream& out);

}  // namespace entente::node
