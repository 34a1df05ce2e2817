#include "federation/link/link_manager.h"

#include <kj/debug.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "federation/link/acceptor.h"
#include "federation/link/call_guard.h"
#include "federation/link/connection.h"
#include "schemas/base/log.h"

namespace entente::federation {
namespace {

using Closed = MessageFirewall::End;

const char* name_of(Direction direction) {
  return direction == Direction::we_call ? "call" : "serve";
}

kj::Exception no_link(const std::string& why) {
  const std::string text = "ENT-6001 no link: " + (why.empty() ? "not connected yet" : why);
  return KJ_EXCEPTION(DISCONNECTED, text.c_str());
}

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

  Lane& lane(Direction d) { return lanes[d == Direction::we_call ? 0 : 1]; }
  const Lane& lane(Direction d) const { return lanes[d == Direction::we_call ? 0 : 1]; }
};

}  // namespace

struct LinkManager::Impl : std::enable_shared_from_this<LinkManager::Impl> {
  Impl(Loop& l, const Clock& c, Random& r, const security::CredentialSource& source,
       const security::PeerVerifier& verifier, LinkHooks h, LinkLimits m, const MethodTable& t)
      : loop(l),
        clock(c),
        random(r),
        credentials(source),
        hooks(std::make_shared<const LinkHooks>(std::move(h))),
        limits(m),
        methods(t),
        dialler(TlsContext::Role::dialler, source, verifier, c),
        listener(TlsContext::Role::acceptor, source, verifier, c) {}

  Entry* find(OrgId partner) {
    const auto found = entries.find(partner);
    return found == entries.end() ? nullptr : &found->second;
  }

  void tell(LinkEvent::Kind kind, OrgId organisation, Direction direction, std::string reason,
            std::string address) {
    if (kind == LinkEvent::Kind::violation) {
      log::warn("link", "closed for a violation",
                {{"peer", organisation.short_hex()}, {"lane", name_of(direction)},
                 {"reason", reason}, {"address", address}});
    } else {
      log::info("link", kind == LinkEvent::Kind::connected ? "connected" : "not connected",
                {{"peer", organisation.short_hex()}, {"lane", name_of(direction)},
                 {"reason", reason}, {"address", address}});
    }
    if (hooks->on_event) {
      hooks->on_event({kind, organisation, direction, std::move(reason), std::move(address)});
    }
  }

  // Connections.

  void arrived(std::shared_ptr<LinkStream> stream) {
    const Handshake& hello = stream->handshake();
    Entry* entry = find(hello.peer.organisation);
    const char* why = entry == nullptr                            ? "no such partner"
                      : entry->suspended                          ? "the link is suspended"
                      : !entry->lane(hello.direction).wanted      ? "a direction not agreed"
                      : entry->partner.dial                       ? "we are the one who dials"
                                                                  : nullptr;
    if (why != nullptr) {
      return tell(LinkEvent::Kind::refused, hello.peer.organisation, hello.direction, why,
                  hello.address);
    }
    install(*entry, std::move(stream));
  }

  // A serving lane takes the connection at once; a calling one once the partner opened a session,
  // so that calls go on over the old connection until then.
  void install(Entry& entry, std::shared_ptr<LinkStream> stream) {
    const Direction direction = stream->handshake().direction;
    const OrgId id = entry.partner.organisation;
    Lane& lane = entry.lane(direction);
    // The handlers know their connection by this cell, which is filled just below.
    auto self = std::make_shared<std::weak_ptr<Connection>>();
    auto connection = std::make_shared<Connection>(
        ConnectionOptions{loop, clock, methods, limits, hooks}, std::move(stream),
        [weak = weak_from_this(), self, id, direction](const Closed& end) {
          if (auto manager = weak.lock()) manager->ended(id, direction, self->lock(), end);
        },
        [weak = weak_from_this(), self, id](const PeerHello& hello) {
          auto manager = weak.lock();
          Entry* known = manager ? manager->find(id) : nullptr;
          if (known == nullptr) return;
          known->hello = hello;
          manager->connected(*known, known->lane(Direction::we_serve), self->lock());
        });
    *self = connection;
    entry.certificate_expires = connection->handshake().peer.certificate_expires;
    if (direction == Direction::we_serve) {
      lane.dial_under_way = false;
      return replace(lane, std::move(connection));
    }
    start_session(id, lane, std::move(connection));
  }

  void replace(Lane& lane, std::shared_ptr<Connection> connection) {
    if (lane.current && !lane.current->closed()) {
      if (lane.draining) lane.draining->close("replaced twice");
      lane.draining = std::move(lane.current);
      lane.drain_until = clock.steady() + limits.drain;
    }
    lane.current = std::move(connection);
  }

  struct Desks {
    OpenSession session;
    wire::Questions::Client questions;
    wire::Agreements::Client agreements;
  };

  void start_session(OrgId id, Lane& lane, std::shared_ptr<Connection> connection) {
    if (lane.opening) lane.opening->close("a newer connection came");
    lane.opening = connection;
    auto opening = fetch(*connection).exclusiveJoin(loop.after(limits.handshake).then([] {
      return kj::Promise<Desks>(KJ_EXCEPTION(DISCONNECTED, "no session in time"));
    }));
    std::weak_ptr<Connection> weak = connection;
    tasks.add(opening.then(
        [this, id, weak](Desks&& desks) { session_open(id, weak, kj::mv(desks)); },
        [this, id, weak](kj::Exception&& fault) {
          session_failed(id, weak, tame(fault.getDescription().cStr()));
        }));
  }

  // The lane that waits for this connection's session, if it still does.
  Lane* opening_lane(OrgId id, const std::shared_ptr<Connection>& connection) {
    Entry* entry = find(id);
    if (entry == nullptr || !connection) return nullptr;
    Lane& lane = entry->lane(Direction::we_call);
    if (lane.opening != connection) return nullptr;
    lane.opening.reset();
    lane.dial_under_way = false;
    return &lane;
  }

  void session_open(OrgId id, const std::weak_ptr<Connection>& weak, Desks&& desks) {
    const auto connection = weak.lock();
    Lane* lane = opening_lane(id, connection);
    if (lane == nullptr) return;
    if (connection->closed()) {
      return attempt_failed(id, Direction::we_call, "closed while opening",
                            connection->handshake().address);
    }
    Entry& entry = *find(id);
    replace(*lane, connection);
    adopt(entry, *lane, kj::mv(desks));
    connected(entry, *lane, connection);
  }

  void session_failed(OrgId id, const std::weak_ptr<Connection>& weak, const std::string& why) {
    const auto connection = weak.lock();
    if (opening_lane(id, connection) == nullptr) return;
    connection->close(why);
    attempt_failed(id, Direction::we_call, why, connection->handshake().address);
  }

  // Session and both desks, two round trips. A desk refused is a desk whose calls fail.
  kj::Promise<Desks> fetch(Connection& connection) {
    return connection.open().then([](OpenSession&& opened) {
      auto questions = opened.session.questionsRequest().send().then(
          [](capnp::Response<wire::Session::QuestionsResults>&& r) -> wire::Questions::Client {
            if (r.getOutcome().isDesk()) return r.getOutcome().getDesk();
            return KJ_EXCEPTION(FAILED, "ENT-3001 the partner offers no questions");
          });
      auto agreements = opened.session.agreementsRequest().send().then(
          [](capnp::Response<wire::Session::AgreementsResults>&& r) -> wire::Agreements::Client {
            if (r.getOutcome().isDesk()) return r.getOutcome().getDesk();
            return KJ_EXCEPTION(FAILED, "ENT-3001 the partner offers no agreements");
          });
      return questions.then([opened = kj::mv(opened), agreements = kj::mv(agreements)](
                                wire::Questions::Client&& asked) mutable {
        return agreements.then([opened = kj::mv(opened), asked = kj::mv(asked)](
                                   wire::Agreements::Client&& agreed) mutable {
          return Desks{kj::mv(opened), kj::mv(asked), kj::mv(agreed)};
        });
      });
    });
  }

  void adopt(Entry& entry, Lane& lane, Desks&& desks) {
    entry.hello = desks.session.peer;
    lane.session.emplace(kj::mv(desks.session));
    lane.questions.emplace(kj::mv(desks.questions));
    lane.agreements.emplace(kj::mv(desks.agreements));
  }

  void connected(Entry& entry, Lane& lane, const std::shared_ptr<Connection>& connection) {
    if (!connection || lane.current != connection) return;
    lane.attempts = 0;
    if (!lane.connected) lane.since = clock.now();
    lane.connected = true;
    ++lane.opened;
    for (auto& waiter : lane.waiting) waiter->fulfill();
    lane.waiting.clear();
    tell(LinkEvent::Kind::connected, entry.partner.organisation, lane.direction, "",
         connection->handshake().address);
  }

  void drop_session(Lane& lane) {
    lane.session.reset();
    lane.questions.reset();
    lane.agreements.reset();
    lane.renewing = lane.pinging = false;
    if (lane.connected) lane.since = clock.now();
    lane.connected = false;
  }

  void ended(OrgId id, Direction direction, std::shared_ptr<Connection> connection,
             const Closed& end) {
    if (!connection) return;
    const std::string address = connection->handshake().address;
    Entry* entry = find(id);
    const auto kind = end.violation ? LinkEvent::Kind::violation : LinkEvent::Kind::closed;
    tell(kind, id, direction, tame(end.reason), address);
    if (entry == nullptr) return;
    Lane& lane = entry->lane(direction);
    if (lane.draining == connection) lane.draining.reset();
    if (lane.current != connection) return;
    lane.last_error = tame(end.reason);
    drop_session(lane);
    lane.current.reset();
    schedule(*entry, lane);
  }

  void attempt_failed(OrgId id, Direction direction, const std::string& why,
                      const std::string& address) {
    tell(LinkEvent::Kind::refused, id, direction, why, address);
    Entry* entry = find(id);
    if (entry == nullptr) return;
    Lane& lane = entry->lane(direction);
    lane.last_error = why;
    schedule(*entry, lane);
  }

  // Dialling.

  // Waits 2^attempts times the least pause, at most the most, of which a random half is kept.
  Duration backoff(const Lane& lane) {
    if (lane.attempts == 0) return {};
    std::int64_t pause = limits.backoff_least.ns;
    for (int i = 1; i < lane.attempts && pause < limits.backoff_most.ns; ++i) pause *= 2;
    pause = std::min(pause, limits.backoff_most.ns);
    return {pause / 2 + static_cast<std::int64_t>(
                            random.below(static_cast<std::uint64_t>(pause / 2) + 1))};
  }

  void schedule(Entry& entry, Lane& lane) {
    if (!entry.partner.dial || entry.suspended || !lane.wanted || lane.dial_under_way) return;
    lane.dial_under_way = true;
    const Duration pause = backoff(lane);
    ++lane.attempts;
    const OrgId id = entry.partner.organisation;
    const Direction direction = lane.direction;
    const std::uint64_t number = ++lane.dial_number;
    tasks.add(loop.after(pause)
                  .then([this, id, direction,
                         number]() -> kj::Promise<std::shared_ptr<LinkStream>> {
                    Entry* known = dialling(id, direction, number);
                    if (known == nullptr) return no_link("no longer wanted");
                    return LinkStream::dial(loop, dialler, known->partner.dial->host,
                                            known->partner.dial->port, direction, id, limits);
                  })
                  .then(
                      [this, id, direction, number](std::shared_ptr<LinkStream>&& stream) {
                        Entry* known = dialling(id, direction, number);
                        if (known == nullptr) return;
                        install(*known, std::move(stream));
                      },
                      [this, id, direction, number](kj::Exception&& fault) {
                        Entry* known = dialling(id, direction, number);
                        if (known == nullptr) return;
                        known->lane(direction).dial_under_way = false;
                        attempt_failed(id, direction, tame(fault.getDescription().cStr()), "");
                      }));
  }

  // The partner, if this attempt is still the one that counts.
  Entry* dialling(OrgId id, Direction direction, std::uint64_t number) {
    Entry* entry = find(id);
    if (entry == nullptr || !entry->partner.dial) return nullptr;
    const Lane& lane = entry->lane(direction);
    return lane.dial_under_way && lane.dial_number == number ? entry : nullptr;
  }

  // Housekeeping.

  kj::Promise<void> tick() {
    return loop.after(limits.watch).then([this] {
      for (auto& [id, entry] : entries) {
        for (Lane& lane : entry.lanes) look_after(entry, lane);
      }
      return tick();
    });
  }

  void look_after(Entry& entry, Lane& lane) {
    if (lane.opening) lane.opening->watch();
    if (auto connection = lane.draining) {
      connection->watch();
      const bool idle = lane.direction == Direction::we_call && connection->unanswered() == 0;
      if (idle) connection->close("replaced by a newer connection");
      if (clock.steady() > lane.drain_until) connection->close("its last calls took too long");
    }
    auto connection = lane.current;
    if (!connection || connection->closed()) return;
    connection->watch();
    if (connection->closed()) return;
    const auto& peer = connection->handshake().peer;
    if (clock.now() >= peer.certificate_expires) {
      return connection->close("the peer's certificate has expired");
    }
    // Revocation reaches connections that stand already.
    if (hooks->admit && !hooks->admit(peer)) return connection->close("no longer admitted");
    if (entry.partner.dial) renew_connection(entry, lane, *connection);
    if (lane.direction != Direction::we_call || !lane.session) return;
    if (!lane.pinging && connection->firewall().silent_for() > limits.ping) ping(entry, lane);
    const Duration margin = std::min(limits.renew_margin, Duration{limits.session_life.ns / 4});
    if (!lane.renewing && clock.now() + margin >= lane.session->expires) renew(entry, lane);
  }

  // A connection lives no longer than either leaf; the dialler makes the next one in time.
  void renew_connection(Entry& entry, Lane& lane, const Connection& connection) {
    if (lane.dial_under_way) return;
    const Handshake& hello = connection.handshake();
    const auto leaf = credentials.current();
    const Instant soon = clock.now() + limits.renew_margin;
    const bool rotated = leaf && leaf != hello.shown;
    // The peer's next leaf may not be there yet: ask again, but not at every look.
    const bool peer_ends =
        hello.peer.certificate_expires <= soon && clock.steady() >= lane.renew_not_before;
    if (!rotated && !peer_ends) return;
    lane.renew_not_before = clock.steady() + Duration{limits.renew_margin.ns / 5};
    schedule(entry, lane);
  }

  void ping(Entry& entry, Lane& lane) {
    lane.pinging = true;
    const Duration sent = clock.steady();
    const OrgId id = entry.partner.organisation;
    std::weak_ptr<Connection> over = lane.current;
    loop.keep(lane.session->session.pingRequest().send().then(
        [weak = weak_from_this(), id, sent, over](auto&&) {
          auto manager = weak.lock();
          Entry* known = manager ? manager->find(id) : nullptr;
          if (known == nullptr) return;
          Lane& pinged = known->lane(Direction::we_call);
          if (pinged.current != over.lock()) return;
          pinged.pinging = false;
          known->round_trip = manager->clock.steady() - sent;
        },
        [](kj::Exception&&) {}));  // the firewall notices the end by itself
  }

  // A new session over the same connection; calls of the old one go on.
  void renew(Entry& entry, Lane& lane) {
    lane.renewing = true;
    const OrgId id = entry.partner.organisation;
    std::weak_ptr<Connection> over = lane.current;
    auto mine = [weak = weak_from_this(), id, over]() -> Entry* {
      auto manager = weak.lock();
      Entry* known = manager ? manager->find(id) : nullptr;
      auto connection = over.lock();
      if (known == nullptr || !connection) return nullptr;
      return known->lane(Direction::we_call).current == connection ? known : nullptr;
    };
    loop.keep(fetch(*lane.current)
                  .then(
                      [this, mine](Desks&& desks) {
                        Entry* known = mine();
                        if (known == nullptr) return;
                        Lane& renewed = known->lane(Direction::we_call);
                        renewed.renewing = false;
                        adopt(*known, renewed, kj::mv(desks));
                      },
                      [mine](kj::Exception&& fault) {
                        Entry* known = mine();
                        if (known == nullptr) return;
                        known->lane(Direction::we_call)
                            .current->close("no new session: " +
                                            tame(fault.getDescription().cStr()));
                      }));
  }

  void close_all(Entry& entry, const std::string& why) {
    for (Lane& lane : entry.lanes) {
      lane.dial_under_way = false;
      lane.attempts = 0;
      if (lane.current) lane.current->close(why);
      if (lane.opening) lane.opening->close(why);
      if (lane.draining) lane.draining->close(why);
      lane.opening.reset();
      lane.draining.reset();
      if (lane.current) lane.last_error = why;
      drop_session(lane);
      lane.current.reset();
    }
  }

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

LinkManager::LinkManager(Loop& loop, const Clock& clock, Random& random,
                         const security::CredentialSource& credentials,
                         const security::PeerVerifier& verifier, LinkHooks hooks,
                         LinkLimits limits, const MethodTable& methods)
    : impl_(std::make_shared<Impl>(loop, clock, random, credentials, verifier, std::move(hooks),
                                   limits, methods)) {
  impl_->tasks.add(impl_->tick());
}

LinkManager::~LinkManager() {
  impl_->acceptor.reset();
  for (auto& [id, entry] : impl_->entries) impl_->close_all(entry, "this node stops");
  impl_->entries.clear();
}

Result<std::uint16_t> LinkManager::listen(const std::string& host, std::uint16_t port) {
  if (!impl_->acceptor) {
    impl_->acceptor = std::make_unique<Acceptor>(
        impl_->loop, impl_->listener, impl_->limits,
        [impl = impl_.get()](std::shared_ptr<LinkStream> stream) {
          impl->arrived(std::move(stream));
        },
        [impl = impl_.get()](const std::string& address, const std::string& why) {
          impl->tell(LinkEvent::Kind::refused, OrgId{}, Direction::we_serve, tame(why), address);
        });
  }
  return impl_->acceptor->listen(host, port);
}

void LinkManager::stop_listening() { impl_->acceptor.reset(); }

void LinkManager::set_partner(Partner partner) {
  auto [found, fresh] = impl_->entries.try_emplace(partner.organisation, partner);
  Entry& entry = found->second;
  if (fresh) {
    entry.guard = std::make_shared<CallGuard>(impl_->loop, impl_->clock, impl_->limits);
  }
  const auto same = [&] {
    const Partner& old = entry.partner;
    const bool address = old.dial.has_value() == partner.dial.has_value() &&
                         (!old.dial || (old.dial->host == partner.dial->host &&
                                        old.dial->port == partner.dial->port));
    return address && old.call == partner.call && old.serve == partner.serve;
  };
  if (!fresh && !same()) impl_->close_all(entry, "the partner's settings changed");
  entry.partner = std::move(partner);
  entry.suspended = false;
  entry.lane(Direction::we_call).wanted = entry.partner.call;
  entry.lane(Direction::we_serve).wanted = entry.partner.serve;
  for (Lane& lane : entry.lanes) {
    if (!lane.current) impl_->schedule(entry, lane);
  }
}

void LinkManager::suspend(OrgId partner, const std::string& why) {
  if (Entry* entry = impl_->find(partner)) {
    entry->suspended = true;
    impl_->close_all(*entry, why);
  }
}

void LinkManager::remove_partner(OrgId partner) {
  if (Entry* entry = impl_->find(partner)) {
    impl_->close_all(*entry, "the partner was removed");
    impl_->entries.erase(partner);
  }
}

void LinkManager::refresh(OrgId partner) {
  if (Entry* entry = impl_->find(partner)) {
    for (Lane& lane : entry->lanes) impl_->schedule(*entry, lane);
  }
}

kj::Promise<wire::Session::Client> LinkManager::session(OrgId partner) {
  Entry* entry = impl_->find(partner);
  if (entry == nullptr) return no_link("no such partner");
  Lane& lane = entry->lane(Direction::we_call);
  if (!lane.session) return no_link(lane.last_error);
  return lane.session->session;
}

namespace {

// The lane's desk at this moment; throws when there is none.
template <class Desk>
std::function<capnp::Capability::Client()> current_desk(std::function<Lane*()> lane,
                                                        std::optional<Desk> Lane::*desk) {
  return [lane = std::move(lane), desk]() -> capnp::Capability::Client {
    Lane* now = lane();
    if (now == nullptr) kj::throwFatalException(no_link("no such partner"));
    if (!(now->*desk)) kj::throwFatalException(no_link(now->last_error));
    return *(now->*desk);
  };
}

}  // namespace

wire::Questions::Client LinkManager::questions(OrgId partner) {
  Entry* entry = impl_->find(partner);
  if (entry == nullptr) return no_link("no such partner");
  if (!entry->questions) {
    auto lane = [weak = std::weak_ptr<Impl>(impl_), partner]() -> Lane* {
      auto impl = weak.lock();
      Entry* known = impl ? impl->find(partner) : nullptr;
      return known == nullptr ? nullptr : &known->lane(Direction::we_call);
    };
    entry->questions.emplace(make_guarded(entry->guard, impl_->methods,
                                          current_desk(lane, &Lane::questions))
                                 .castAs<wire::Questions>());
  }
  return *entry->questions;
}

wire::Agreements::Client LinkManager::agreements(OrgId partner) {
  Entry* entry = impl_->find(partner);
  if (entry == nullptr) return no_link("no such partner");
  if (!entry->agreements) {
    auto lane = [weak = std::weak_ptr<Impl>(impl_), partner]() -> Lane* {
      auto impl = weak.lock();
      Entry* known = impl ? impl->find(partner) : nullptr;
      return known == nullptr ? nullptr : &known->lane(Direction::we_call);
    };
    entry->agreements.emplace(make_guarded(entry->guard, impl_->methods,
                                           current_desk(lane, &Lane::agreements))
                                  .castAs<wire::Agreements>());
  }
  return *entry->agreements;
}

std::optional<LinkHealth> LinkManager::health(OrgId partner) const {
  const Entry* entry = impl_->find(partner);
  if (entry == nullptr) return std::nullopt;
  LinkHealth health;
  health.name = entry->partner.name;
  health.suspended = entry->suspended;
  auto fill = [&](LaneHealth& out, const Lane& lane) {
    out.wanted = lane.wanted;
    out.connected = lane.connected;
    out.since = lane.since;
    out.last_error = lane.last_error;
    out.opened = lane.opened;
    if (!lane.current) return;
    out.address = lane.current->handshake().address;
    out.counters = lane.current->firewall().counters();
  };
  fill(health.call, entry->lane(Direction::we_call));
  fill(health.serve, entry->lane(Direction::we_serve));
  health.round_trip = entry->round_trip;
  health.certificate_expires = entry->certificate_expires;
  health.protocol = entry->hello.protocol;
  health.software = entry->hello.software;
  health.calls_in_flight = entry->guard->in_flight();
  health.calls_queued = entry->guard->queued();
  return health;
}

kj::Promise<void> LinkManager::when_connected(OrgId partner, Direction direction) {
  Entry* entry = impl_->find(partner);
  if (entry == nullptr) return no_link("no such partner");
  Lane& lane = entry->lane(direction);
  if (lane.connected) return kj::READY_NOW;
  auto pair = kj::newPromiseAndFulfiller<void>();
  lane.waiting.push_back(kj::mv(pair.fulfiller));
  return kj::mv(pair.promise);
}

}  // namespace entente::federation
