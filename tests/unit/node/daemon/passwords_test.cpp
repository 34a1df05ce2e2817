#include "node/daemon/passwords.h"

#include <doctest/doctest.h>
#include <sodium.h>

#include "node/daemon/access_register.h"
#include "node/daemon/limits.h"
#include "node/store/audit_log.h"
#include "tests/unit/node/temporary_folder.h"

using namespace entente;
using namespace entente::node;

namespace {

const std::string kGood = "a sentence nobody guesses";

struct Desk {
  Desk() { open(); }
  void open() {
    Store::Options options;
    options.path = folder / "entente.db";
    options.migrations = {audit_migration(), audit_tree_migration(),
                          AccessRegister::steps_migration()};
    options.deliver = [this](std::function<void()> work) { loop.post(std::move(work)); };
    auto opened = Store::open(std::move(options));
    REQUIRE(opened);
    store = std::move(*opened);
    passwords = std::make_unique<Passwords>(Passwords::Parts{
        *store, clock, loop, {crypto_pwhash_OPSLIMIT_MIN, crypto_pwhash_MEMLIMIT_MIN}});
    REQUIRE(passwords->load());
  }
  template <class Start>
  Outcome wait(Start start) {
    auto done = kj::newPromiseAndFulfiller<void>();
    Outcome out;
    start([&](Outcome outcome) {
      out = std::move(outcome);
      done.fulfiller->fulfill();
    });
    loop.run(kj::mv(done.promise));
    return out;
  }
  Outcome set(const std::string& user, const std::string& password) {
    return wait(
        [&](Passwords::Done done) { passwords->set("user:ann", user, password, std::move(done)); });
  }
  Outcome check(const std::string& user, const std::string& password) {
    return wait([&](Passwords::Done done) { passwords->check(user, password, std::move(done)); });
  }
  ErrorCode refusal(const std::string& user, const std::string& password) {
    const Outcome out = check(user, password);
    REQUIRE_FALSE(out);
    return out.error().code;
  }

  node::test::TemporaryFolder folder;
  federation::Loop loop;
  ManualClock clock{*parse_instant("2026-01-01T00:00:00Z")};
  std::unique_ptr<Store> store;
  std::unique_ptr<Passwords> passwords;
};

}  // namespace

TEST_SUITE("node/daemon/passwords") {
  TEST_CASE("the right password is let in and any other is not also after a restart") {
    Desk desk;
    REQUIRE(desk.set("bob", kGood));
    CHECK(desk.check("bob", kGood));
    CHECK(desk.refusal("bob", kGood + " ") == ErrorCode::unauthenticated);
    desk.passwords.reset();
    desk.store.reset();
    desk.open();
    CHECK(desk.passwords->has("bob"));
    CHECK(desk.check("bob", kGood));
    REQUIRE(desk.set("bob", "another sentence entirely"));
    CHECK(desk.refusal("bob", kGood) == ErrorCode::unauthenticated);
  }

  TEST_CASE("short passwords and those with the name in them are refused and nothing is kept") {
    Desk desk;
    for (const std::string& bad :
         {std::string("short"), std::string(2'000, 'x'), std::string("this is bob speaking")}) {
      const Outcome out = desk.set("bob", bad);
      REQUIRE_FALSE(out);
      CHECK(out.error().code == ErrorCode::invalid_argument);
    }
    CHECK_FALSE(desk.passwords->has("bob"));
  }

  TEST_CASE("a name waits after five failures twice as long each time whether anybody has it") {
    Desk desk;
    REQUIRE(desk.set("bob", kGood));
    std::vector<std::string> words;
    for (const char* name : {"bob", "nobody"}) {
      CAPTURE(name);
      std::string all;
      for (int i = 0; i < node::limits::kLoginsFree; ++i) {
        const Outcome out = desk.check(name, "wrong password");
        REQUIRE_FALSE(out);
        all += out.error().text() + "\n";
        CHECK(out.error().code == ErrorCode::unauthenticated);
      }
      // The right one is not even looked at.
      for (const Duration wait : {minutes(1), minutes(2), minutes(4)}) {
        CHECK(desk.refusal(name, kGood) == ErrorCode::overloaded);
        desk.clock.advance(wait - nanoseconds(1));
        CHECK(desk.refusal(name, kGood) == ErrorCode::overloaded);
        desk.clock.advance(nanoseconds(1));
        CHECK(desk.refusal(name, "wrong password") == ErrorCode::unauthenticated);
      }
      words.push_back(all);
    }
    CHECK(words[0] == words[1]);
    desk.clock.advance(hours(1));
    CHECK(desk.check("bob", kGood));
    CHECK(desk.refusal("bob", "wrong password") == ErrorCode::unauthenticated);  // and counts anew
    CHECK(desk.check("bob", kGood));
  }

  TEST_CASE("many attempts at once are refused and none of them slips past the count") {
    Desk desk;
    REQUIRE(desk.set("bob", kGood));
    std::size_t wrong = 0, refused = 0, done = 0;
    auto all = kj::newPromiseAndFulfiller<void>();
    constexpr std::size_t kAttempts = 40;
    for (std::size_t i = 0; i < kAttempts; ++i) {
      desk.passwords->check("bob", "wrong password", [&](Outcome out) {
        REQUIRE_FALSE(out);
        ++(out.error().code == ErrorCode::unauthenticated ? wrong : refused);
        if (++done == kAttempts) all.fulfiller->fulfill();
      });
    }
    desk.loop.run(kj::mv(all.promise));
    CHECK(wrong <= static_cast<std::size_t>(node::limits::kLoginsFree));
    CHECK(wrong > 0);
    CHECK(wrong + refused == kAttempts);
  }

  TEST_CASE("a password that ends lets nobody in any more") {
    Desk desk;
    REQUIRE(desk.set("bob", kGood));
    CHECK(desk.wait(
        [&](Passwords::Done done) { desk.passwords->forget("user:ann", "bob", std::move(done)); }));
    CHECK(desk.refusal("bob", kGood) == ErrorCode::unauthenticated);
  }
}
