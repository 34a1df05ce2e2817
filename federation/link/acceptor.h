// Lets verified peers in: listens, bounds handshakes, survives running out of descriptors.
//
// A handshake is the one thing that a stranger makes this loop compute. So before any of it: at
// most so many are under way in all and from one address (of IPv6 one network of 64 bits; the rest
// is closed at once), each address may begin some at once and then only so many a second, and no
// two begin together (pacing.h): what comes too soon waits its turn. So whoever reconnects in a
// loop is slowed down, and its neighbours are not.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "federation/limits.h"
#include "federation/link/loop.h"
#include "schemas/base/result.h"

namespace entente::federation {

class LinkStream;
class TlsContext;

// Threads: loop. The TLS context outlives it.
class Acceptor {
 public:
  using Accepted = std::function<void(std::shared_ptr<LinkStream>)>;
  // `refused` hears why a handshake failed and from where.
  using Refused = std::function<void(const std::string& address, const std::string& why)>;
  Acceptor(Loop& loop, TlsContext& tls, LinkLimits limits, Accepted accepted, Refused refused);
  ~Acceptor();  // closes the ports; handshakes under way come to nothing

  // See LinkManager::listen.
  [[nodiscard]] Result<std::uint16_t> listen(const std::string& host, std::uint16_t port);
  std::size_t handshakes() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::federation
