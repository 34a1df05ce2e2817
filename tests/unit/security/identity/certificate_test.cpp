#include "security/identity/certificate.h"

#include <doctest/doctest.h>

#include <functional>

#include "security/identity/certificate_verifier.h"
#include "tests/unit/security/identity/crafted_certificate.h"

using namespace entente;
using namespace entente::security;
using test::kNow;
using test::Recipe;

namespace {

// Two partners, pinned; an organisation that is not.
struct World {
  SeededRandom random{42};
  test::Organisation washington = test::make_organisation(random, "washington");
  test::Organisation oregon = test::make_organisation(random, "oregon");
  test::Organisation stranger = test::make_organisation(random, "stranger");
  PinnedVerifier verifier{pinned()};

  PinnedOrganisations pinned() const {
    return {{washington.pinned.id(), washington.pinned}, {oregon.pinned.id(), oregon.pinned}};
  }
  std::string uri(const test::Organisation& org, std::string_view site = "seattle") const {
    return "URI:" + site_uri(org.pinned.id(), site);
  }
  Recipe good() const {
    Recipe out;
    out.names = uri(washington);
    return out;
  }
  Result<PeerIdentity> verify(const std::vector<Bytes>& chain, Instant now = kNow) const {
    return verifier.verify(chain, now, nullptr);
  }
  void refuses(const std::vector<Bytes>& chain, std::string_view reason, Instant now = kNow) const {
    CAPTURE(std::string(reason));
    const auto result = verify(chain, now);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == ErrorCode::certificate_refused);
    CAPTURE(result.error().what);
    CHECK(result.error().what.find(reason) != std::string::npos);
    CHECK(ERR_peek_error() == 0);
  }
};

}  // namespace

TEST_SUITE("security/certificate") {
  TEST_CASE("an issued leaf is verified as its organisation and site, and as nobody else") {
    World world;
    const TimeWindow charter{world.washington.pinned.current().issued,
                             world.washington.pinned.current().expires};
    const PublicKey ca = world.washington.keys.ca.public_key();
    auto issuer = CertificateIssuer::create(std::move(world.washington.keys.ca),
                                            {world.washington.pinned.id(), "seattle", charter},
                                            world.random, kNow);
    REQUIRE(issuer);
    const auto leaf = (*issuer)->current();
    CHECK(leaf->chain_der.size() == 2);
    CHECK(leaf->not_before == kNow - minutes(5));
    CHECK(leaf->not_after == kNow + hours(24));
    const auto peer = world.verify(leaf->chain_der);
    if (!peer) FAIL(peer.error().text());
    CHECK(peer->organisation == world.washington.pinned.id());
    CHECK(peer->site == "seattle");
    CHECK(peer->issuer_key == hash_public_key(ca));
    CHECK(peer->certificate_expires == leaf->not_after);
    const OrgId washington = world.washington.pinned.id(), oregon = world.oregon.pinned.id();
    CHECK(world.verifier.verify(leaf->chain_der, kNow, &washington));
    CHECK_FALSE(world.verifier.verify(leaf->chain_der, kNow, &oregon));
    CHECK(ERR_peek_error() == 0);
  }

  TEST_CASE("the private key belongs to the leaf") {
    World world;
    const Bytes ca = *make_ca_certificate(world.oregon.keys.ca, world.oregon.pinned.id(),
                                          {kNow, kNow + days(1)}, world.random);
    const auto leaf =
        issue_leaf(world.oregon.keys.ca, ca,
                   {world.oregon.pinned.id(), "salem", {kNow, kNow + hours(1)}}, world.random);
    REQUIRE(leaf);
    const unsigned char* at = leaf->private_key_der.data();
    const openssl::Key key(d2i_AutoPrivateKey(
        nullptr, &at, static_cast<long>(leaf->private_key_der.size())));
    const unsigned char* leaf_at = leaf->chain_der[0].data();
    const openssl::Certificate certificate(
        d2i_X509(nullptr, &leaf_at, static_cast<long>(leaf->chain_der[0].size())));
    REQUIRE(key);
    REQUIRE(certificate);
    CHECK(X509_check_private_key(certificate.get(), key.get()) == 1);
    CHECK_FALSE(issue_leaf(world.oregon.keys.ca, ca, {world.oregon.pinned.id(), "No Site", {}},
                           world.random));
  }

  TEST_CASE("a leaf renews itself at half its life, holders of the old one keep it") {
    World world;
    const OrgId id = world.washington.pinned.id();
    const Instant end = kNow + hours(40);
    auto issuer = *CertificateIssuer::create(std::move(world.washington.keys.ca),
                                             {id, "seattle", {kNow - days(1), end}}, world.random,
                                             kNow);
    const auto first = issuer->current();
    CHECK_FALSE(*issuer->renew_if_due(kNow + hours(11)));
    CHECK(issuer->current() == first);
    CHECK(*issuer->renew_if_due(kNow + hours(12)));
    const auto second = issuer->current();
    CHECK(second != first);
    CHECK(second->chain_der[0] != first->chain_der[0]);
    CHECK(second->private_key_der != first->private_key_der);
    CHECK(second->chain_der[1] == first->chain_der[1]);
    CHECK(world.verify(first->chain_der, kNow + hours(12)));
    CHECK(world.verify(second->chain_der, kNow + hours(12)));
    CHECK(*issuer->renew_if_due(kNow + hours(24)));
    CHECK(issuer->current()->not_after == end);
    CHECK_FALSE(*issuer->renew_if_due(kNow + hours(39)));
    const auto expired = issuer->renew_if_due(end);
    REQUIRE_FALSE(expired);
    CHECK(expired.error().code == ErrorCode::charter_invalid);
    CHECK(issuer->current()->not_after == end);
    // A clock that was set back makes the leaf not yet valid: it is issued anew.
    CHECK(*issuer->renew_if_due(kNow));
    CHECK(world.verify(issuer->current()->chain_der, kNow));
  }

  TEST_CASE("a crafted leaf that keeps every rule is accepted, so the refusals mean something") {
    World world;
    CHECK(world.verify(craft(world.washington.keys.ca, world.good(), world.random)));
  }

  TEST_CASE("an impostor organisation's CA cannot name another partner") {
    World world;
    Recipe recipe = world.good();
    world.refuses(craft(world.oregon.keys.ca, recipe, world.random), "no CA of the organisation");
    world.refuses(craft(world.stranger.keys.ca, recipe, world.random), "no CA of the organisation");
    // Nor by showing the true CA's certificate over a signature of its own.
    recipe.signer = &world.oregon.keys.ca;
    world.refuses(craft(world.washington.keys.ca, recipe, world.random), "signature");
    // Nor by a CA certificate with the true key that the true CA never signed.
    test::CaRecipe ca;
    ca.signer = &world.oregon.keys.ca;
    recipe.signer = nullptr;
    world.refuses(craft(world.washington.keys.ca, recipe, world.random, nullptr, ca), "signature");
    // A key with another purpose of the right organisation is no CA either.
    world.refuses(craft(world.washington.keys.answer, world.good(), world.random),
                  "no CA of the organisation");
  }

  TEST_CASE("only one URI name of the exact form counts") {
    World world;
    const std::string good = world.uri(world.washington);
    const std::string digits = world.washington.pinned.id().hex();
    std::string upper = digits;
    for (char& c : upper) c = static_cast<char>(std::toupper(c));
    const std::pair<std::string, const char*> cases[] = {
        {"", "no name"},
        {good + "," + world.uri(world.oregon), "exactly one name"},
        {good + "," + good, "exactly one name"},
        {good + ",DNS:seattle.example", "exactly one name"},
        {"DNS:seattle.example", "no URI"},
        {"email:a@example.org", "no URI"},
        {"IP:127.0.0.1", "no URI"},
        {"URI:https://" + digits + "/site/seattle", "spiffe"},
        {"URI:SPIFFE://" + digits + "/site/seattle", "spiffe"},
        {"URI:spiffe://" + upper + "/site/seattle", "spiffe"},
        {"URI:spiffe://" + digits.substr(1) + "/site/seattle", "spiffe"},
        {"URI:spiffe://" + digits + "/site/", "spiffe"},
        {"URI:spiffe://" + digits + "/site/Seattle", "spiffe"},
        {"URI:spiffe://" + digits + "/site/seattle/x", "spiffe"},
        {"URI:spiffe://" + digits + "/site/seattle?x", "spiffe"},
        {"URI:spiffe://" + digits + "/SITE/seattle", "spiffe"},
        {"URI:spiffe://" + digits + "/site/" + std::string(64, 'a'), "spiffe"},
    };
    for (const auto& [names, reason] : cases) {
      CAPTURE(names);
      Recipe recipe = world.good();
      recipe.names = names;
      world.refuses(craft(world.washington.keys.ca, recipe, world.random), reason);
    }
    Recipe twice = world.good();
    twice.second_names = world.uri(world.washington, "tacoma");
    world.refuses(craft(world.washington.keys.ca, twice, world.random), "more than one list");
  }

  TEST_CASE("the leaf's and the issuer's roles, keys and lives are checked") {
    World world;
    using Spoil = std::function<void(Recipe&)>;
    const std::pair<const char*, Spoil> cases[] = {
        {"could act as a CA", [](Recipe& r) { r.basic = "critical,CA:TRUE,pathlen:0"; }},
        {"could act as a CA", [](Recipe& r) { r.basic = ""; }},
        {"key usage", [](Recipe& r) { r.usage = ""; }},
        {"key usage", [](Recipe& r) { r.usage = "critical,digitalSignature,keyCertSign"; }},
        {"extended usages", [](Recipe& r) { r.extended = ""; }},
        {"extended usages", [](Recipe& r) { r.extended = "serverAuth"; }},
        {"extended usages", [](Recipe& r) { r.extended = "serverAuth,clientAuth,codeSigning"; }},
        {"expired", [](Recipe& r) { r.to = kNow - seconds(1); }},
        {"not yet valid", [](Recipe& r) { r.from = kNow + seconds(1); }},
        {"longer than 25 h", [](Recipe& r) { r.to = kNow + days(30); }},
        {"sound Ed25519", [](Recipe& r) { r.key = test::LeafKey::rsa; }},
        {"share one key", [](Recipe& r) { r.key = test::LeafKey::issuers_own; }},
    };
    for (const auto& [reason, spoil] : cases) {
      Recipe recipe = world.good();
      spoil(recipe);
      world.refuses(craft(world.washington.keys.ca, recipe, world.random), reason);
    }
    const auto with_ca = [&](test::CaRecipe ca) {
      return craft(world.washington.keys.ca, world.good(), world.random, nullptr, ca);
    };
    CHECK(world.verify(with_ca({})));
    test::CaRecipe ca;
    ca.basic = "critical,CA:FALSE";
    world.refuses(with_ca(ca), "no CA of path length 0");
    ca = {}, ca.basic = "critical,CA:TRUE";
    world.refuses(with_ca(ca), "no CA of path length 0");
    ca = {}, ca.usage = "critical,digitalSignature";
    world.refuses(with_ca(ca), "may not sign");
    ca = {}, ca.to = kNow - seconds(1);
    world.refuses(with_ca(ca), "expired");
  }

  TEST_CASE("validity is judged at the time given, to the second") {
    World world;
    const auto chain = craft(world.washington.keys.ca, world.good(), world.random);
    CHECK(world.verify(chain, kNow - hours(1)));
    world.refuses(chain, "not yet valid", kNow - hours(1) - seconds(1));
    CHECK(world.verify(chain, kNow + hours(23) - seconds(1)));
    world.refuses(chain, "expired", kNow + hours(23) + seconds(1));
  }

  TEST_CASE("chains of another length, and bytes that are no certificate, are refused") {
    World world;
    const auto good = craft(world.washington.keys.ca, world.good(), world.random);
    world.refuses({}, "nothing else");
    world.refuses({good[0]}, "nothing else");
    world.refuses({good[0], good[1], good[1]}, "nothing else");
    const Bytes extra = test::craft_ca(world.oregon.keys.ca);
    world.refuses({good[0], good[1], extra}, "nothing else");
    world.refuses({good[1], good[0]}, "no name");
    world.refuses({good[0], Bytes{}}, "its size");
    world.refuses({Bytes(5000), good[1]}, "its size");
    Bytes longer = good[0];
    longer.push_back(0);
    world.refuses({longer, good[1]}, "not one X.509");
    for (std::size_t at = 0; at < good[0].size(); ++at) {
      CAPTURE(at);
      Bytes changed = good[0];
      changed[at] ^= 1;
      CHECK_FALSE(world.verify({changed, good[1]}));
    }
  }

  TEST_CASE("unknown organisations and expired charters are refused") {
    World world;
    Recipe recipe = world.good();
    recipe.names = world.uri(world.stranger);
    world.refuses(craft(world.stranger.keys.ca, recipe, world.random), "without a link");
    recipe = world.good();
    const Instant late = world.washington.pinned.current().expires;
    recipe.from = late - hours(1), recipe.to = late + hours(1);
    test::CaRecipe ca;
    ca.to = late + days(1);
    const auto chain = craft(world.washington.keys.ca, recipe, world.random, nullptr, ca);
    CHECK(world.verify(chain, late - seconds(1)));
    world.refuses(chain, "charter has expired", late);
  }

  TEST_CASE("revoked leaves and issuers are refused, at the handshake and in live sessions") {
    World world;
    PublicKey leaf_key;
    const auto chain = craft(world.washington.keys.ca, world.good(), world.random, &leaf_key);
    const PeerIdentity peer = *world.verify(chain);
    CHECK(peer.leaf_key == hash_public_key(leaf_key));
    CHECK(world.verifier.still_valid(peer, kNow));
    CHECK_FALSE(world.verifier.still_valid(peer, peer.certificate_expires));
    const auto revoke = [&](const PublicKey& key) {
      PinnedOrganisation next = world.washington.pinned;
      Charter charter = test::next_charter(next);
      charter.revoked_keys = {hash_public_key(key)};
      REQUIRE(next.advance(sign_charter(charter, world.washington.keys.roots)));
      world.verifier.replace({{next.id(), next}});
    };
    revoke(leaf_key);
    world.refuses(chain, "its key was revoked");
    CHECK_FALSE(world.verifier.still_valid(peer, kNow));
    CHECK(world.verify(craft(world.washington.keys.ca, world.good(), world.random)));
    revoke(world.washington.keys.ca.public_key());
    world.refuses(chain, "issuer's key was revoked");
    CHECK_FALSE(world.verifier.still_valid(peer, kNow));
    world.verifier.replace({});
    world.refuses(chain, "without a link");
    CHECK_FALSE(world.verifier.still_valid(peer, kNow));
  }

  TEST_CASE("a CA key that the charter replaced no longer counts, its successor does") {
    World world;
    const auto old_chain = craft(world.washington.keys.ca, world.good(), world.random);
    const PeerIdentity peer = *world.verify(old_chain);
    const SigningKey fresh = SigningKey::generate(world.random);
    PinnedOrganisation next = world.washington.pinned;
    Charter charter = test::next_charter(next);
    charter.keys[0].key = fresh.public_key();
    REQUIRE(next.advance(sign_charter(charter, world.washington.keys.roots)));
    world.verifier.replace({{next.id(), next}});
    world.refuses(old_chain, "no CA of the organisation");
    CHECK_FALSE(world.verifier.still_valid(peer, kNow));
    CHECK(world.verify(craft(fresh, world.good(), world.random)));
  }
}
