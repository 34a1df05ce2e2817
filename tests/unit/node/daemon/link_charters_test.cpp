#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "node/daemon/limits.h"
#include "security/identity/charter_draft.h"
#include "tests/unit/node/daemon/trust_bench.h"
#include "tests/unit/security/identity/organisations.h"

using namespace entente;
using namespace entente::node;
using security::PinnedOrganisation;
using security::SigningKey;

namespace {

// A partner of an active link, with what its administrator can do.
struct PartnerBench : node::test::TrustBench {
  SeededRandom random{7};
  security::test::Organisation partner = security::test::make_organisation(random, "oregon");
  std::unique_ptr<LinkRegister> links;

  PartnerBench() {
    load();
    CHECK(add(partner.pinned.chain()));
    confirm();
  }
  void load() {
    links = std::make_unique<LinkRegister>(LinkRegister::Parts{*store, clock, [] {}});
    REQUIRE(links->load());
  }
  void restart() {
    settle();
    links.reset();
    open();
    load();
  }
  Result<LinkEntry> add(std::vector<SignedCharter> chain) {
    LinkEntry entry;
    entry.organisation = partner.pinned.id();
    entry.name = "oregon";
    entry.site = "main";
    entry.chain = std::move(chain);
    std::optional<Result<LinkEntry>> reply;
    links->add("user:ann", std::move(entry),
               [&](Result<LinkEntry> got) { reply = std::move(got); });
    settle();
    return *reply;
  }
  void confirm() {
    links->confirm("user:ann", "oregon", std::nullopt, [](Result<LinkEntry> got) { CHECK(got); });
    settle();
  }
  Result<std::uint32_t> take(std::vector<SignedCharter> shown) {
    std::optional<Result<std::uint32_t>> reply;
    links->take_charters(partner.pinned.id(), std::move(shown),
                         [&](Result<std::uint32_t> got) { reply = std::move(got); });
    settle();
    REQUIRE(reply);
    return *reply;
  }
  const LinkEntry& link() const { return links->entries().at(partner.pinned.id()); }
  // The charter after `before`, with a fresh answer key, signed by the partner's root.
  SignedCharter next_of(const PinnedOrganisation& before) {
    security::CharterChange change;
    change.issued = security::test::kNow;
    change.expires = change.issued + days(365);
    change.add = {{KeyPurpose::answer, SigningKey::generate(random).public_key()}};
    return security::sign_charter(*security::next_charter(before, change), partner.keys.roots);
  }
};

}  // namespace

TEST_SUITE("node/daemon/link_charters") {
  TEST_CASE("pins move forward durably and are audited") {
    PartnerBench bench;
    PinnedOrganisation ahead = bench.partner.pinned;
    std::vector<SignedCharter> later;
    for (int i = 0; i < 3; ++i) {
      later.push_back(bench.next_of(ahead));
      REQUIRE(ahead.advance(later.back()));
    }
    CHECK(*bench.take({bench.partner.pinned.chain()[0]}) == 1);  // nothing new
    CHECK(*bench.take({later[0]}) == 2);
    CHECK(*bench.take({later[0], later[1], later[2]}) == 4);
    CHECK(bench.link().chain.size() == 4);
    bench.restart();
    CHECK(bench.link().chain.size() == 4);
    CHECK(bench.link().chain == ahead.chain());
    const auto actions = bench.actions();
    CHECK(std::count(actions.begin(), actions.end(), "link.charter") == 2);
  }

  TEST_CASE(
      "gaps and other organisations' charters and those with too few signatures are refused") {
    PartnerBench bench;
    PinnedOrganisation ahead = bench.partner.pinned;
    const SignedCharter second = bench.next_of(ahead);
    REQUIRE(ahead.advance(second));
    const SignedCharter third = bench.next_of(ahead);
    CHECK(bench.take({third}).error().code == ErrorCode::charter_invalid);
    SignedCharter unsigned_second = second;
    unsigned_second.signatures.clear();
    CHECK(bench.take({unsigned_second}).error().code == ErrorCode::charter_invalid);
    const auto other = security::test::make_organisation(bench.random, "oregon");
    CHECK(bench.take({other.pinned.chain()[0]}).error().code == ErrorCode::charter_invalid);
    CHECK(bench.link().chain.size() == 1);
    CHECK(bench.link().state == LinkState::active);
    CHECK(*bench.take({second, third}) == 3);  // the control
  }

  TEST_CASE("a partner that goes back to an older charter is refused and does not count as heard") {
    PartnerBench bench;
    const SignedCharter second = bench.next_of(bench.partner.pinned);
    CHECK(*bench.take({second}) == 2);
    const Instant heard = bench.link().heard;
    bench.clock.advance(hours(1));
    CHECK(bench.take({bench.partner.pinned.chain()[0]}).error().code == ErrorCode::stale);
    CHECK(bench.take({}).error().code == ErrorCode::stale);
    CHECK(bench.link().heard == heard);
    CHECK(bench.link().state == LinkState::active);
    CHECK(*bench.take({second}) == 2);
    CHECK(bench.link().heard == bench.clock.now());
  }

  TEST_CASE("two signed charters of one number freeze the link and the proof is kept") {
    PartnerBench bench;
    const SignedCharter one = bench.next_of(bench.partner.pinned);
    const SignedCharter two = bench.next_of(bench.partner.pinned);
    REQUIRE(one.charter != two.charter);
    CHECK(*bench.take({one}) == 2);
    // A forger without the root key cannot freeze anything.
    SignedCharter forged = two;
    forged.signatures[0].signature.bytes[3] ^= 1;
    CHECK(bench.take({forged}).error().code == ErrorCode::charter_invalid);
    CHECK(bench.link().state == LinkState::active);
    CHECK(bench.take({two}).error().code == ErrorCode::conflict);
    CHECK(bench.link().state == LinkState::suspended);
    CHECK(bench.link().our_turn);
    CHECK(bench.link().last_error.find("two different charters") != std::string::npos);
    bench.restart();
    REQUIRE(bench.links->charter_conflicts().size() == 1);
    const CharterConflict& proof = bench.links->charter_conflicts()[0];
    CHECK(proof.organisation == bench.partner.pinned.id());
    CHECK(proof.version == 2);
    CHECK(proof.pinned == one);
    CHECK(proof.shown == two);
    // Anybody can check it: both follow the first charter by its own rules.
    for (const SignedCharter& signed_charter : {proof.pinned, proof.shown}) {
      PinnedOrganisation chain = bench.partner.pinned;
      CHECK(chain.advance(signed_charter));
    }
    const auto actions = bench.actions();
    CHECK(std::count(actions.begin(), actions.end(), "charter.conflict") == 1);
    CHECK(std::count(actions.begin(), actions.end(), "link.freeze") == 1);
    CHECK(bench.take({two}).error().code == ErrorCode::link_not_active);
  }

  TEST_CASE("an organisation that enrols anew does not go back nor to another charter") {
    PartnerBench bench;
    PinnedOrganisation ahead = bench.partner.pinned;
    REQUIRE(ahead.advance(bench.next_of(ahead)));
    CHECK(*bench.take({ahead.chain()[1]}) == 2);
    bench.links->revoke("user:ann", "oregon", [](Result<LinkEntry> got) { CHECK(got); });
    bench.settle();
    CHECK(bench.add(bench.partner.pinned.chain()).error().code == ErrorCode::stale);
    PinnedOrganisation fork = bench.partner.pinned;
    REQUIRE(fork.advance(bench.next_of(fork)));
    CHECK(bench.add(fork.chain()).error().code == ErrorCode::conflict);
    REQUIRE(ahead.advance(bench.next_of(ahead)));
    CHECK(bench.add(ahead.chain()));  // the control
    CHECK(bench.link().chain.size() == 3);
  }

  TEST_CASE("what was heard of a partner survives a restart so that waiting is not cut short") {
    PartnerBench bench;
    const Instant heard = bench.clock.now();
    bench.links->told(bench.partner.pinned.id(), 5);
    bench.settle();
    bench.clock.advance(days(3));
    bench.restart();
    CHECK(bench.link().heard == heard);
    CHECK(bench.link().told == 5);
    CHECK(*bench.take({bench.partner.pinned.chain()[0]}) == 1);
    bench.restart();
    CHECK(bench.link().heard == heard + days(3));
  }
}
