#include "node/daemon/invitation_register.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include "security/identity/limits.h"
#include "tests/unit/node/daemon/trust_bench.h"

using namespace entente;
using namespace entente::node;
using security::InvitationState;

namespace {

struct InvitationBench : node::test::TrustBench {
  SeededRandom random{3};
  security::Vault vault = *security::Vault::from_key(security::Secret::random(random, 32));
  std::unique_ptr<security::InvitationBook> book;
  std::unique_ptr<InvitationRegister> invited;

  InvitationBench() { REQUIRE(load(vault)); }
  Outcome load(const security::Vault& by) {
    book = std::make_unique<security::InvitationBook>();
    invited = std::make_unique<InvitationRegister>(
        InvitationRegister::Parts{*store, clock, random, by, *book});
    return invited->load();
  }
  Outcome restart(const security::Vault& by) {
    settle();
    invited.reset();
    open();
    return load(by);
  }
  security::Invitation invite(const std::string& name) {
    security::InvitationBook::Terms terms;
    terms.organisation = random.id<OrgId>();
    terms.enrolment = {"127.0.0.1:8472"};
    auto made = book->invite(terms, random, clock.now());
    REQUIRE(made);
    OpenInvitation open;
    open.name = name;
    open.port = 8472;
    open.made_by = "user:ann";
    invited->add(*made, open, [](Outcome kept) { CHECK(kept); });
    settle();
    return std::move(*made);
  }
  InvitationState state(const security::InvitationId& id) { return book->state(id, clock.now()); }
};

}  // namespace

TEST_SUITE("node/daemon/invitation_register") {
  TEST_CASE(
      "an open invitation survives a restart with its secret and its name and its wrong proofs") {
    InvitationBench bench;
    const auto made = bench.invite("oregon");
    bench.book->count_wrong_proof(made.id, bench.clock.now());
    bench.book->count_wrong_proof(made.id, bench.clock.now());
    bench.invited->tend();
    REQUIRE(bench.restart(bench.vault));
    CHECK(bench.state(made.id) == InvitationState::open);
    const security::Secret* secret = bench.book->secret_of(made.id, bench.clock.now());
    REQUIRE(secret != nullptr);
    CHECK(secret->equals(made.secret.view()));
    REQUIRE(bench.invited->open().contains(made.id));
    const OpenInvitation& open = bench.invited->open().at(made.id);
    CHECK(open.name == "oregon");
    CHECK(open.wrong_proofs == 2);
    CHECK(open.port == 8472);
    CHECK(open.made_by == "user:ann");
    CHECK(open.expires == made.expires);
    // Three more burn it: a restart gives no new tries.
    for (int i = 0; i < 3; ++i) bench.book->count_wrong_proof(made.id, bench.clock.now());
    CHECK(bench.state(made.id) == InvitationState::burnt);
    bench.invited->tend();
    REQUIRE(bench.restart(bench.vault));
    CHECK(bench.state(made.id) == InvitationState::unknown);
    CHECK(bench.actions() == std::vector<std::string>{"link.invite", "link.invitation.burnt"});
  }

  TEST_CASE("cancelled and used and expired invitations are gone and each leaves its own record") {
    InvitationBench bench;
    const auto cancelled = bench.invite("a"), used = bench.invite("b"), over = bench.invite("c");
    CHECK(bench.invited->name_taken("a"));
    std::optional<Outcome> done;
    bench.invited->cancel("user:bob", "a", [&](Outcome outcome) { done = std::move(outcome); });
    CHECK(bench.state(cancelled.id) == InvitationState::unknown);
    bench.settle();
    REQUIRE(done);
    CHECK(*done);
    bench.invited->cancel("user:bob", "a", [&](Outcome outcome) { done = std::move(outcome); });
    CHECK(done->error().code == ErrorCode::not_found);
    REQUIRE(bench.book->use(used.id, bench.clock.now()));
    bench.invited->use(used.id, [](Outcome kept) { CHECK(kept); });
    bench.settle();
    bench.invited->use(used.id, [&](Outcome outcome) { done = std::move(outcome); });
    CHECK(done->error().code == ErrorCode::enrolment_refused);
    CHECK(bench.state(over.id) == InvitationState::open);
    bench.clock.advance(security::limits::kInvitationLife);
    bench.invited->tend();
    REQUIRE(bench.restart(bench.vault));
    CHECK(bench.invited->open().empty());
    for (const auto& id : {cancelled.id, used.id, over.id}) {
      CHECK(bench.state(id) == InvitationState::unknown);
    }
    CHECK(bench.actions() == std::vector<std::string>{"link.invite", "link.invite", "link.invite",
                                                      "link.invitation.cancel",
                                                      "link.invitation.used",
                                                      "link.invitation.expired"});
  }

  TEST_CASE("the secret is sealed: another vault opens nothing and the file does not hold it") {
    InvitationBench bench;
    const auto made = bench.invite("oregon");
    bench.settle();
    const auto secret = made.secret.view();
    const std::string plain(secret.begin(), secret.end());
    for (const char* name : {"entente.db", "entente.db-wal"}) {
      std::ifstream file(bench.folder / name, std::ios::binary);
      const std::string all((std::istreambuf_iterator<char>(file)), {});
      CHECK(all.find(plain) == std::string::npos);
    }
    const auto other = *security::Vault::from_key(security::Secret::random(bench.random, 32));
    CHECK(bench.restart(other).error().code == ErrorCode::verification_failed);
    CHECK(bench.restart(bench.vault));
  }
}
