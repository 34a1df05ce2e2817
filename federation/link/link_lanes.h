// What LinkManager does with each partner's two lanes: connections installed and replaced, sessions
// opened and renewed (link_lanes.cpp), dialling and looking after what stands (link_care.cpp).
// Inside of link_manager.cpp; nobody else includes this. Threads: loop.
#pragma once

#include <kj/async.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "federation/link/acceptor.h"
#include "federation/link/call_guard.h"
#include "federation/link/connection.h"
#include "federation/link/link_manager.h"
#include "schemas/base/log.h"

namespace entente::federation {

kj::Exception no_link(const std::string& why);

// One direction to one partner.
struct Lane {
  explicit Lane(Direction d) : direction(d) {}
  const Direction direction;
  bool wanted = false;
  std::shared_ptr<Connection> current;
  std::shared_ptr<Connection> opening;  // calling: authenticated, its session not open yet
  std::shared_ptr<Connection> draining;
  Duration drain_until{};
  bool connected = false;
  std::optional<OpenSession> session;
  std::optional<wire::Questions::Client> questions;
  std::optional<wire::Agreements::Client> agreements;
  bool renewing = false;
  bool pinging = false;
  Duration ping_due{};  // steady; sooner when nothing is heard
  bool dial_under_way = false;
  std::uint64_t dial_number = 0;  // of the attempt that counts; a stale one is dropped
  Duration renew_not_before{};
  int attempts = 0;  // in a row without a session
  Instant since{};
  std::string last_error;
  std::uint64_t opened = 0;
  std::vector<kj::Own<kj::PromiseFulfiller<void>>> waiting;
};

struct Entry {
  explicit Entry(Partner p) : partner(std::move(p)) {}
  Partner partner;
  bool suspended = false;
  std::array<Lane, 2> lanes{Lane(Direction::we_call), Lane(Direction::we_serve)};
  std::shared_ptr<CallGuard> guard;
  std::optional<wire::Questions::Client> questions;
  std::optional<wire::Agreements::Client> agreements;
  Duration round_trip{};
  Instant certificate_expires{};
  PeerHello hello;
  PeerHello heard;  // from its own opening: what it speaks
  std::optional<Duration> clock_ahead;

  Lane& lane(Direction d) { return lanes[d == Direction::we_call ? 0 : 1]; }
  const Lane& lane(Direction d) const { return lanes[d == Direction::we_call ? 0 : 1]; }
};

struct LinkManager::Impl : std::enable_shared_from_this<LinkManager::Impl> {
  Impl(Loop& l, const Clock& c, Random& r, const security::CredentialSource& source,
       const security::PeerVerifier& verifier, LinkHooks h, LinkLimits m, const MethodTable& t);
  Entry* find(OrgId partner);
  void tell(LinkEvent::Kind kind, OrgId organisation, Direction direction, std::string reason,
            std::string address);

  // Connections.
  void arrived(std::shared_ptr<LinkStream> stream);
  // A serving lane takes the connection at once; a calling one once the partner opened a session,
  // so that calls go on over the old connection until then.
  void install(Entry& entry, std::shared_ptr<LinkStream> stream);
  void replace(Lane& lane, std::shared_ptr<Connection> connection);
  struct Desks {
    OpenSession session;
    wire::Questions::Client questions;
    wire::Agreements::Client agreements;
  };
  void start_session(OrgId id, Lane& lane, std::shared_ptr<Connection> connection);
  // The lane that waits for this connection's session, if it still does.
  Lane* opening_lane(OrgId id, const std::shared_ptr<Connection>& connection);
  void session_open(OrgId id, const std::weak_ptr<Connection>& weak, Desks&& desks);
  void session_failed(OrgId id, const std::weak_ptr<Connection>& weak, const std::string& why);
  // Session, greeting and both desks. A desk refused is a desk whose calls fail.
  kj::Promise<Desks> fetch(const OrgId& id, Connection& connection);
  void adopt(Entry& entry, Lane& lane, Desks&& desks);
  void connected(Entry& entry, Lane& lane, const std::shared_ptr<Connection>& connection);
  void drop_session(Lane& lane);
  void ended(OrgId id, Direction direction, std::shared_ptr<Connection> connection,
             const MessageFirewall::End& end);
  void attempt_failed(OrgId id, Direction direction, const std::string& why,
                      const std::string& address);

  // Dialling.
  // Waits 2^attempts times the least pause, at most the most, of which a random half is kept.
  Duration backoff(const Lane& lane);
  void schedule(Entry& entry, Lane& lane);
  // The partner, if this attempt is still the one that counts.
  Entry* dialling(OrgId id, Direction direction, std::uint64_t number);

  // Housekeeping.
  kj::Promise<void> tick();
  void look_after(Entry& entry, Lane& lane);
  // A connection lives no longer than either leaf; the dialler makes the next one in time.
  void renew_connection(Entry& entry, Lane& lane, const Connection& connection);
  void ping(Entry& entry, Lane& lane);
  // A new session over the same connection; calls of the old one go on.
  void renew(Entry& entry, Lane& lane);
  void close_all(Entry& entry, const std::string& why);

  Loop& loop;
  const Clock& clock;
  Random& random;
  const security::CredentialSource& credentials;
  std::shared_ptr<const LinkHooks> hooks;
  const LinkLimits limits;
  const MethodTable& methods;
  TlsContext dialler;
  TlsContext listener;
  std::map<OrgId, Entry> entries;
  std::unique_ptr<Acceptor> acceptor;

  struct LogFailures final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&& fault) override {
      log::error("link", "a task of the links failed", {{"what", fault.getDescription().cStr()}});
    }
  };
  LogFailures failures;
  kj::TaskSet tasks{failures};  // last: they point into this
};

}  // namespace entente::federation
