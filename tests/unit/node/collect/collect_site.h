// A node's side of collectors for tests: an organisation, a history in a folder of its own, a port
// on loopback. One loop for both ends.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>

#include "node/collect/collector_client.h"
#include "node/collect/collector_port.h"
#include "node/quality/quality_gate.h"
#include "security/identity/certificate.h"
#include "security/identity/certificate_verifier.h"
#include "tests/unit/node/temporary_folder.h"

namespace entente::node::test {

struct Organisation {
  explicit Organisation(Random& random, Instant now, const std::string& name = "works")
      : keys(security::generate_keys(random)),
        pinned(*security::PinnedOrganisation::from_chain({security::sign_charter(
            *security::first_charter({name, name, now - days(1), now + days(300), 1}, keys),
            keys.roots)})),
        issuer(*security::CertificateIssuer::create(
            *security::SigningKey::from_seed(keys.ca.seed().view()),
            {pinned.id(), "main", {now - days(1), now + days(300)}}, random, now)) {}
  security::OrganisationKeys keys;
  security::PinnedOrganisation pinned;
  std::unique_ptr<security::CertificateIssuer> issuer;
};

// Twins "a" to "d" with the signal "load", from 0 to 100.
struct CollectSite {
  CollectSite() {
    port = std::make_unique<CollectorPort>(CollectorPort::Parts{
        clock, *organisation.issuer, verifier,
        [this](const security::PeerIdentity& peer) { return admit(peer); }, parts,
        CollectorPort::default_limits(),
        [this]() -> const security::PinnedOrganisation& { return organisation.pinned; }});
    listening = *port->open("127.0.0.1", 0);
  }
  ~CollectSite() {
    port.reset();
    workers.stop();
    loop.run(loop.after(milliseconds(1)));
    history.reset();
    store.reset();
    loop.run(loop.after(milliseconds(1)));
  }

  std::unique_ptr<Store> open_store() {
    Store::Options options;
    options.path = folder / "history.db";
    options.migrations = history_migrations();
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    return *std::move(opened);
  }

  Result<SeriesId> resolve(std::string_view twin, std::string_view signal) {
    if (twin.size() != 1 || twin[0] < 'a' || twin[0] > 'd') {
      return make_error(ErrorCode::not_found, "no twin \"" + std::string(twin) + "\" is known");
    }
    auto series = history->open_series(twin, signal);
    if (series) {
      Rule rule;
      rule.range = Range{0, 100};
      gate.watch(*series, rule);
    }
    return series;
  }

  Result<PublicKey> admit(const security::PeerIdentity& peer) const {
    const auto found = admitted.find(peer.site);
    if (found != admitted.end()) return found->second;
    return make_error(ErrorCode::certificate_refused, "the collector was revoked");
  }

  CollectorBundle enrol(const std::string& name) {
    auto leaf = organisation.issuer->issue_collector(name, clock.now(), days(1));
    REQUIRE(leaf);
    CollectorBundle bundle{name, "127.0.0.1:" + std::to_string(listening), organisation.pinned,
                           std::make_shared<const security::LeafCredential>(*std::move(leaf)),
                           security::SigningKey::generate(random)};
    admitted[name] = bundle.batch_key.public_key();
    return bundle;
  }

  // Waits, at most ten seconds.
  template <class T>
  T wait(kj::Promise<T> promise) {
    return promise
        .exclusiveJoin(loop.after(seconds(10)).then([]() -> kj::Promise<T> {
          return kj::Exception(kj::Exception::Type::FAILED, "test", 0, kj::heapString("too late"));
        }))
        .wait(loop.wait_scope());
  }
  kj::Own<CollectorClient> connect(const CollectorBundle& bundle) {
    return wait(CollectorClient::connect(loop, clock, bundle));
  }
  // What connecting came to; empty when it worked.
  std::string refusal(const CollectorBundle& bundle) {
    try {
      connect(bundle);
      return {};
    } catch (const kj::Exception& fault) {
      return fault.getDescription().cStr();
    }
  }

  TemporaryFolder folder;
  SystemClock clock;
  SystemRandom random;
  federation::Loop loop;
  Organisation organisation{random, clock.now()};
  security::CollectorVerifier verifier{organisation.pinned};
  std::map<std::string, PublicKey> admitted;
  std::unique_ptr<Store> store = open_store();
  std::unique_ptr<History> history = std::move(*open_history(*store, clock));
  federation::Workers workers{2};
  QualityGate gate;
  CollectParts parts{
      loop,
      workers,
      random,
      *history,
      [this](std::string_view twin, std::string_view signal) { return resolve(twin, signal); },
      [this](Batch& batch, Instant now) { gate.judge(batch, now); },
      {}};
  std::unique_ptr<CollectorPort> port;
  std::uint16_t listening = 0;
};

}  // namespace entente::node::test
