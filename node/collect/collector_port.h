// Where collectors connect: a port of its own, open only while there is a collector to come.
//
// Not the federation port: what listens there believes partners' sites and nothing else, and the
// network of sensors is seldom that of partners. TLS as on links (tls_context.h) under the name
// entente-collect/1, then the same firewall, governor and choke point. One connection a collector:
// a newer one ends the older. Every call, and twice a second every connection, is held against the
// register again, so that revocation cuts a standing one off.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/collect/collector_desk.h"
#include "security/identity/charter.h"
#include "security/identity/peer.h"

namespace entente::node {

// Threads: loop. Everything given outlives it.
class CollectorPort {
 public:
  struct Parts {
    const Clock& clock;
    const security::CredentialSource& credentials;  // the node's own leaf
    const security::PeerVerifier& verifier;         // believes collectors
    // The batch key of a verified peer, or why it may not send.
    std::function<Result<PublicKey>(const security::PeerIdentity&)> admit;
    CollectParts& collect;
    federation::LinkLimits limits = default_limits();
    // Whose chain of charters is shown to collectors that ask for it (charter_fetch.h); empty:
    // none.
    std::function<const security::PinnedOrganisation&()> organisation = {};
  };
  explicit CollectorPort(Parts parts);
  ~CollectorPort();
  static federation::LinkLimits default_limits();

  // Listens at an IP literal; does nothing when it is open. Refuses: port_in_use, invalid_argument.
  [[nodiscard]] Result<std::uint16_t> open(const std::string& host, std::uint16_t port);
  // Stops listening; what is connected stays.
  void close();
  std::uint16_t port() const;  // 0 while closed
  bool connected(const std::string& collector) const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::node
