// All links of this node: listening, dialling, keeping alive, and finding the way to a partner.
//
// A partner has up to two lanes, one per direction. The side whose Partner has a `dial` address
// opens one connection per lane and keeps it open with growing, jittered pauses; the other side
// listens. A newer authenticated connection of a lane takes over; the older one finishes the calls
// it has (at most `limits.drain`) so that renewal of leaves and sessions drops none.
#pragma once

#include <kj/async.h>

#include <memory>
#include <optional>
#include <string>

#include "federation/limits.h"
#include "federation/link/link_hooks.h"
#include "federation/link/loop.h"
#include "federation/link/message_firewall.h"
#include "schemas/base/clock.h"
#include "schemas/base/random.h"
#include "security/identity/peer.h"

namespace entente::federation {

struct DialAddress {
  std::string host;
  std::uint16_t port = 0;
};

struct Partner {
  OrgId organisation;
  std::string name;                 // local alias, for log and texts
  std::optional<DialAddress> dial;  // set: we dial; empty: the partner does
  bool call = true;                 // the lane on which we ask
  bool serve = true;                // the lane on which we answer
};

struct LaneHealth {
  bool wanted = false;
  bool connected = false;  // a session was opened on it
  Instant since;           // of the present state
  std::string last_error;  // of the last end or refused attempt; empty if there was none
  std::string address;
  std::uint64_t opened = 0;  // sessions' first openings since start
  LinkCounters counters;     // of the present connection
};

struct LinkHealth {
  std::string name;
  bool suspended = false;
  LaneHealth call, serve;
  Duration round_trip;          // of the last ping, at most about a minute old; zero before it
  Instant certificate_expires;  // the peer's leaf; zero when never connected
  std::optional<Duration> clock_ahead;  // the partner's clock before ours, at the last ping
  std::uint16_t protocol = 0;
  std::uint16_t protocol_least = 0, protocol_most = 0;  // what the partner speaks; 0: not heard
  std::string software;                                 // the peer's words
  std::size_t calls_in_flight = 0, calls_queued = 0;
};

// Threads: loop. What the constructor takes outlives it.
class LinkManager {
 public:
  LinkManager(Loop& loop, const Clock& clock, Random& random,
              const security::CredentialSource& credentials, const security::PeerVerifier& verifier,
              LinkHooks hooks, LinkLimits limits = {},
              const MethodTable& methods = MethodTable::standard());
  ~LinkManager();
  LinkManager(const LinkManager&) = delete;
  LinkManager& operator=(const LinkManager&) = delete;

  // Accepts partners at `host` (an IP literal) and `port` (0 = any free one); the real port.
  // Refuses: port_in_use; invalid_argument (not an address of this machine).
  [[nodiscard]] Result<std::uint16_t> listen(const std::string& host, std::uint16_t port);
  void stop_listening();

  // Adds or changes a partner and lifts a suspension. A change of address or lanes reconnects.
  void set_partner(Partner partner);
  // Closes the partner's connections now and lets it neither in nor out until set_partner.
  void suspend(OrgId partner, const std::string& why);
  void remove_partner(OrgId partner);
  // Dials anew with the leaf in force and lets the old connections finish; does nothing for
  // partners that dial us. Renewal calls it by itself; identity may call it on revocation news.
  void refresh(OrgId partner);
  // Has the greeting of LinkHooks said again over the open session; does nothing without one.
  void greet(OrgId partner);

  // The open session for calling, or DISCONNECTED at once with the last error.
  kj::Promise<wire::Session::Client> session(OrgId partner);
  // Desks for calling: one round trip a call, under the guard, over whatever connection the lane
  // has at that moment. Valid for ever; calls fail fast with DISCONNECTED while there is no link.
  wire::Questions::Client questions(OrgId partner);
  wire::Agreements::Client agreements(OrgId partner);

  std::optional<LinkHealth> health(OrgId partner) const;
  // Fulfilled once the lane has an open session (at once if it has).
  kj::Promise<void> when_connected(OrgId partner, Direction direction);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace entente::federation
