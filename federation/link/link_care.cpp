// Dialling, and looking after connections that stand: watchdogs, pings, renewal, draining.
#include <kj/debug.h>

#include <algorithm>

#include "federation/link/link_lanes.h"

namespace entente::federation {

Duration LinkManager::Impl::backoff(const Lane& lane) {
  if (lane.attempts == 0) return {};
  std::int64_t pause = limits.backoff_least.ns;
  for (int i = 1; i < lane.attempts && pause < limits.backoff_most.ns; ++i) pause *= 2;
  pause = std::min(pause, limits.backoff_most.ns);
  return {pause / 2 +
          static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(pause / 2) + 1))};
}

void LinkManager::Impl::schedule(Entry& entry, Lane& lane) {
  if (!entry.partner.dial || entry.suspended || !lane.wanted || lane.dial_under_way) return;
  lane.dial_under_way = true;
  const Duration pause = backoff(lane);
  ++lane.attempts;
  const OrgId id = entry.partner.organisation;
  const Direction direction = lane.direction;
  const std::uint64_t number = ++lane.dial_number;
  tasks.add(loop.after(pause)
                .then([this, id, direction, number]() -> kj::Promise<std::shared_ptr<LinkStream>> {
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

Entry* LinkManager::Impl::dialling(OrgId id, Direction direction, std::uint64_t number) {
  Entry* entry = find(id);
  if (entry == nullptr || !entry->partner.dial) return nullptr;
  const Lane& lane = entry->lane(direction);
  return lane.dial_under_way && lane.dial_number == number ? entry : nullptr;
}

kj::Promise<void> LinkManager::Impl::tick() {
  return loop.after(limits.watch).then([this] {
    for (auto& [id, entry] : entries) {
      for (Lane& lane : entry.lanes) look_after(entry, lane);
    }
    return tick();
  });
}

void LinkManager::Impl::look_after(Entry& entry, Lane& lane) {
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
  const bool due =
      clock.steady() > lane.ping_due || connection->firewall().silent_for() > limits.ping;
  if (!lane.pinging && due) ping(entry, lane);
  const Duration margin = std::min(limits.renew_margin, Duration{limits.session_life.ns / 4});
  if (!lane.renewing && clock.now() + margin >= lane.session->expires) renew(entry, lane);
}

void LinkManager::Impl::renew_connection(Entry& entry, Lane& lane, const Connection& connection) {
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

void LinkManager::Impl::ping(Entry& entry, Lane& lane) {
  lane.pinging = true;
  const Duration sent = clock.steady();
  lane.ping_due = sent + limits::kMeasure;
  const OrgId id = entry.partner.organisation;
  std::weak_ptr<Connection> over = lane.current;
  loop.keep(lane.session->session.pingRequest().send().then(
      [weak = weak_from_this(), id, sent, over](auto&& pong) {
        auto manager = weak.lock();
        Entry* known = manager ? manager->find(id) : nullptr;
        if (known == nullptr) return;
        Lane& pinged = known->lane(Direction::we_call);
        if (pinged.current != over.lock()) return;
        pinged.pinging = false;
        known->round_trip = manager->clock.steady() - sent;
        const auto outcome = pong.getOutcome();
        if (!outcome.isNowNs()) return;
        // As it was half a round trip ago.
        const Instant then{manager->clock.now().ns - known->round_trip.ns / 2};
        known->clock_ahead = Instant{outcome.getNowNs()} - then;
      },
      [](kj::Exception&&) {}));  // the firewall notices the end by itself
}

void LinkManager::Impl::renew(Entry& entry, Lane& lane) {
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
  loop.keep(fetch(id, *lane.current)
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
                          .current->close("no new session: " + tame(fault.getDescription().cStr()));
                    }));
}

void LinkManager::Impl::close_all(Entry& entry, const std::string& why) {
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

}  // namespace entente::federation
