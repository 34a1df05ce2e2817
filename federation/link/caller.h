// Who calls: the verified peer, its session, and the life of the connection it came by.
#pragma once

#include <memory>

#include "security/identity/peer.h"

namespace entente::federation {

class Governor;

// Handed to the factories of desks; authority comes from here and never from an argument.
struct Caller {
  security::PeerIdentity peer;
  Instant session_expires;
  std::shared_ptr<Governor> governor;  // of the connection; see governor.h

  // The connection stands and the session has not ended.
  bool live() const;
};

}  // namespace entente::federation
