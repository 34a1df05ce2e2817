#include "federation/link/link_manager.h"

#include "federation/link/link_lanes.h"

namespace entente::federation {

LinkManager::LinkManager(Loop& loop, const Clock& clock, Random& random,
                         const security::CredentialSource& credentials,
                         const security::PeerVerifier& verifier, LinkHooks hooks, LinkLimits limits,
                         const MethodTable& methods)
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

void LinkManager::stop_listening() {
  impl_->acceptor.reset();
}

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

void LinkManager::greet(OrgId partner) {
  Entry* entry = impl_->find(partner);
  if (entry == nullptr || !impl_->hooks->greet) return;
  Lane& lane = entry->lane(Direction::we_call);
  if (!lane.session) return;
  impl_->loop.keep(impl_->hooks->greet(partner, lane.session->session).catch_([](kj::Exception&&) {
  }));  // the next opening says it again
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
    entry->questions.emplace(
        make_guarded(entry->guard, impl_->methods, current_desk(lane, &Lane::questions))
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
    entry->agreements.emplace(
        make_guarded(entry->guard, impl_->methods, current_desk(lane, &Lane::agreements))
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
  health.clock_ahead = entry->clock_ahead;
  health.protocol = entry->hello.protocol;
  health.protocol_least = entry->heard.least;
  health.protocol_most = entry->heard.most;
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
