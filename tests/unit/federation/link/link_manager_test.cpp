#include "federation/link/link_manager.h"

#include <doctest/doctest.h>

#include <kj/debug.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tests/support/link_node.h"

using namespace entente;
using namespace entente::federation;
using test::LinkNode;

namespace {

void connect(Loop& loop, LinkNode& dialler, LinkNode& listener) {
  LinkNode::link(dialler, listener);
  for (Direction d : {Direction::we_call, Direction::we_serve}) {
    loop.run(dialler.manager.when_connected(listener.id(), d));
    loop.run(listener.manager.when_connected(dialler.id(), d));
  }
}

kj::Exception::Type fault_of(Loop& loop, wire::Questions::Client desk,
                             std::string* text = nullptr) {
  try {
    test::ask(loop, desk, "x");
  } catch (const kj::Exception& e) {
    if (text != nullptr) *text = e.getDescription().cStr();
    return e.getType();
  }
  FAIL("the call succeeded");
  return kj::Exception::Type::FAILED;
}

}  // namespace

TEST_SUITE("federation/link/link_manager") {
  TEST_CASE("two nodes ask each other, though only one dials") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    connect(loop, a, b);
    CHECK(test::ask(loop, a.manager.questions(b.id()), "from a") == "from a");
    CHECK(test::ask(loop, b.manager.questions(a.id()), "from b") == "from b");
    const auto health = a.manager.health(b.id());
    REQUIRE(health);
    CHECK(health->call.connected);
    CHECK(health->serve.connected);
    CHECK(health->protocol == 1);
    CHECK(health->certificate_expires > a.clock.now());
    CHECK(health->calls_in_flight == 0);
    const std::vector<std::string> expected{"Gate.open", "Session.questions", "Session.agreements",
                                            "Questions.ask"};
    CHECK(b.intents == expected);
  }

  TEST_CASE("without a link a call fails at once, and says so") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    CHECK(fault_of(loop, a.manager.questions(b.id())) == kj::Exception::Type::DISCONNECTED);
    a.verifier.pin(b.authority);
    a.manager.set_partner(a.partner(b, true));  // b knows nothing of a
    auto desk = a.manager.questions(b.id());
    CHECK(fault_of(loop, desk) == kj::Exception::Type::DISCONNECTED);
    REQUIRE(test::run_until(loop, [&] { return !b.reasons(LinkEvent::Kind::refused).empty(); }));
    CHECK(b.reasons(LinkEvent::Kind::refused).front() == "an unknown organisation");
    CHECK_FALSE(a.manager.health(b.id())->call.connected);
  }

  TEST_CASE("suspending closes now, refuses the partner, and set_partner opens again") {
    LinkLimits limits;
    limits.backoff_least = milliseconds(10);
    limits.backoff_most = milliseconds(50);
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits);
    connect(loop, a, b);
    auto desk = a.manager.questions(b.id());
    CHECK(test::ask(loop, desk, "1") == "1");
    b.manager.suspend(a.id(), "revoked");
    std::string text;
    REQUIRE(test::run_until(loop, [&] { return !a.manager.health(b.id())->call.connected; }));
    CHECK(fault_of(loop, desk, &text) == kj::Exception::Type::DISCONNECTED);
    REQUIRE(test::run_until(loop, [&] { return !b.reasons(LinkEvent::Kind::refused).empty(); }));
    CHECK(b.reasons(LinkEvent::Kind::refused).front() == "the link is suspended");
    CHECK(b.manager.health(a.id())->suspended);
    b.manager.set_partner(b.partner(a, false));
    loop.run(a.manager.when_connected(b.id(), Direction::we_call));
    CHECK(test::ask(loop, desk, "2") == "2");
    a.manager.remove_partner(b.id());
    CHECK_FALSE(a.manager.health(b.id()).has_value());
    CHECK(fault_of(loop, desk) == kj::Exception::Type::DISCONNECTED);
  }

  TEST_CASE("a peer no longer admitted, or whose certificate expires, is cut off") {
    LinkLimits limits;
    limits.watch = milliseconds(10);
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits), c(loop, "c", limits);
    connect(loop, a, b);
    loop.run(loop.after(milliseconds(50)));
    CHECK(b.reasons(LinkEvent::Kind::closed).empty());
    b.admits = false;
    REQUIRE(test::run_until(loop, [&] { return !b.reasons(LinkEvent::Kind::closed).empty(); }));
    CHECK(b.reasons(LinkEvent::Kind::closed).front() == "no longer admitted");
    test::TestAuthority::LeafOptions brief;
    brief.life = hours(1);
    c.credentials.swap(c.authority.leaf("main", brief));
    b.admits = true;
    connect(loop, c, b);
    b.clock.ahead = hours(1) + seconds(1);
    const auto cut = [&] {
      const auto reasons = b.reasons(LinkEvent::Kind::closed);
      return std::count(reasons.begin(), reasons.end(), "the peer's certificate has expired") > 0;
    };
    CHECK(test::run_until(loop, cut));
  }

  TEST_CASE("a call under way when the link is cut ends at once") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    b.answer = [](auto&) -> kj::Promise<void> { return kj::NEVER_DONE; };
    connect(loop, a, b);
    auto desk = a.manager.questions(b.id());
    auto type = kj::Exception::Type::FAILED;
    auto call = desk.askRequest().send().then(
        [](auto&&) {}, [&](kj::Exception&& fault) { type = fault.getType(); });
    auto waiting = call.eagerlyEvaluate(nullptr);
    loop.run(loop.after(milliseconds(20)));
    CHECK(a.manager.health(b.id())->calls_in_flight == 1);
    b.manager.suspend(a.id(), "cut");
    loop.run(kj::mv(waiting));
    CHECK(type == kj::Exception::Type::DISCONNECTED);
    CHECK(a.manager.health(b.id())->calls_in_flight == 0);
  }

  TEST_CASE("only the agreed direction gets in") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    a.verifier.pin(b.authority);
    b.verifier.pin(a.authority);
    Partner for_b = b.partner(a, false);
    for_b.call = false;  // b does not want to ask a
    b.manager.set_partner(for_b);
    a.manager.set_partner(a.partner(b, true));
    loop.run(a.manager.when_connected(b.id(), Direction::we_call));
    REQUIRE(test::run_until(loop, [&] { return !b.reasons(LinkEvent::Kind::refused).empty(); }));
    CHECK(b.reasons(LinkEvent::Kind::refused).front() == "a direction not agreed");
    CHECK(test::ask(loop, a.manager.questions(b.id()), "x") == "x");
    CHECK_FALSE(b.manager.health(a.id())->call.connected);
  }

  TEST_CASE("sessions are renewed under load without losing a call") {
    LinkLimits limits;
    limits.session_life = limits.renew_margin = hours(1);  // renewed a quarter before its end
    limits.watch = milliseconds(2);
    limits.ask_rate = limits.ask_burst = 1e6;
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits);
    connect(loop, a, b);
    auto desk = a.manager.questions(b.id());
    int wrong = 0, done = 0;
    for (int step = 0; step < 40; ++step) {
      a.clock.ahead = b.clock.ahead = minutes(7) * step;
      for (int i = 0; i < 3; ++i) {
        loop.run(loop.after(milliseconds(3)));
        ++(test::ask(loop, desk, "x") == "x" ? done : wrong);
      }
    }
    CHECK(wrong == 0);
    CHECK(done > 20);
    const auto opens = std::count(b.intents.begin(), b.intents.end(), "Gate.open");
    CHECK(opens >= 4);
    // The control: it was one and the same connection.
    CHECK(a.manager.health(b.id())->call.opened == 1);
  }

  TEST_CASE("a partner that comes back is found again, with growing pauses in between") {
    LinkLimits limits;
    limits.backoff_least = milliseconds(10);
    limits.backoff_most = milliseconds(40);
    Loop loop;
    LinkNode a(loop, "a", limits);
    auto b = std::make_unique<LinkNode>(loop, "b", limits);
    LinkNode::link(a, *b);
    loop.run(a.manager.when_connected(b->id(), Direction::we_call));
    const auto id = b->id();
    const std::uint16_t port = b->port;
    auto desk = a.manager.questions(id);
    b.reset();
    REQUIRE(test::run_until(loop, [&] {
      return a.manager.health(id)->call.last_error.find("TCP") != std::string::npos;
    }));
    const std::size_t before = a.reasons(LinkEvent::Kind::refused).size();
    loop.run(loop.after(milliseconds(300)));
    const std::size_t attempts = a.reasons(LinkEvent::Kind::refused).size() - before;
    CHECK(attempts >= 2);
    CHECK(attempts <= 60);  // two lanes, pauses of 20 to 40 ms
    // The same organisation at another port, as after a restart: other keys, so pin them anew.
    LinkNode again(loop, "b", limits);
    CHECK(again.port != port);
    a.verifier.pin(again.authority);
    again.verifier.pin(a.authority);
    again.manager.set_partner(again.partner(a, false));
    a.manager.set_partner(a.partner(again, true));
    loop.run(a.manager.when_connected(id, Direction::we_call));
    CHECK(test::ask(loop, desk, "back") == "back");
  }

  TEST_CASE("pings keep an idle link alive and measure its round trip") {
    LinkLimits limits;
    limits.ping = milliseconds(20);
    limits.idle = milliseconds(150);
    limits.watch = milliseconds(5);
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits);
    connect(loop, a, b);
    loop.run(loop.after(milliseconds(500)));
    CHECK(a.manager.health(b.id())->call.connected);
    CHECK(b.manager.health(a.id())->call.connected);
    CHECK(a.manager.health(b.id())->round_trip > Duration{});
    CHECK(a.reasons(LinkEvent::Kind::violation).empty());
    CHECK(b.reasons(LinkEvent::Kind::violation).empty());
  }

  TEST_CASE("ports: the real one is told, a taken one and a wrong address are refused") {
    Loop loop;
    LinkNode a(loop, "a"), b(loop, "b");
    CHECK(a.port != 0);
    const auto taken = b.manager.listen("127.0.0.1", a.port);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == ErrorCode::port_in_use);
    for (const char* wrong : {"nonsense", "203.0.113.7", ""}) {
      CAPTURE(wrong);
      const auto refused = b.manager.listen(wrong, 0);
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code == ErrorCode::invalid_argument);
    }
  }

  TEST_CASE("running out of descriptors pauses accepting and ends by itself") {
    LinkLimits limits;
    limits.backoff_least = limits.backoff_most = milliseconds(20);
    Loop loop;
    LinkNode a(loop, "a", limits), b(loop, "b", limits);
    connect(loop, a, b);
    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    const rlimit tight{64, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &tight);
    std::vector<int> hoard;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) hoard.push_back(fd);
    // One descriptor for a client: the node's accept fails with EMFILE.
    ::close(hoard.back());
    hoard.pop_back();
    const int client = test::connect_tcp(b.port);
    loop.run(loop.after(milliseconds(50)));
    CHECK(test::ask(loop, a.manager.questions(b.id()), "meanwhile") == "meanwhile");
    ::close(client);
    for (const int fd : hoard) ::close(fd);
    setrlimit(RLIMIT_NOFILE, &old);
    a.manager.refresh(b.id());
    REQUIRE(test::run_until(loop, [&] { return a.manager.health(b.id())->call.opened == 2; }));
    CHECK(test::ask(loop, a.manager.questions(b.id()), "after") == "after");
  }
}
