// Charters over live links: rotations under load lose no call, and what is revoked is cut off.
#include <doctest/doctest.h>

#include <kj/debug.h>

#include <algorithm>
#include <map>
#include <memory>

#include "federation/link/charter_exchange.h"
#include "security/identity/certificate.h"
#include "security/identity/certificate_verifier.h"
#include "security/identity/charter_draft.h"
#include "security/identity/limits.h"
#include "tests/support/link_node.h"

using namespace entente;
using namespace entente::federation;
using security::PinnedOrganisation;
using security::SigningKey;

namespace {

LinkLimits fast_limits() {
  LinkLimits limits;
  limits.ask_rate = limits.ask_burst = 1e6;
  limits.backoff_least = milliseconds(20);
  limits.backoff_most = milliseconds(100);
  return limits;
}

SigningKey copy_of(const SigningKey& key) {
  return *SigningKey::from_seed(key.seed().view());
}

// A site with a charter of its own, the real verifier and the real issuer. Its desk signs what it
// is asked with its answer key.
struct Site {
  Site(Loop& l, const std::string& name)
      : loop(l),
        keys(security::generate_keys(random)),
        self(first(name)),
        manager(loop, clock, random, issuer_of(), verifier, hooks(), fast_limits()) {
    auto listening = manager.listen("127.0.0.1", 0);
    REQUIRE(listening);
    port = *listening;
  }

  PinnedOrganisation first(const std::string& name) {
    const Instant now = clock.now();
    auto charter = security::first_charter({name, name, now - hours(1), now + days(365), 1}, keys);
    REQUIRE(charter);
    return *PinnedOrganisation::from_chain({security::sign_charter(*charter, keys.roots)});
  }
  const security::CredentialSource& issuer_of() {
    security::IssuerTerms terms{self.id(), "main", window()};
    issuer = *security::CertificateIssuer::create(copy_of(keys.ca), terms, random, clock.now());
    return *issuer;
  }
  TimeWindow window() const { return {self.current().issued, self.current().expires}; }

  LinkHooks hooks() {
    LinkHooks out;
    out.admit = [this](const security::PeerIdentity& peer) {
      return verifier.still_valid(peer, clock.now());
    };
    out.decide = [](const Caller&, const MethodRow&) -> Outcome { return {}; };
    out.audit_intent = [](const Caller&, const MethodRow&) -> kj::Promise<void> {
      return kj::READY_NOW;
    };
    out.questions = [this](const Caller& caller) -> wire::Questions::Client {
      return kj::heap<test::EchoQuestions>(caller, [this](auto& context) -> kj::Promise<void> {
        const auto asked = context.getParams().getEnvelope();
        const Bytes answer = to_wire_bytes(security::sign_body(
            keys.answer, security::contexts::kAnswer, Bytes(asked.begin(), asked.end())));
        context.getResults().initOutcome().setSealed(kj::arrayPtr(answer.data(), answer.size()));
        return kj::READY_NOW;
      });
    };
    out.charters = [this](const Caller& caller,
                          CharterOffer offer) -> kj::Promise<Result<CharterOffer>> {
      told[caller.peer.organisation] = offer.pinned;
      if (auto taken = take(caller.peer.organisation, offer); !taken) {
        return Result<CharterOffer>(taken.error());
      }
      return Result<CharterOffer>(
          CharterOffer{partners.at(caller.peer.organisation).current().version,
                       charters_to_show(self.chain(), offer.pinned)});
    };
    out.greet = [this](const OrgId& partner, wire::Session::Client session) -> kj::Promise<void> {
      if (silent) return kj::READY_NOW;
      const CharterOffer offer{partners.at(partner).current().version,
                               charters_to_show(self.chain(), told[partner])};
      return exchange_charters(session, offer).then([this, partner](Result<CharterOffer>&& reply) {
        if (!reply) return;
        told[partner] = reply->pinned;
        CHECK(take(partner, *reply));
      });
    };
    return out;
  }

  Outcome take(const OrgId& partner, const CharterOffer& offer) {
    PinnedOrganisation& known = partners.at(partner);
    for (const SignedCharter& one : offer.mine) {
      auto advanced = known.advance(one);
      if (!advanced && advanced.error().code != ErrorCode::stale) return advanced.error();
    }
    pin();
    return {};
  }
  void pin() {
    security::PinnedOrganisations all;
    for (const auto& [id, one] : partners) all.emplace(id, one);
    verifier.replace(std::move(all));
  }
  void know(const Site& other) {
    partners.emplace(other.self.id(), other.self);
    pin();
  }

  // The next charter, signed by the roots in force and, when they change, the new ones.
  void go_on(security::CharterChange change, const std::vector<const SigningKey*>& signers) {
    change.issued = clock.now();
    change.expires = change.issued + days(365);
    auto next = security::next_charter(self, change);
    REQUIRE(next);
    auto advanced = self.advance(security::sign_charter(*next, signers));
    REQUIRE(advanced);
    CHECK(*advanced == security::Advance::advanced);
  }

  Loop& loop;
  SystemClock clock;
  SystemRandom random;
  security::OrganisationKeys keys;
  PinnedOrganisation self;
  std::unique_ptr<security::CertificateIssuer> issuer;
  security::PinnedVerifier verifier;
  std::map<OrgId, PinnedOrganisation> partners;
  std::map<OrgId, std::uint32_t> told;
  bool silent = false;
  std::uint16_t port = 0;
  LinkManager manager;
};

void link(Loop& loop, Site& dialler, Site& listener) {
  dialler.know(listener);
  listener.know(dialler);
  Partner to{listener.self.id(), "listener", DialAddress{"127.0.0.1", listener.port}};
  Partner from{dialler.self.id(), "dialler", {}};
  listener.manager.set_partner(from);
  dialler.manager.set_partner(to);
  for (Direction direction : {Direction::we_call, Direction::we_serve}) {
    loop.run(dialler.manager.when_connected(listener.self.id(), direction));
    loop.run(listener.manager.when_connected(dialler.self.id(), direction));
  }
}

// Asks without a pause, `most` at a time, and verifies each answer by the pinned charter.
struct Load {
  Load(Loop& l, Site& a, const Site& b, std::size_t n)
      : loop(l), asker(a), partner(b.self.id()), total(n), desk(a.manager.questions(partner)) {}

  void go() {
    while (in_flight < 24 && sent < total) {
      const std::string text = "question " + std::to_string(sent++);
      ++in_flight;
      auto request = desk.askRequest();
      request.setEnvelope(
          kj::arrayPtr(reinterpret_cast<const kj::byte*>(text.data()), text.size()));
      loop.keep(request.send().then(
          [this, text](auto&& response) {
            const auto outcome = response.getOutcome();
            ended(outcome.isSealed() && verified(outcome.getSealed(), text) ? "" : "unverified");
          },
          [this](kj::Exception&& fault) { ended(fault.getDescription().cStr()); }));
    }
  }
  bool verified(capnp::Data::Reader sealed, const std::string& text) const {
    const auto outer = signed_from_bytes(ByteView(sealed.begin(), sealed.size()));
    if (!outer || text_of(outer->body) != text) return false;
    const Charter& charter = asker.partners.at(partner).current();
    return std::any_of(charter.keys.begin(), charter.keys.end(), [&](const PurposeKey& item) {
      return item.purpose == KeyPurpose::answer &&
             security::verify(item.key, security::contexts::kAnswer, *outer);
    });
  }
  void ended(const std::string& why) {
    --in_flight;
    ++done;
    if (!why.empty()) {
      ++lost;
      if (lost <= 3) MESSAGE("lost: " << why);
    }
    // On a later turn: this may come from within `go`.
    loop.post([this] { go(); });
  }
  void until(std::size_t count) {
    CHECK(test::run_until(
        loop, [&] { return done >= count; }, seconds(120)));
  }

  Loop& loop;
  Site& asker;
  const OrgId partner;
  const std::size_t total;
  wire::Questions::Client desk;
  std::size_t sent = 0, in_flight = 0, done = 0, lost = 0;
};

// Shows the charter to the partner and waits until it has pinned it.
void publish(Loop& loop, Site& site, const Site& partner) {
  site.manager.greet(partner.self.id());
  const std::uint32_t version = site.self.current().version;
  CHECK(test::run_until(loop, [&] { return site.told[partner.self.id()] >= version; }));
}

void rotate(Loop& loop, Site& site, const Site& partner, KeyPurpose purpose) {
  SigningKey fresh = SigningKey::generate(site.random);
  security::CharterChange change;
  change.add = {{purpose, fresh.public_key()}};
  site.go_on(change, {&site.keys.roots[0]});
  publish(loop, site, partner);
  if (purpose == KeyPurpose::answer)
    site.keys.answer = std::move(fresh);
  else if (purpose == KeyPurpose::audit)
    site.keys.audit = std::move(fresh);
  else
    CHECK(site.issuer->adopt(std::move(fresh), site.window(), site.clock.now()));
}

void rotate_root(Loop& loop, Site& site, const Site& partner) {
  SigningKey fresh = SigningKey::generate(site.random);
  security::CharterChange change;
  change.roots = {{fresh.public_key()}};
  site.go_on(change, {&site.keys.roots[0], &fresh});
  publish(loop, site, partner);
  site.keys.roots[0] = std::move(fresh);
}

}  // namespace

TEST_SUITE("federation/link/charter_rotation") {
  TEST_CASE(
      "10000 calls under load lose none through leaf and CA and root and answer and audit "
      "rotation") {
    Loop loop;
    Site office(loop, "office"), works(loop, "works");
    link(loop, works, office);  // works dials, both ask
    Load there(loop, office, works, 5'000), back(loop, works, office, 5'000);
    there.go();
    back.go();
    std::size_t rotations = 0;
    for (Site* site : {&works, &office}) {
      Site& partner = site == &works ? office : works;
      const auto pause = [&] {
        ++rotations;
        there.until(rotations * 480);
        back.until(rotations * 480);
      };
      CHECK(site->issuer->renew(site->clock.now()));
      pause();
      rotate(loop, *site, partner, KeyPurpose::ca);
      pause();
      rotate_root(loop, *site, partner);
      pause();
      rotate(loop, *site, partner, KeyPurpose::answer);
      pause();
      rotate(loop, *site, partner, KeyPurpose::audit);
      pause();
    }
    there.until(there.total);
    back.until(back.total);
    const std::size_t calls = there.done + back.done, lost = there.lost + back.lost;
    MESSAGE(calls << " calls, " << rotations << " rotations, " << lost << " lost");
    CHECK(calls == 10'000);
    CHECK(lost == 0);
    CHECK(rotations == 10);
    CHECK(works.self.current().version == 5);
    CHECK(office.partners.at(works.self.id()).current().version == 5);
    CHECK(works.partners.at(office.self.id()).current().version == 5);
    // The leaves that were rotated reached the connections: works dialled anew.
    CHECK(works.manager.health(office.self.id())->call.opened > 1);
  }

  TEST_CASE("an answer key used before the partner has pinned its charter loses answers") {
    Loop loop;
    Site office(loop, "office"), works(loop, "works");
    link(loop, works, office);
    works.silent = office.silent = true;
    SigningKey fresh = SigningKey::generate(works.random);
    security::CharterChange change;
    change.add = {{KeyPurpose::answer, fresh.public_key()}};
    works.go_on(change, {&works.keys.roots[0]});
    works.keys.answer = std::move(fresh);
    Load load(loop, office, works, 50);
    load.go();
    load.until(50);
    CHECK(load.lost == 50);
    works.silent = false;
    publish(loop, works, office);
    Load again(loop, office, works, 50);
    again.go();
    again.until(50);
    CHECK(again.lost == 0);
  }

  TEST_CASE("a revoked leaf and a revoked issuer are cut off within 2 s on both lanes") {
    Loop loop;
    Site office(loop, "office"), works(loop, "works");
    link(loop, works, office);
    const auto connected = [&] {
      const auto health = office.manager.health(works.self.id());
      return health->call.connected || health->serve.connected;
    };
    const auto cut = [&](const std::string& what) {
      const Duration begun = office.clock.steady();
      CHECK(test::run_until(loop, [&] { return !connected(); }));
      const double took = (office.clock.steady() - begun).seconds();
      MESSAGE(what << " cut after " << took << " s");
      CHECK(took < 2);
    };
    const auto back = [&] {
      loop.run(office.manager.when_connected(works.self.id(), Direction::we_call));
      loop.run(office.manager.when_connected(works.self.id(), Direction::we_serve));
      loop.run(works.manager.when_connected(office.self.id(), Direction::we_call));
    };
    // The leaf: works goes on with it, as a thief would.
    const auto leaf =
        office.verifier.verify(works.issuer->current()->chain_der, office.clock.now(), nullptr);
    REQUIRE(leaf);
    security::CharterChange change;
    change.revoke = {leaf->leaf_key};
    works.go_on(change, {&works.keys.roots[0]});
    publish(loop, works, office);
    cut("a revoked leaf");
    CHECK_FALSE(test::run_until(loop, connected, seconds(1)));
    CHECK(works.issuer->renew(works.clock.now()));
    back();
    // Its issuer.
    SigningKey fresh = SigningKey::generate(works.random);
    change.revoke = {hash_public_key(works.keys.ca.public_key())};
    change.add = {{KeyPurpose::ca, fresh.public_key()}};
    works.go_on(change, {&works.keys.roots[0]});
    publish(loop, works, office);
    cut("a revoked issuer");
    CHECK_FALSE(test::run_until(loop, connected, seconds(1)));
    CHECK(works.issuer->adopt(std::move(fresh), works.window(), works.clock.now()));
    back();
    // And the link as a whole, which is what 'link revoke' takes out of the verifier.
    office.partners.clear();
    office.pin();
    cut("a partner that is pinned no more");
  }

  TEST_CASE("what is shown begins where the other side is and always has the charter in force") {
    Loop loop;
    Site works(loop, "works");
    for (int i = 0; i < 40; ++i) works.go_on({}, {&works.keys.roots[0]});
    const auto versions = [&](std::uint32_t pinned) {
      std::vector<std::uint32_t> out;
      for (const auto& one : charters_to_show(works.self.chain(), pinned)) {
        out.push_back(charter_from_bytes(one.charter)->version);
      }
      return out;
    };
    CHECK(versions(41) == std::vector<std::uint32_t>{41});
    CHECK(versions(99) == std::vector<std::uint32_t>{41});
    CHECK(versions(39) == std::vector<std::uint32_t>{39, 40, 41});
    CHECK(versions(0).front() == 1);
    CHECK(versions(0).size() == entente::federation::limits::kCharterOffer);
    CHECK(versions(10).front() == 10);
    CHECK(charters_to_show({}, 0).empty());
  }
}
