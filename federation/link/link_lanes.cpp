#include "federation/link/link_lanes.h"

#include <kj/debug.h>

namespace entente::federation {
namespace {

using Closed = MessageFirewall::End;

const char* name_of(Direction direction) {
  return direction == Direction::we_call ? "call" : "serve";
}

}  // namespace

kj::Exception no_link(const std::string& why) {
  const std::string text = "ENT-6001 no link: " + (why.empty() ? "not connected yet" : why);
  return KJ_EXCEPTION(DISCONNECTED, text.c_str());
}

LinkManager::Impl::Impl(Loop& l, const Clock& c, Random& r,
                        const security::CredentialSource& source,
                        const security::PeerVerifier& verifier, LinkHooks h, LinkLimits m,
                        const MethodTable& t)
    : loop(l),
      clock(c),
      random(r),
      credentials(source),
      hooks(std::make_shared<const LinkHooks>(std::move(h))),
      limits(m),
      methods(t),
      dialler(TlsContext::Role::dialler, source, verifier, c),
      listener(TlsContext::Role::acceptor, source, verifier, c) {}

Entry* LinkManager::Impl::find(OrgId partner) {
  const auto found = entries.find(partner);
  return found == entries.end() ? nullptr : &found->second;
}

void LinkManager::Impl::tell(LinkEvent::Kind kind, OrgId organisation, Direction direction,
                             std::string reason, std::string address) {
  if (kind == LinkEvent::Kind::violation) {
    log::warn("link", "closed for a violation",
              {{"peer", organisation.short_hex()},
               {"lane", name_of(direction)},
               {"reason", reason},
               {"address", address}});
  } else {
    log::info("link", kind == LinkEvent::Kind::connected ? "connected" : "not connected",
              {{"peer", organisation.short_hex()},
               {"lane", name_of(direction)},
               {"reason", reason},
               {"address", address}});
  }
  if (hooks->on_event) {
    hooks->on_event({kind, organisation, direction, std::move(reason), std::move(address)});
  }
}

void LinkManager::Impl::arrived(std::shared_ptr<LinkStream> stream) {
  const Handshake& hello = stream->handshake();
  Entry* entry = find(hello.peer.organisation);
  const char* why = entry == nullptr                       ? "no such partner"
                    : entry->suspended                     ? "the link is suspended"
                    : !entry->lane(hello.direction).wanted ? "a direction not agreed"
                    : entry->partner.dial                  ? "we are the one who dials"
                                                           : nullptr;
  if (why != nullptr) {
    return tell(LinkEvent::Kind::refused, hello.peer.organisation, hello.direction, why,
                hello.address);
  }
  install(*entry, std::move(stream));
}

void LinkManager::Impl::install(Entry& entry, std::shared_ptr<LinkStream> stream) {
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
        known->heard = hello;
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

void LinkManager::Impl::replace(Lane& lane, std::shared_ptr<Connection> connection) {
  if (lane.current && !lane.current->closed()) {
    if (lane.draining) lane.draining->close("replaced twice");
    lane.draining = std::move(lane.current);
    lane.drain_until = clock.steady() + limits.drain;
  }
  lane.current = std::move(connection);
}

void LinkManager::Impl::start_session(OrgId id, Lane& lane,
                                      std::shared_ptr<Connection> connection) {
  if (lane.opening) lane.opening->close("a newer connection came");
  lane.opening = connection;
  auto opening = fetch(id, *connection).exclusiveJoin(loop.after(limits.handshake).then([] {
    return kj::Promise<Desks>(KJ_EXCEPTION(DISCONNECTED, "no session in time"));
  }));
  std::weak_ptr<Connection> weak = connection;
  tasks.add(opening.then([this, id, weak](Desks&& desks) { session_open(id, weak, kj::mv(desks)); },
                         [this, id, weak](kj::Exception&& fault) {
                           session_failed(id, weak, tame(fault.getDescription().cStr()));
                         }));
}

Lane* LinkManager::Impl::opening_lane(OrgId id, const std::shared_ptr<Connection>& connection) {
  Entry* entry = find(id);
  if (entry == nullptr || !connection) return nullptr;
  Lane& lane = entry->lane(Direction::we_call);
  if (lane.opening != connection) return nullptr;
  lane.opening.reset();
  lane.dial_under_way = false;
  return &lane;
}

void LinkManager::Impl::session_open(OrgId id, const std::weak_ptr<Connection>& weak,
                                     Desks&& desks) {
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

void LinkManager::Impl::session_failed(OrgId id, const std::weak_ptr<Connection>& weak,
                                       const std::string& why) {
  const auto connection = weak.lock();
  if (opening_lane(id, connection) == nullptr) return;
  connection->close(why);
  attempt_failed(id, Direction::we_call, why, connection->handshake().address);
}

kj::Promise<LinkManager::Impl::Desks> LinkManager::Impl::fetch(const OrgId& id,
                                                               Connection& connection) {
  auto greeted = [hooks = hooks, id](OpenSession&& opened) -> kj::Promise<OpenSession> {
    if (!hooks->greet) return kj::mv(opened);
    auto said = hooks->greet(id, opened.session);
    return said.then([opened = kj::mv(opened)]() mutable { return kj::mv(opened); });
  };
  return connection.open().then(kj::mv(greeted)).then([](OpenSession&& opened) {
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
      return agreements.then([opened = kj::mv(opened),
                              asked = kj::mv(asked)](wire::Agreements::Client&& agreed) mutable {
        return Desks{kj::mv(opened), kj::mv(asked), kj::mv(agreed)};
      });
    });
  });
}

void LinkManager::Impl::adopt(Entry& entry, Lane& lane, Desks&& desks) {
  entry.hello = desks.session.peer;
  lane.session.emplace(kj::mv(desks.session));
  lane.questions.emplace(kj::mv(desks.questions));
  lane.agreements.emplace(kj::mv(desks.agreements));
}

void LinkManager::Impl::connected(Entry& entry, Lane& lane,
                                  const std::shared_ptr<Connection>& connection) {
  if (!connection || lane.current != connection) return;
  lane.attempts = 0;
  if (!lane.connected) lane.since = clock.now();
  lane.connected = true;
  lane.ping_due = clock.steady() + limits::kMeasureFirst;
  ++lane.opened;
  for (auto& waiter : lane.waiting) waiter->fulfill();
  lane.waiting.clear();
  tell(LinkEvent::Kind::connected, entry.partner.organisation, lane.direction, "",
       connection->handshake().address);
}

void LinkManager::Impl::drop_session(Lane& lane) {
  lane.session.reset();
  lane.questions.reset();
  lane.agreements.reset();
  lane.renewing = lane.pinging = false;
  if (lane.connected) lane.since = clock.now();
  lane.connected = false;
}

void LinkManager::Impl::ended(OrgId id, Direction direction, std::shared_ptr<Connection> connection,
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

void LinkManager::Impl::attempt_failed(OrgId id, Direction direction, const std::string& why,
                                       const std::string& address) {
  tell(LinkEvent::Kind::refused, id, direction, why, address);
  Entry* entry = find(id);
  if (entry == nullptr) return;
  Lane& lane = entry->lane(direction);
  lane.last_error = why;
  schedule(*entry, lane);
}

}  // namespace entente::federation
